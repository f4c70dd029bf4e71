"""The weighted sum of log-partitions over many items, never held as events × items.

This is the one expensive piece of every softmax. It is computed block by block of rows, together
with its own gradient, in the forward pass: each score is made once, used for both, and forgotten.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_ROWS: Final = 256
"""Rows of a block: enough that the gradient of the table is touched seldom."""

TILE_SCORES: Final = 2**18
"""Scores of one tile (1 MB in float32), which stays in the cache from its making to its use."""

UNCUT_SCORES: Final = 2**20
"""A block of up to so many scores is one tile: cutting it costs more than it gains."""

HELD_SCORES: Final = 2**25
"""Scores held at once (128 MB in float32), whatever rows and items are."""

BITS: Final = math.log2(math.e)
"""Scores are taken in bits: on a processor exp2 costs a third of exp, which was the dearest pass.

Whatever scales a whole row is applied to its query, not to its scores: a pass less over the block.
"""


class Alike(NamedTuple):
    """Items that do not count in a row because they are like the row's own.

    `own` (M, E) and `keys` (n, E), constants of unit length; those whose product is more than
    `above` are alike.
    """

    own: Tensor
    keys: Tensor
    above: float

    def rows(self, chosen: slice) -> Alike:
        """Return the same for some rows."""
        return self._replace(own=self.own[chosen])

    def among(self, columns: slice) -> Tensor:
        """Return (M, T) bool, which of some items are alike."""
        return self.own @ self.keys[columns].T > self.above


class _Tile(NamedTuple):
    """2^(score - greatest) of some rows and the items of `columns`; `greatest` (C,) in bits."""

    columns: slice
    share: Tensor
    greatest: Tensor


class _Block:
    """The sums of C rows over the items so far, as a tile of items after the other is added.

    `greatest` (C,) and `total` (C,) stand for sum exp(score) = 2^greatest · total, as in streaming
    attention: a greater score scales down what was there.
    """

    def __init__(self, query: Tensor, hit: Tensor | None) -> None:
        self.query = query
        self.bits = query * BITS
        self.hit = hit
        least = query.new_full((len(query),), torch.finfo(query.dtype).min)
        self.greatest = least if hit is None else hit * BITS
        self.total = torch.zeros_like(least) if hit is None else torch.ones_like(least)
        self.mean = torch.zeros_like(query)  # (C, D) sum of share · key

    def add(
        self,
        keys: Tensor,
        bias: Tensor,
        left_out: Tensor | None,
        alike: Alike | None,
        columns: slice,
        out: Tensor,
    ) -> _Tile:
        """Add the items of `columns`; `left_out` (C,) and `alike` name those that do not count."""
        share = torch.addmm(bias[columns], self.bits, keys[columns].T, out=out)  # (C, T)
        if left_out is not None:
            place = left_out - columns.start
            row = ((place >= 0) & (place < share.shape[1])).nonzero().squeeze(1)
            share[row, place[row]] = -torch.inf
        if alike is not None:
            share.masked_fill_(alike.among(columns), -torch.inf)
        greatest = torch.maximum(self.greatest, share.amax(1))
        share.sub_(greatest.unsqueeze(1)).exp2_()
        fading = torch.exp2(self.greatest - greatest)
        self.total = torch.addcmul(share.sum(1), self.total, fading)
        self.mean.mul_(fading.unsqueeze(1)).addmm_(share, keys[columns])
        self.greatest = greatest
        return _Tile(columns, share, greatest)

    def partition(self) -> Tensor:
        """Return (C,) the log-partitions."""
        return self.total.log() + self.greatest / BITS


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        keys: Tensor,
        bias: Tensor,
        weight: Tensor,
        hit: Tensor | None,
        left_out: Tensor | None,
        alike: Alike | None,
    ) -> Tensor:
        needs = any(ctx.needs_input_grad)
        whole = [queries, keys, bias, *([] if hit is None else [hit])]
        grads = [torch.zeros_like(part) for part in whole] if needs else []
        block_rows, tiles = _tiling(queries, keys)
        held = queries.new_empty(block_rows * len(keys))
        bits_bias, partition = bias * BITS, torch.empty_like(weight)
        for start in range(0, len(queries), block_rows):
            rows = slice(start, start + block_rows)
            block = _Block(queries[rows], None if hit is None else hit[rows])
            size = len(block.query)
            out = None if left_out is None else left_out[rows]
            like = None if alike is None else alike.rows(rows)
            done = []
            for tile in tiles:
                place = held[size * tile.start : size * tile.stop].view(size, -1)
                done.append(block.add(keys, bits_bias, out, like, tile, place))
            partition[rows] = block.partition()
            if needs:
                _add_gradient(block, done, weight[rows], grads, rows)
        ctx.save_for_backward(*grads)
        return partition @ weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled in place: these tensors are used once, and the table's may be large.
        queries, keys, bias, *hit = (part.mul_(grad) for part in ctx.saved_tensors)
        return queries, keys, bias, None, hit[0] if hit else None, None, None


def _add_gradient(
    block: _Block, tiles: list[_Tile], weight: Tensor, grads: list[Tensor], rows: slice
) -> None:
    """Add what a block's weighted sum of log-partitions has as gradients."""
    scale = weight / block.total
    torch.mul(block.mean, scale.unsqueeze(1), out=grads[0][rows])
    for columns, share, greatest in tiles:
        scaled = scale * torch.exp2(greatest - block.greatest)
        grads[1][columns].addmm_(share.T, block.query * scaled.unsqueeze(1))
        grads[2][columns].addmv_(share.T, scaled)
    if block.hit is not None:
        grads[3][rows] = scale * torch.exp2(block.hit * BITS - block.greatest)


def _tiling(queries: Tensor, keys: Tensor) -> tuple[int, list[slice]]:
    """Return the rows of a block, and the tiles of items that it is made of."""
    num_items, on_processor = len(keys), queries.device.type == "cpu"
    cached = max(BLOCK_ROWS, 2 * TILE_SCORES // num_items)  # of few items, more rows
    most_rows = cached if on_processor else len(queries)
    block_rows = max(1, min(most_rows, HELD_SCORES // num_items, len(queries)))
    is_cut = on_processor and block_rows * num_items > UNCUT_SCORES
    most = max(1, TILE_SCORES // block_rows) if is_cut else num_items
    num_tiles = -(-num_items // most)
    cuts = [num_items * tile // num_tiles for tile in range(num_tiles + 1)]
    return block_rows, [slice(*pair) for pair in pairwise(cuts)]


def log_partition(
    queries: Tensor,
    keys: Tensor,
    bias: Tensor,
    weight: Tensor,
    hit: Tensor | None = None,
    left_out: Tensor | None = None,
    alike: Alike | None = None,
) -> Tensor:
    """Return the scalar sum over m of weight[m] · log sum_i exp(queries[m] · keys[i] + bias[i]).

    Parameters
    ----------
    queries
        (M, D).
    keys
        (I, D) vectors of the items.
    bias
        (I,).
    weight
        (M,), constants: no gradient reaches them.
    hit
        (M,) a score more in each row's sum.
    left_out
        (M,) int64 the one item that does not count in a row, -1 where all do. Something must be
        left to count.
    alike
        Which others do not count in a row; there must be a hit then.

    Notes
    -----
    Time O(M · I · D); memory O(block + M · D + I · D) whatever M · I is. Differentiable once.

    Relations
    ---------
    Equals `weight @ (queries @ keys.T + bias).logsumexp(1)`, with the same gradients.

    Examples
    --------
    >>> queries, keys = torch.eye(2), torch.zeros(4, 2)
    >>> round(log_partition(queries, keys, torch.zeros(4), torch.ones(2)).item(), 4)  # 2 log 4
    2.7726
    """
    assert alike is None or hit is not None, "all items may be alike"
    return _LogPartition.apply(queries, keys, bias, weight, hit, left_out, alike)
