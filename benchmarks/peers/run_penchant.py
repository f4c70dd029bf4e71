"""Penchant on the task: what `penchant train` does, and lists from histories and memories."""

from __future__ import annotations

import measures  # first: the clock starts with it

# isort: split
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from task import data_of

import penchant
from penchant import Live, Recommender
from penchant.bundle import Bundle
from penchant.config import Config
from penchant.events import LogArrays, PreparedData
from penchant.model import InterestModel
from penchant.serving.ranking import Ranker
from penchant.training import Run, SilentReporter, Trainer, trackers


class ReachedError(Exception):
    """The figure that was asked for is reached."""


class Clock(SilentReporter):
    """Keeps the trainer's own seconds of each epoch, and validates after it."""

    def __init__(self, epochs: measures.Epochs) -> None:
        self.epochs = epochs

    def start_epoch(self, *_: object) -> None:
        self.epochs.begin()

    def end_epoch(self, record: dict[str, Any]) -> None:
        if self.epochs.end(record["train_s"]):
            raise ReachedError


def config_of(settings: measures.Settings, window: int) -> Config:
    """Return the configuration: what all peers share, under what was set for this one."""
    rate = settings.dropout_rate
    shared = {
        "width": settings.width,
        "items.kind": "identity",
        "behaviour.use_value": False,
        "behaviour.dropout_rate": rate,
        "readout.query_time": False,
        "readout.dropout_rate": rate,
        "loss.kind": "full_softmax",
        "loss.interest_weight": 0.0,
        "training.learning_rate": settings.learning_rate,
        "training.window": window,
        "training.num_epochs": settings.num_epochs,
        "training.patience": settings.num_epochs,
        "training.num_threads": settings.num_threads,
        "training.seed": settings.seed,
        "training.drop_time_share": 0.0,
        "training.checkpoint_minutes": 0.0,
        "training.tracker": "none",
        "training.device": "cpu",
    }
    lines = [f"{key}={_toml(value)}" for key, value in shared.items()]
    chosen = settings.own["set"]
    if not any(line.startswith("encoder.kind") for line in chosen):
        lines += [
            "encoder.kind=transformer",
            f"encoder.num_layers={settings.num_layers}",
            f"encoder.num_heads={settings.num_heads}",
            f"encoder.window={window}",
            f"encoder.feed_forward={settings.feed_forward}",
            f"encoder.dropout_rate={rate}",
        ]
    return Config.load(settings.own["config"], [*lines, *chosen])


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def history_of(task: measures.Task, data: PreparedData, users: np.ndarray) -> LogArrays:
    """Return the last `window` events of users."""
    log = data.log.users(users)
    behind = np.repeat(log.offsets[1:], log.lengths) - np.arange(log.num_events)
    return log.where(behind <= task.window)


def multiply_adds(
    model: InterestModel, config: Config, task: measures.Task, num_inputs: np.ndarray
) -> dict[str, int]:
    """Return the multiply-adds of the forward passes of one epoch, part by part.

    Parts: the products with weights for every event read, causal attention over the positions that
    are seen (once, both of its products), and the scores of every item for every target that has a
    history. Elementwise work, a recurrence's own memory and first events are not counted.
    """
    looked_up = {
        id(part.weight) for part in model.modules() if isinstance(part, torch.nn.Embedding)
    }
    weights = sum(
        weight.numel()
        for weight in model.parameters()
        if weight.ndim == 2 and min(weight.shape) > 1 and id(weight) not in looked_up
    )
    attention = 0
    if config.encoder.kind == "transformer":
        chosen = config.encoder.settings
        seen = np.minimum(num_inputs, chosen["window"])  # a later event sees no more than these
        pairs = seen * (seen + 1) // 2 + (num_inputs - seen) * seen
        attention = 2 * int(pairs.sum()) * config.width * chosen["num_layers"]
    return {
        "weights": weights * int(num_inputs.sum()),
        "attention": attention,
        "scores": task.num_targets * task.num_items * config.width,
    }


def lists(
    task: measures.Task, settings: measures.Settings, recommender: Recommender, data: PreparedData
) -> dict[str, float]:
    """Return milliseconds of one list from a bare history, and from a kept memory."""
    ids = data.items.ids
    users = task.listed_users(settings.num_lists)
    histories = {user: [ids[item] for item in task.history(user)] for user in users}
    with Live(recommender.bundle, clock=lambda: 2e9) as live:
        for user, items in histories.items():
            live.observe(
                {"user_id": str(user), "item_id": item, "timestamp": float(place)}
                for place, item in enumerate(items)
            )
        from_memory = measures.list_ms(lambda user: live.recommend(str(user), measures.TOP), users)
    return {
        "list_ms": measures.list_ms(
            lambda user: recommender.lists_for_histories([histories[user]], measures.TOP), users
        ),
        "memory_list_ms": from_memory,
    }


def main() -> None:
    task, settings = measures.asked()
    data = data_of(PreparedData.load(settings.own["data"]), task)
    config = config_of(settings, task.window)

    def scores(users: np.ndarray) -> np.ndarray:
        # a bundle holds the model itself, so the ranker reads the weights of the moment
        ranker = Ranker(Bundle.of(trainer.model, config, data))
        return ranker.scores(ranker.fold(history_of(task, data, users)), [None] * len(users))

    epochs = measures.Epochs(task, settings, scores)
    with tempfile.TemporaryDirectory(prefix="penchant-peer-") as scratch:
        run = Run.create(Path(scratch) / "run", data, config)
        trainer = Trainer(data, config, run, Clock(epochs))
        with contextlib.suppress(ReachedError):
            trainer.fit(trackers.get("none")(run.tensorboard, 0))
    recommender = Recommender(config, Bundle.of(trainer.model, config, data))
    num_inputs = (task.lengths - 1).clip(min=0)
    measures.tell(
        {
            **epochs.figures(),
            "version": penchant.__version__,
            "torch": torch.__version__,
            "batch": f"{trainer.loader.batch_events} events",
            "own_targets": trainer.loader.num_targets,
            "encoder": config.encoder.to_dict(),
            "multiply_adds": multiply_adds(trainer.model, config, task, num_inputs),
            **lists(task, settings, recommender, data),
        }
    )


if __name__ == "__main__":
    main()
