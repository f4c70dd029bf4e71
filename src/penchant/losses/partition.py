"""The weighted sum of log-partitions over a whole catalogue, never held as events × items.

This is the one expensive piece of every full softmax. It is computed block by block of rows,
together with its own gradient, in the forward pass: each block of scores is made once, used for
both, and forgotten.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_SCORES: Final = 1_000_000
"""Scores held at once (4 MB in float32).

Such a block stays in the cache between its three matrix products.
"""

BITS: Final = math.log2(math.e)
"""Scores are taken in bits: on a processor exp2 costs a third of exp, which was the dearest pass.

Whatever scales a whole row is applied to its query, not to its scores: a pass less over the block.
"""


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, table: Tensor, bias: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        needs = any(ctx.needs_input_grad[:3])
        block = max(1, BLOCK_SCORES // table.shape[0])
        partition = torch.empty_like(weight)
        grads = [torch.zeros_like(part) for part in (queries, table, bias)] if needs else []
        scores = queries.new_empty(min(block, len(queries)), len(table))
        bits_bias = bias * BITS
        for start in range(0, len(queries), block):
            rows = slice(start, start + block)
            query = queries[rows]
            share = scores[: len(query)]
            torch.addmm(bits_bias, query * BITS, table.T, out=share)  # (C, I)
            greatest = share.amax(1, keepdim=True)
            share.sub_(greatest).exp2_()
            total = share.sum(1)
            partition[rows] = total.log() + greatest.squeeze(1) / BITS
            if needs:
                scale = weight[rows] / total  # times share: the gradient by the scores
                torch.mm(share, table, out=grads[0][rows])
                grads[0][rows].mul_(scale.unsqueeze(1))
                grads[1].addmm_(share.T, query * scale.unsqueeze(1))
                grads[2].addmv_(share.T, scale)
        ctx.save_for_backward(*grads)
        ctx.mark_non_differentiable(partition)
        return partition @ weight, partition

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled in place: these tensors are used once, and the table's may be large.
        return (*(part.mul_(grad) for part in ctx.saved_tensors), None)


def log_partition(queries: Tensor, table: Tensor, bias: Tensor, weight: Tensor) -> Tensor:
    """Return the scalar sum over m of weight[m] · log sum_i exp(queries[m] · table[i] + bias[i]).

    Parameters
    ----------
    queries
        (M, D).
    table
        (I, D).
    bias
        (I,).
    weight
        (M,), constants: no gradient reaches them.

    Notes
    -----
    Time O(M · I · D); memory O(block + M · D + I · D) whatever M · I is. Differentiable once.

    Relations
    ---------
    Equals `weight @ (queries @ table.T + bias).logsumexp(1)`, with the same gradients.

    Examples
    --------
    >>> queries, table = torch.eye(2), torch.zeros(4, 2)
    >>> round(log_partition(queries, table, torch.zeros(4), torch.ones(2)).item(), 4)  # 2 log 4
    2.7726
    """
    return _LogPartition.apply(queries, table, bias, weight)[0]
