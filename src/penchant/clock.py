"""Time as learned vectors: how long ago, in logarithmic buckets, and when by the calendar.

Unknown times have vectors of their own; training drops some times so that these are learned.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from penchant.packed import NO_ELAPSED, NO_TIME

NUM_BUCKETS: Final = 64
BUCKETS_PER_DOUBLING: Final = 2.0

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def elapsed_between(before_ms: Tensor, after_ms: Tensor) -> Tensor:
    """Return (N,) milliseconds between two times.

    0 where they run backwards, `NO_ELAPSED` where one is unknown.

    Examples
    --------
    >>> before = torch.tensor([1_000, NO_TIME, 5_000])
    >>> elapsed_between(before, torch.tensor([4_000, 4_000, 4_000])).tolist()
    [3000, -1, 0]
    """
    known = (before_ms != NO_TIME) & (after_ms != NO_TIME)
    return torch.where(known, (after_ms - before_ms).clamp(min=0), NO_ELAPSED)


def elapsed_bucket(elapsed_ms: Tensor) -> Tensor:
    """Return (N,) the bucket of each gap: 0 for unknown, then two per doubling of the seconds.

    Examples
    --------
    >>> elapsed_bucket(torch.tensor([-1, 0, 1_000, 3_000, 315_360_000_000])).tolist()
    [0, 1, 3, 5, 57]
    """
    seconds = elapsed_ms.clamp(min=0).double() / 1000.0
    bucket = 1 + (BUCKETS_PER_DOUBLING * torch.log2(1.0 + seconds)).floor().long()
    return torch.where(elapsed_ms < 0, 0, bucket.clamp(max=NUM_BUCKETS - 1))


class ElapsedTime(nn.Module):
    """A vector per bucket of elapsed time.

    Parameters
    ----------
    width
        Width D of the vectors.

    Notes
    -----
    Vectors start at zero. Gaps beyond those seen in training are read as the longest seen: a bucket
    that was never trained says nothing.
    """

    lowest: Tensor
    highest: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(NUM_BUCKETS, width)
        nn.init.zeros_(self.vectors.weight)
        self.register_buffer("lowest", torch.tensor(1))
        self.register_buffer("highest", torch.tensor(NUM_BUCKETS - 1))

    def fit_range(self, elapsed_ms: Tensor) -> None:
        """Remember the shortest and longest gap of the training part; unknown gaps do not count."""
        known = elapsed_bucket(elapsed_ms)
        known = known[known > 0]
        if len(known):
            self.lowest.copy_(known.min())
            self.highest.copy_(known.max())

    def forward(self, elapsed_ms: Tensor) -> Tensor:
        """Return (N, D) vectors of the gaps (N,)."""
        bucket = elapsed_bucket(elapsed_ms)
        clipped = torch.minimum(torch.maximum(bucket, self.lowest), self.highest)
        return self.vectors(torch.where(bucket == 0, 0, clipped))


def hour_and_weekday(time_ms: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N,) hour of the day and weekday in UTC, both from 1 on and 0 where unknown.

    Examples
    --------
    >>> friday_noon = 1_777_636_800_000  # 2026-05-01T12:00:00Z
    >>> [part.tolist() for part in hour_and_weekday(torch.tensor([friday_noon, -1, NO_TIME]))]
    [[13, 24, 0], [5, 3, 0]]
    """
    known = time_ms != NO_TIME
    hour = time_ms.div(HOUR_MS, rounding_mode="floor") % 24
    weekday = (time_ms.div(DAY_MS, rounding_mode="floor") + EPOCH_WEEKDAY) % 7
    return torch.where(known, hour + 1, 0), torch.where(known, weekday + 1, 0)


class Calendar(nn.Module):
    """A vector per hour of the day and per weekday, added.

    Parameters
    ----------
    width
        Width D of the vectors.

    Notes
    -----
    Hours are those of UTC. Vectors start at zero, so that an hour which training never saw says
    nothing.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hours = nn.Embedding(1 + 24, width)
        self.weekdays = nn.Embedding(1 + 7, width)
        nn.init.zeros_(self.hours.weight)
        nn.init.zeros_(self.weekdays.weight)

    def forward(self, time_ms: Tensor) -> Tensor:
        """Return (N, D) vectors of the moments (N,)."""
        hour, weekday = hour_and_weekday(time_ms)
        return self.hours(hour) + self.weekdays(weekday)
