"""Small logs and rankers for the tests of ranking, baselines and evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.sequences.targets import TargetBlock

LETTERS = {"t": Part.TRAIN, "v": Part.VALIDATION, "s": Part.TEST}


def log_of(
    items: list[list[int]],
    parts: list[str],
    times: list[list[int]] | None = None,
    types: list[list[int]] | None = None,
) -> LogArrays:
    """Return a log of one list of items per user; parts are written as `ttvs`."""
    flat = np.array([item for history in items for item in history], dtype=np.int64)
    times_ms = [time for history in times for time in history] if times else [NO_TIME] * len(flat)
    kinds = [kind for history in types for kind in history] if types else [0] * len(flat)
    lengths = [len(history) for history in items]
    return LogArrays(
        item_index=flat,
        event_type=np.array(kinds, dtype=np.int64),
        value=np.full(len(flat), np.nan, dtype=np.float32),
        time_ms=np.array(times_ms, dtype=np.int64),
        part=np.array([LETTERS[letter] for word in parts for letter in word], dtype=np.int8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def block_of(items: list[list[int]], rows: list[int]) -> TargetBlock:
    """Return a block of all users with targets at the given rows."""
    log = log_of(items, ["t" * len(history) for history in items])
    return TargetBlock(log, np.arange(len(items)), np.array(rows))


def random_log(seed: int = 0, num_users: int = 23, num_items: int = 17) -> LogArrays:
    """Return a log with uneven histories, repeats, cold items, and several targets a user."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 14, num_users)
    items = [draw.integers(-1, num_items, length).tolist() for length in lengths]
    parts = [("t" * 30 + "v" * 2 + "s" * 3)[-length:] for length in lengths]
    times = [np.sort(draw.integers(0, 500, length)).tolist() for length in lengths]
    return log_of(items, parts, times)


@dataclass
class Data:
    """As much of prepared data as an evaluation reads."""

    log: LogArrays
    num_items: int
    manifest: dict[str, Any] = field(
        default_factory=lambda: {"split": {"name": "leave-one-out"}, "fingerprint": "f00d"}
    )


class Fixed:
    """Gives every target the same scores."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array(scores, dtype=np.float32)

    def score(self, block: TargetBlock) -> np.ndarray:
        return np.tile(self.scores, (len(block.rows), 1))


class Drawn:
    """Random scores that depend on the target alone, not on how blocks are cut; some are tied."""

    def __init__(self, num_items: int, seed: int = 0) -> None:
        self.num_items, self.seed = num_items, seed

    def score(self, block: TargetBlock) -> np.ndarray:
        rows = block.rows - block.starts
        keys = zip(block.users[block.owner].tolist(), rows.tolist(), strict=True)
        draws = [
            np.random.default_rng([self.seed, *key]).integers(0, 9, self.num_items) for key in keys
        ]
        return np.array(draws, dtype=np.float32)
