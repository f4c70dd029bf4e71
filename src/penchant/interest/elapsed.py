"""Elapsed time as a learned vector: logarithmic buckets, clipped to the range seen in training.

A bucket of its own stands for unknown times; training drops some times so that it is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NUM_BUCKETS = 64
BUCKETS_PER_DOUBLING = 2.0


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
    Gaps beyond those seen in training are read as the longest seen: a bucket that was never trained
    says nothing.
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
