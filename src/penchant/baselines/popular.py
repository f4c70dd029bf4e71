"""Popularity, of all time and of late: the two floors under every figure.

Recent popularity follows the time of asking but never sees past it, nor past the training part.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple, Self

import numpy as np

from penchant.baselines.base import Baseline, baselines, choose
from penchant.events.arrays import NO_TIME, LogArrays
from penchant.sequences.targets import TargetBlock

HOUR_MS: Final = 3_600_000
ALL: Final = -NO_TIME
"""A window that reaches back to the first event."""

WINDOWS_MS: Final = (
    *(minutes * HOUR_MS // 60 for minutes in (5, 15)),
    *(hours * HOUR_MS for hours in (1, 6, 24, 3 * 24, 7 * 24, 14 * 24, 30 * 24, 90 * 24)),
    ALL,
)
NEWEST: Final = (1, 2, 3, 5, 10, 20, 50, ALL)


@baselines.register("popular")
class Popular(Baseline):
    """Items by their number of training events, the same list for everybody.

    Examples
    --------
    >>> item, train = np.array([1, 1, 0, 2]), np.array([0, 0, 0, 2])
    >>> log = LogArrays(item, item, item, item, train, offsets=np.array([0, 4]))
    >>> Popular().fit(log, 3).score(TargetBlock(log, np.array([0]), np.array([3]))).tolist()
    [[1.0, 2.0, 0.0]]
    """

    def fit(self, log: LogArrays, num_items: int) -> Self:
        """Count the training events of each item."""
        self.counts = np.bincount(log.train.item_index, minlength=num_items).astype(np.float32)
        return self

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return the counts, one row per target."""
        return np.tile(self.counts, (len(block.rows), 1))  # (M, I)


class _Timeline(NamedTuple):
    """Training events in order of time."""

    time_ms: np.ndarray
    item: np.ndarray

    def spans(self, asked_ms: np.ndarray, window_ms: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (M,) first and (M,) end of the events in the window before each time of asking.

        Asked at an unknown time, or past the last event, the window ends just after the last event.
        """
        now = int(self.time_ms[-1]) + 1
        end_ms = np.where(asked_ms == NO_TIME, now, np.minimum(asked_ms, now))
        high = np.searchsorted(self.time_ms, end_ms, side="left")
        low = np.searchsorted(self.time_ms, end_ms - min(window_ms, now), side="left")
        return (np.zeros_like(high) if window_ms == ALL else low), high

    def counts(self, low: np.ndarray, high: np.ndarray, num_items: int) -> np.ndarray:
        """Return (M, I) float32 events of each item between `low` and `high` of each query.

        Notes
        -----
        Queries are walked in order of time; each counts only what entered and left since the one
        before. `low` and `high` rise together.
        """
        order = np.lexsort((low, high))  # both rise: a later end never has an earlier start
        low, high = low[order], high[order]
        out = np.zeros((len(order), num_items), dtype=np.float32)
        out[0] = np.bincount(self.item[low[0] : high[0]], minlength=num_items)
        for edge, sign in ((high, 1.0), (low, -1.0)):
            event = np.arange(edge[0], edge[-1])
            query = np.repeat(np.arange(1, len(edge)), np.diff(edge))  # the first past the event
            np.add.at(out.reshape(-1), query * num_items + self.item[event], np.float32(sign))
        np.cumsum(out, axis=0, out=out)
        counted = np.empty_like(out)
        counted[order] = out
        return counted


@baselines.register("recent_popular")
class RecentPopular(Baseline):
    """Items by their number of training events in a window before the time of asking.

    Parameters
    ----------
    window_ms
        Length of the window; chosen on validation when None.
    newest
        For a log without times: how many of each user's last training events count; chosen on
        validation when None.
    exclude_seen, seen_types, candidates
        How the choice ranks.

    Notes
    -----
    The window ends at the time of asking or just after the last training event, whichever comes
    first; an event at the very time of asking is outside. Ties are broken by the popularity before
    the window's end.
    """

    def __init__(
        self,
        window_ms: int | None = None,
        newest: int | None = None,
        exclude_seen: bool = True,
        seen_types: Collection[int] | None = None,
        candidates: np.ndarray | None = None,
    ) -> None:
        self.window_ms = window_ms
        self.newest = newest
        self.exclude_seen = exclude_seen
        self.seen_types = seen_types
        self.candidates = candidates

    def fit(self, log: LogArrays, num_items: int) -> Self:
        """Sort the training events by time and choose the window."""
        train = log.train
        self.num_items = num_items
        timed = train.where(train.time_ms != NO_TIME)
        self._has_times = timed.num_events > 0
        if self._has_times:
            order = np.argsort(timed.time_ms, kind="stable")
            self._timeline = _Timeline(timed.time_ms[order], timed.item_index[order])
            settings, given = WINDOWS_MS, self.window_ms
        else:
            self._train = train
            settings, given = NEWEST, self.newest
        self._setting = given if given is not None else self._choose(settings, log)
        return self

    def _choose(self, settings: tuple[int, ...], log: LogArrays) -> int:
        return choose(
            settings,
            self._scores,
            log,
            self.num_items,
            otherwise=settings[-1],
            exclude_seen=self.exclude_seen,
            seen_types=self.seen_types,
            candidates=self.candidates,
        )

    @property
    def chosen(self) -> dict[str, float | str]:
        """The length of the window in use."""
        shown = "all" if self._setting == ALL else self._setting
        return {"window_ms" if self._has_times else "newest": shown}

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return the counts in the window before each target."""
        return self._scores(block, self._setting)

    def _scores(self, block: TargetBlock, setting: int) -> np.ndarray:
        if not self._has_times:
            return np.tile(self._newest_counts(setting), (len(block.rows), 1))
        line = self._timeline
        low, high = line.spans(block.times_ms, setting)
        counts = line.counts(low, high, self.num_items)  # (M, I)
        if setting != ALL:  # less than one event, so that it only breaks ties
            before = line.counts(np.zeros_like(high), high, self.num_items)
            counts += before / np.float32(len(line.item) + 1)
        return counts

    def _newest_counts(self, newest: int) -> np.ndarray:
        train = self._train
        from_end = train.offsets[1:][train.user] - np.arange(train.num_events)  # 1 for the last
        recent = train.item_index[from_end <= newest]
        every = np.bincount(train.item_index, minlength=self.num_items)
        counts = np.bincount(recent, minlength=self.num_items)
        return (counts + every / (train.num_events + 1)).astype(np.float32)
