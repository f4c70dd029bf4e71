"""A GRU layer over packed rows with its own backward, for training on a CPU.

torch's packed GRU spends twelve times its forward on the backward there, because every time step
accumulates the gradients of the weights. Here the steps back carry only the hidden gradient, and
the weights' gradients are one matrix product over all rows at the end.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _PackedGRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        first: Tensor,
        weights: tuple[Tensor, ...],
        sizes: list[int],
        *_: Tensor,
    ) -> Tensor:
        weight_x, weight_h, bias_x, bias_h = weights
        width = first.shape[1]
        from_x = torch.addmm(bias_x, x, weight_x.T)  # (N, 3 D)
        from_h = torch.empty_like(from_x)
        before = x.new_empty(x.shape[0], width)  # hidden vector that each row starts from
        hidden = torch.empty_like(before)
        last, start = first, 0
        for size in sizes:
            rows = slice(start, start + size)
            before[rows] = last[:size]
            torch.addmm(bias_h, before[rows], weight_h.T, out=from_h[rows])
            gates = from_x[rows, : 2 * width].add_(from_h[rows, : 2 * width]).sigmoid_()
            reset, update = gates[:, :width], gates[:, width:]
            new = from_x[rows, 2 * width :].addcmul_(reset, from_h[rows, 2 * width :]).tanh_()
            torch.lerp(new, before[rows], update, out=hidden[rows])
            last, start = hidden[rows], start + size
        ctx.save_for_backward(x, from_x, from_h[:, 2 * width :], before, weight_x, weight_h)
        ctx.sizes = sizes
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, gates, new_h, before, weight_x, weight_h = ctx.saved_tensors
        sizes: list[int] = ctx.sizes
        width = before.shape[1]
        reset, update, new = gates.split(width, dim=1)
        by_new = (1 - update) * (
            1 - new * new
        )  # (N, D) what one unit of dH moves the new gate's input
        factors = torch.stack(
            [
                by_new * new_h * reset * (1 - reset),
                (before - new) * update * (1 - update),
                by_new * reset,
            ],
            dim=1,
        )  # (N, 3, D) the same for the three inputs that come from the hidden vector
        moved = torch.empty_like(factors)
        hidden_grad = grad.clone()
        first_grad = grad.new_zeros(sizes[0], width)
        ends = torch.tensor(sizes).cumsum(0).tolist()
        for step in range(len(sizes) - 1, -1, -1):
            size, end = sizes[step], ends[step]
            rows = slice(end - size, end)
            torch.mul(factors[rows], hidden_grad[rows].unsqueeze(1), out=moved[rows])
            above = end - size - sizes[step - 1]
            target = hidden_grad[above : above + size] if step else first_grad
            target.addcmul_(hidden_grad[rows], update[rows])
            target.addmm_(moved[rows].flatten(1), weight_h)
        by_h = moved.flatten(1)  # (N, 3 D)
        grad_weight_h, grad_bias_h = by_h.T @ before, by_h.sum(0)
        moved[:, 2] = (
            hidden_grad * by_new
        )  # the new gate sees x directly, not through the reset gate
        grad_weight_x, grad_bias_x = by_h.T @ x, by_h.sum(0)
        return (
            by_h @ weight_x,
            first_grad,
            None,
            None,
            grad_weight_x,
            grad_weight_h,
            grad_bias_x,
            grad_bias_h,
        )


def packed_gru(x: Tensor, first: Tensor, weights: tuple[Tensor, ...], sizes: list[int]) -> Tensor:
    """Return (N, D) hidden vectors of one GRU layer over time-major rows.

    Parameters
    ----------
    x
        (N, E) rows of the first time step, then of the second, …, longest history first in each.
    first
        (B', D) hidden vectors before the first step.
    weights
        torch's `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
    sizes
        Rows of each time step, falling.

    Notes
    -----
    Differentiable once. Memory O(N · D).

    Relations
    ---------
    Equals `torch.nn.GRU` on the same `PackedSequence`, and so do its gradients.
    """
    return _PackedGRU.apply(x, first, weights, sizes, *weights)
