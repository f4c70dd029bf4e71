"""A small prepared log with a rule: after item i comes item (3 i + 1) mod 13, but for strays."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import torch

from penchant.config import Config
from penchant.events import FeatureEncoder, LogArrays, Part, PreparedData, Vocabulary
from penchant.model import InterestModel
from penchant.sequences import TrainingBatch
from penchant.training.objective import Objective, trainable, user_loss

NUM_ITEMS = 13
QUICK = {
    "width": 8,
    "training": {
        "batch_events": 60,
        "window": 6,
        "num_epochs": 3,
        "warmup_steps": 2,
        "learning_rate": 0.01,
        "num_threads": 1,
        "tracker": "none",
        "seed": 5,
    },
    "encoder": {"num_layers": 2, "dropout_rate": 0.2},
    "readout": {"dropout_rate": 0.2},
    "behaviour": {"dropout_rate": 0.1},
}


def quick_config(**training) -> Config:
    return Config.load("default", QUICK, {}).override({"training": training})


def small_data(num_users: int = 23, validation: bool = True) -> PreparedData:
    rng = np.random.default_rng(11)
    lengths = 4 + np.arange(num_users) * 7 % 17
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    item = np.zeros(offsets[-1], dtype=np.int64)
    for start, end in pairwise(offsets):
        item[start] = rng.integers(NUM_ITEMS)
        for row in range(start + 1, end):
            strays = rng.random() < 0.1
            item[row] = rng.integers(NUM_ITEMS) if strays else (3 * item[row - 1] + 1) % NUM_ITEMS
    part = np.full(len(item), Part.TRAIN, dtype=np.int8)
    part[offsets[1:] - 1] = Part.TEST
    if validation:
        part[offsets[1:] - 2] = Part.VALIDATION
    value = rng.integers(1, 6, len(item)).astype(np.float32)
    time_ms = np.cumsum(rng.integers(0, 10**8, len(item)))
    log = LogArrays(item, np.zeros_like(item), value, time_ms, part, offsets)
    table = pl.DataFrame(
        {
            "item_id": [f"item {index}" for index in range(NUM_ITEMS)],
            "genre": ["War", "Drama", None, "War", *["Comedy"] * (NUM_ITEMS - 4)],
            "price": [float(index * index % 7) for index in range(NUM_ITEMS)],
        }
    )
    return PreparedData(
        log=log,
        users=Vocabulary([f"user {index}" for index in range(num_users)]),
        items=Vocabulary(table["item_id"]),
        item_table=table,
        user_table=None,
        event_types=("event",),
        encoder=FeatureEncoder.fit(table),
        manifest={"fingerprint": f"small {num_users}", "split": "leave-one-out"},
    )


TYPES = ("view", "buy", "skip")


def typed_data(num_users: int = 40) -> PreparedData:
    """The same log with types: every third event or so is a buy, and some are skips."""
    data = small_data(num_users)
    kind = np.random.default_rng(7).choice(3, data.log.num_events, p=[0.55, 0.3, 0.15])
    log = replace(data.log, event_type=kind.astype(np.int64))
    return replace(data, log=log, event_types=TYPES)


def check_fused_equals_plain(
    objective: Objective, model: InterestModel, batch: TrainingBatch
) -> None:
    """See that the objective and the plain loss of one user agree, with all their gradients."""
    parameters = trainable(objective, model)
    leaves = list(parameters.values())
    torch.manual_seed(1)  # which events a masked-item encoder hides
    fused = objective(model, batch)[0].total
    torch.manual_seed(1)
    plain = user_loss(objective, model, parameters, batch)
    torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-9)
    found = torch.autograd.grad(fused, leaves, allow_unused=True)
    wanted = torch.autograd.grad(plain, leaves, allow_unused=True)
    for name, left, right in zip(parameters, found, wanted, strict=True):
        assert (left is None) == (right is None), name
        if left is not None:
            torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9, msg=name)
