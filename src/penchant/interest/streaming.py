"""Attention with a constant query as a running sum: over packed rows, and over one event.

A user's sum is (maximum, weight, total) per head. `scan` makes the sums after every row in causal
blocks that carry such sums between them; `advance` moves them by one row. Decays are differences of
cumulative logs, never quotients.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor

NOTHING: Final = -1e30
"""The maximum of an empty sum: finite, so that differences of two empty sums are numbers."""

BLOCK_ROWS: Final = 32


class RunningSum(NamedTuple):
    """Weighted sums of values under softmax weights, kept relative to their greatest score.

    `maximum` (…, Q) greatest decayed score; `weight` (…, Q) sum of exp(score - maximum); `total`
    (…, Q, V) the sum of the values under the same weights. The true sums are `exp(maximum)` times
    these.
    """

    maximum: Tensor
    weight: Tensor
    total: Tensor

    def mean(self) -> Tensor:
        """Return (…, Q, V) the weighted mean, zero for an empty sum."""
        weight = self.weight.unsqueeze(-1)
        return torch.where(weight > 0, self.total / weight.clamp(min=1e-30), 0.0)


def empty_sum(like: Tensor, num_users: int, num_heads: int, head_width: int) -> RunningSum:
    """Return the sums of users without events, with the dtype and device of `like`."""
    return RunningSum(
        like.new_full((num_users, num_heads), NOTHING),
        like.new_zeros(num_users, num_heads),
        like.new_zeros(num_users, num_heads, head_width),
    )


def merge(older: RunningSum, newer: RunningSum, decay: Tensor) -> RunningSum:
    """Return the sum over both, the older one weakened by `decay` (…, Q) >= 0 in the exponent.

    Examples
    --------
    >>> one = RunningSum(torch.zeros(1), torch.ones(1), torch.tensor([[2.0]]))
    >>> two = RunningSum(torch.zeros(1), torch.ones(1), torch.tensor([[4.0]]))
    >>> merge(one, two, torch.zeros(1)).mean().item()
    3.0
    """
    faded = older.maximum - decay
    # The maximum only sets the scale of the two sums: no gradient belongs to it.
    maximum = torch.maximum(faded, newer.maximum).detach()
    from_older = torch.exp(faded - maximum)
    from_newer = torch.exp(newer.maximum - maximum)
    return RunningSum(
        maximum,
        older.weight * from_older + newer.weight * from_newer,
        older.total * from_older.unsqueeze(-1) + newer.total * from_newer.unsqueeze(-1),
    )


def advance(state: RunningSum, score: Tensor, value: Tensor, decay: Tensor) -> RunningSum:
    """Move each user's sum by one event.

    Score (B, Q), value (B, Q, V), decay (B, Q) of what came before.
    """
    return merge(state, RunningSum(score, torch.ones_like(score), value), decay)


def scan(
    score: Tensor, value: Tensor, decay: Tensor, user: Tensor, offsets: Tensor, state: RunningSum
) -> RunningSum:
    """Return the sums after each of N packed rows, the users' carried sums included.

    Parameters
    ----------
    score
        (N, Q).
    value
        (N, Q, V).
    decay
        (N, Q) >= 0, by how much each row weakens all rows before it, in the exponent.
    user
        (N,) which user each row belongs to.
    offsets
        (B + 1,).
    state
        The users' sums before the first row.

    Notes
    -----
    Time and memory O(N · Q · (block + V)); no loop over events. Equals `advance` row after row.

    References
    ----------
    M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax", 2018, for the running
    maximum.
    """
    clock = decay.double().cumsum(0)  # (N, Q) double: its differences are taken far from zero
    rows = RunningSum(score, torch.ones_like(score), value)
    inside = _scan_blocks(rows, clock, user)
    before_first = (clock - decay.double())[offsets[:-1].clamp(max=max(len(user) - 1, 0))]  # (B, Q)
    since_start = (clock - before_first[user]).to(score.dtype)  # (N, Q)
    carried = RunningSum(*(leaf[user] for leaf in state))
    return merge(carried, inside, since_start)


def _scan_blocks(rows: RunningSum, clock: Tensor, segment: Tensor) -> RunningSum:
    """Return inclusive sums within segments.

    Blocks of rows first, then, by recursion, sums of whole blocks.
    """
    num_rows = len(rows.maximum)
    num_blocks = -(-num_rows // BLOCK_ROWS)
    missing = num_blocks * BLOCK_ROWS - num_rows
    blocks = RunningSum(*(_blocked(leaf, missing) for leaf in rows))  # (G, C, Q, …)
    clocks = _blocked(clock, missing, repeat_last=True)
    segments = _blocked(segment, missing, repeat_last=True)
    inside = _scan_inside(blocks, clocks, segments)
    if num_blocks > 1:
        ends = RunningSum(*(leaf[:-1, -1] for leaf in inside))  # (G - 1, Q, …)
        carried = _scan_blocks(ends, clocks[:-1, -1], segments[:-1, -1])
        follows = segments[1:] == segments[:-1, -1:]  # (G - 1, C)
        since = (clocks[1:] - clocks[:-1, -1:]).to(rows.maximum.dtype)  # (G - 1, C, Q)
        since = torch.where(follows.unsqueeze(-1), since, -NOTHING)
        spread = RunningSum(*(leaf.unsqueeze(1) for leaf in carried))
        later = merge(spread, RunningSum(*(leaf[1:] for leaf in inside)), since)
        inside = RunningSum(
            *(torch.cat([mine[:1], rest]) for mine, rest in zip(inside, later, strict=True))
        )
    return RunningSum(*(leaf.flatten(0, 1)[:num_rows] for leaf in inside))


def _blocked(leaf: Tensor, missing: int, *, repeat_last: bool = False) -> Tensor:
    """Return (G, C, …) blocks of rows, the last one filled up."""
    if missing:
        filler = leaf[-1:] if repeat_last else torch.zeros_like(leaf[-1:])
        leaf = torch.cat([leaf, filler.expand(missing, *leaf.shape[1:])])
    return leaf.unflatten(0, (-1, BLOCK_ROWS))


def _scan_inside(blocks: RunningSum, clocks: Tensor, segments: Tensor) -> RunningSum:
    """Return the inclusive sums inside each block, by one masked matrix product."""
    local = (clocks - clocks[:, :1]).to(blocks.maximum.dtype).transpose(1, 2)  # (G, Q, C)
    start = blocks.maximum.transpose(1, 2)
    causal = torch.ones(BLOCK_ROWS, BLOCK_ROWS, dtype=torch.bool, device=local.device).tril()
    visible = causal & (segments.unsqueeze(2) == segments.unsqueeze(1))  # (G, C, C)
    fade = (local.unsqueeze(3) - local.unsqueeze(2)).clamp(min=0)  # (G, Q, C, C)
    exponent = start.unsqueeze(2) - fade
    exponent = torch.where(visible.unsqueeze(1), exponent, 2 * NOTHING)
    maximum = exponent.amax(3).detach()  # (G, Q, C)
    share = torch.exp(exponent - maximum.unsqueeze(3))
    weight = share @ blocks.weight.transpose(1, 2).unsqueeze(3)  # (G, Q, C, 1)
    total = share @ blocks.total.transpose(1, 2)  # (G, Q, C, V)
    return RunningSum(
        maximum.transpose(1, 2), weight.squeeze(3).transpose(1, 2), total.transpose(1, 2)
    )
