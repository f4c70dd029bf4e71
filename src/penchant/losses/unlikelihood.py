"""What is to come down: the loss of targets that were skipped or disliked.

A loss of the next item pulls its item up against all others; a refused item must go the other way,
whatever that loss is, so it has a term of its own here.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from penchant.heads import Head
from penchant.items import Table, whole

BLOCK_SCORES: Final = 2**22
"""Scores held at once (16 MB in float32)."""


def unlikelihood(
    vectors: Tensor, table: Table, head: Head, items: Tensor, weight: Tensor
) -> Tensor:
    """Return the weighted sum of -log(1 - p) with p the share of an item in a softmax over all.

    Parameters
    ----------
    vectors
        (M, D).
    table
        (I, D).
    head
        Scores items.
    items
        (M,) the refused item of each vector.
    weight
        (M,), at least 0.

    Notes
    -----
    -log(1 - p) = softplus(s - c) with s the item's score and c the log-sum of the others'. The
    gradient reaches s alone: the others are held where they are, so that nothing is pulled up. Time
    O(M · I · D); memory O(block + M) beside what is given.

    References
    ----------
    S. Welleck et al., "Neural text generation with unlikelihood training", 2020, equation 4.
    Y. Wang et al., "Learning from negative user feedback and measuring responsiveness for
    sequential recommenders", 2023, for skips and dislikes.

    Examples
    --------
    >>> from penchant.heads import DotProductHead
    >>> alike = torch.zeros(1, 2), torch.ones(4, 2), DotProductHead(4), torch.tensor([3])
    >>> round(unlikelihood(*alike, torch.ones(1)).item(), 4)  # -log(1 - 1/4)
    0.2877
    """
    score = head.score_of(vectors, table, items)
    return F.softplus(score - _log_sum_of_others(vectors, whole(table), head, items)) @ weight


@torch.no_grad()
def _log_sum_of_others(vectors: Tensor, table: Tensor, head: Head, items: Tensor) -> Tensor:
    """Return (M,) log of the sum of exp(score) over all items but the given one of each vector."""
    rows = max(1, BLOCK_SCORES // len(table))
    found = []
    for vector, item in zip(vectors.split(rows), items.split(rows), strict=True):
        scores = head(vector, table).scatter(1, item.unsqueeze(1), -torch.inf)  # (C, I)
        found.append(scores.logsumexp(1))
    return torch.cat(found)
