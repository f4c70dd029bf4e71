"""Two catalogues without a common item whose titles share words, and one rule on the words."""

from __future__ import annotations

import numpy as np
import polars as pl

from penchant.config import Config
from penchant.events import EventLog, PreparedData

COLOURS = ("red", "green", "blue", "white", "black")
GARDEN = ("rose", "spade", "hedge", "bench", "gravel", "basket", "lantern")
KITCHEN = ("kettle", "bowl", "whisk", "napkin", "jug")

QUICK = {
    "width": 16,
    "items": {"kind": "mixture", "sources": ["text"]},
    "text": {"model": "hashing", "projection": "pca", "num_directions": 24},
    "encoder": {"kind": "linear"},
    "behaviour": {"dropout_rate": 0.0},
    "readout": {"dropout_rate": 0.0, "query_time": False},
    "loss": {"interest_weight": 0.0},
    "evaluation": {"exclude_seen": False},
    "training": {
        "batch_events": 200,
        "num_epochs": 6,
        "patience": 6,
        "warmup_steps": 2,
        "learning_rate": 0.01,
        "num_threads": 1,
        "tracker": "none",
        "seed": 5,
    },
}


def word_config(**changes) -> Config:
    return Config.load("default", QUICK, {}).override(changes)


def word_data(
    things: tuple[str, ...] = GARDEN,
    num_users: int = 60,
    split: str = "leave-one-out",
    event_type: str | None = None,
    has_titles: bool = True,
) -> PreparedData:
    """A log in which after a thing of one colour comes some thing of the next colour."""
    rng = np.random.default_rng(len(things))
    users, items, times = [], [], []
    for user in range(num_users):
        colour = int(rng.integers(len(COLOURS)))
        for place in range(5 + user % 7):
            users.append(f"u{user}")
            thing = things[rng.integers(len(things))]
            items.append(f"{thing[:2]}-{(colour + place) % len(COLOURS)}")
            times.append(1_000_000 + 977 * place + 31 * user)
    events = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times})
    if event_type is not None:
        events = events.with_columns(event_type=pl.lit(event_type))
    table = pl.DataFrame(
        [
            {"item_id": f"{thing[:2]}-{place}", "title": f"{colour} {thing}", "price": 1.0 + place}
            for thing in reversed(things)
            for place, colour in enumerate(COLOURS)
        ]
    )
    return EventLog.read(events, items=table if has_titles else None).prepare(split=split)
