"""What every peer's script shares: the task, the settings, and how figures are taken.

Runs in each peer's own environment, so it needs NumPy alone. The task is the same for all: the same
events to train on, the same validation targets, ranked by the one piece of code below.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STARTED = time.perf_counter()
"""When the script began; imported first, so that loading the peer counts as preparing."""

TOP = 10
SCORES_AT_ONCE = 2**23


@dataclass(frozen=True)
class Settings:
    """The architecture and the training that all peers are given."""

    width: int = 64
    num_layers: int = 2
    num_heads: int = 2
    feed_forward: int = 4
    dropout_rate: float = 0.2
    learning_rate: float = 1e-3
    num_epochs: int = 1
    num_threads: int = 2
    seed: int = 0
    validate: bool = False
    until_ndcg: float = 0.0
    num_lists: int = 50
    batch_size: int = 0
    """Sequences of a batch, or prefixes, as the peer counts; 0 is the peer's own choice."""
    own: dict[str, Any] = field(default_factory=dict)
    """What only one peer understands."""


@dataclass(frozen=True)
class Task:
    """Histories of U users end to end, cut to the last `window` targets, and what comes next.

    `item` (N,) from 0 without gaps, `offsets` (U + 1,); `seen` and `seen_offsets` name every item
    of the uncut training history; `target` (U,) the validation item, -1 where none can be ranked
    and -2 where the user has none. `user` (U,) and `item_index` (I,) are the indices of the
    prepared data that they come from.
    """

    item: np.ndarray
    offsets: np.ndarray
    seen: np.ndarray
    seen_offsets: np.ndarray
    target: np.ndarray
    user: np.ndarray
    item_index: np.ndarray
    window: int

    @classmethod
    def load(cls, path: str | Path) -> Task:
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in kept.files if name != "window"}
            return cls(**arrays, window=int(kept["window"]))

    def save(self, path: str | Path) -> None:
        np.savez(path, **vars(self))

    @property
    def num_items(self) -> int:
        return len(self.item_index)

    @property
    def num_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @property
    def num_targets(self) -> int:
        """Events that have a history: what all peers train on."""
        return int((self.lengths - 1).clip(min=0).sum())

    def history(self, user: int) -> np.ndarray:
        """Return the last items of a user, at most `window`: what all peers rank by."""
        return self.item[self.offsets[user] : self.offsets[user + 1]][-self.window :]

    def listed_users(self, num_users: int) -> list[int]:
        """Return the users for whom lists are timed, the same for every peer."""
        draw = np.random.default_rng(1)
        held = np.flatnonzero(self.lengths > 1)
        return draw.choice(held, size=min(num_users, len(held)), replace=False).tolist()

    def padded(self, users: np.ndarray, first_item: int, left: bool) -> tuple[np.ndarray, ...]:
        """Return histories (B, window) padded with 0, items counted from `first_item`; lengths."""
        rows = np.zeros((len(users), self.window), dtype=np.int64)
        lengths = np.zeros(len(users), dtype=np.int64)
        for row, user in enumerate(users):
            items = self.history(user) + first_item
            lengths[row] = len(items)
            place = slice(self.window - len(items), None) if left else slice(0, len(items))
            rows[row, place] = items
        return rows, lengths


@dataclass
class Epochs:
    """Seconds of training and, where asked for, the validation figure after each epoch."""

    task: Task
    settings: Settings
    scores_of: Callable[[np.ndarray], np.ndarray]
    train_s: list[float] = field(default_factory=list)
    ndcg: list[float] = field(default_factory=list)
    prepare_s: float = 0.0
    peak_memory_mb: float = 0.0

    def begin(self) -> None:
        """Take the time at which the first epoch begins."""
        if not self.train_s:
            self.prepare_s = time.perf_counter() - STARTED

    def end(self, seconds: float) -> bool:
        """Record an epoch; return whether the figure that was asked for is reached."""
        self.train_s.append(seconds)
        self.peak_memory_mb = self.peak_memory_mb or peak_memory_mb()
        if not self.settings.validate:
            return False
        self.ndcg.append(validation_ndcg(self.task, self.scores_of))
        return 0 < self.settings.until_ndcg <= self.ndcg[-1]

    def figures(self) -> dict[str, Any]:
        return {
            "prepare_s": self.prepare_s,
            "train_s": self.train_s,
            "ndcg": self.ndcg,
            "peak_memory_mb": self.peak_memory_mb,
        }


def validation_ndcg(task: Task, scores_of: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the mean NDCG@10 of the validation targets, all items ranked, seen ones left out.

    `scores_of` takes users (B,) and gives (B, I). A target that no model can rank is a miss, one
    that is itself seen is left out, ties count against the target.
    """
    gains = [gain for users in _blocks(task) for gain in _gains(task, users, scores_of(users))]
    return float(np.mean(gains)) if gains else 0.0


def _blocks(task: Task) -> Iterator[np.ndarray]:
    users = np.flatnonzero((task.target >= -1) & (task.lengths > 0))
    size = min(256, max(1, SCORES_AT_ONCE // task.num_items))
    for start in range(0, len(users), size):
        yield users[start : start + size]


def _gains(task: Task, users: np.ndarray, scores: np.ndarray) -> Iterator[float]:
    for user, found in zip(users.tolist(), scores, strict=True):
        seen = task.seen[task.seen_offsets[user] : task.seen_offsets[user + 1]]
        target = task.target[user]
        if target in seen:
            continue
        row = np.where(np.isnan(found), -np.inf, found)
        row[seen] = -np.inf
        if target < 0 or row[target] == -np.inf:
            yield 0.0
            continue
        rank = int((row >= row[target]).sum())
        yield 1 / np.log2(rank + 1) if rank <= TOP else 0.0


def list_ms(recommend: Callable[[int], object], users: list[int]) -> float:
    """Return the median milliseconds of a call for one user, after five to warm up."""
    for user in users[:5]:
        recommend(user)
    spent = []
    for user in users:
        start = time.perf_counter()
        recommend(user)
        spent.append(time.perf_counter() - start)
    return 1e3 * statistics.median(spent)


def peak_memory_mb() -> float:
    """Return the most memory this program has held.

    What `getrusage` tells may be the most of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(peak) / 2**10
    import resource

    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_bytes / (2**20 if sys.platform == "darwin" else 2**10)


def asked() -> tuple[Task, Settings]:
    """Return the task and the settings named on the command line, which is then cleared."""
    task, settings = Task.load(sys.argv[1]), Settings(**json.loads(sys.argv[2]))
    del sys.argv[1:]  # a peer may read the command line too
    return task, settings


def tell(figures: dict[str, Any]) -> None:
    """Print the figures as the one line that the runner reads, the last one."""
    print(json.dumps(figures), flush=True)
