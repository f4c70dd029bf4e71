"""A small bundle with weights that matter, and logs to fold under it."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from penchant.bundle import Bundle
from penchant.config import Config, build_model
from penchant.events.features import FeatureEncoder
from penchant.events.vocabulary import Vocabulary

ITEMS = ("tea", "milk", "rum", "salt", "kiwi", "oats", "leek")
TYPES = ("view", "buy")


def make_bundle(
    seed: int = 0, items=ITEMS, types=TYPES, has_times: bool = True, users=None, **settings
) -> Bundle:
    """Return an untrained bundle in float64 whose every part, biases included, is random.

    `users` is a table of attributes of users, where the model is to read some.
    """
    plain = {"width": 8, "items": {"kind": "identity"}}
    config = Config.load("default", {**plain, **settings}, environ={})
    torch.manual_seed(seed)
    readers = FeatureEncoder() if users is None else FeatureEncoder.fit(users)
    known = None if users is None else readers.transform(users)
    sizes = len(items), len(types)
    model = build_model(config, *sizes, user_features=known).double().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "decay" not in name:
                weight.copy_(torch.randn_like(weight) * 0.3)
    titles = [item.title() for item in items]
    return Bundle(
        model=model,
        config=config,
        vocabulary=Vocabulary(items),
        item_table=pl.DataFrame({"item_id": list(items), "title": titles}),
        encoder=FeatureEncoder(),
        event_types=types,
        item_counts=np.ones(len(items), np.int64),
        facts={"has_times": has_times, "fingerprint": f"made from seed {seed}"},
        user_encoder=readers,
    )


def make_log(num_users: int = 9, seed: int = 3) -> list[dict]:
    """Return events of all users in the order in which they happened, ties and all."""
    draw = np.random.default_rng(seed)
    events = []
    for user in range(num_users):
        time = 1_000_000.0 + float(draw.integers(0, 5_000))
        for _ in range(int(draw.integers(1, 14))):
            time += float(draw.choice([0, 0, 7, 3_600, 86_400 * 9]))
            event = {
                "user_id": f"u{user}",
                "item_id": str(draw.choice([*ITEMS, "never heard of"])),
                "timestamp": time,
                "event_type": str(draw.choice(TYPES)),
            }
            if draw.random() < 0.5:
                event["value"] = float(draw.integers(1, 6))
            events.append(event)
    return sorted(events, key=lambda event: event["timestamp"])


def make_users(num_users: int = 9, seed: int = 6) -> pl.DataFrame:
    """Return attributes of the users u0, u1, …; of some of them nothing is known."""
    draw = np.random.default_rng(seed)
    rows = [
        {"age": None, "job": None, "langs": None}
        if user % 5 == 2
        else {
            "age": None if draw.random() < 0.4 else int(draw.integers(9, 90)),
            "job": draw.choice([None, "baker", "nurse", "pilot"]),
            "langs": draw.choice([None, "de|en", "en", "fr|de|nl"]),
        }
        for user in range(num_users)
    ]
    return pl.DataFrame(rows)
