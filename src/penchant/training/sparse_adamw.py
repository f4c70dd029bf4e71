"""AdamW that leaves rows of large tables where they are until they are used.

Under AdamW a row without a gradient still moves, carried on by its averages, which fade. What many
such steps come to has a closed form, so a row is brought up to date when it is next taken, and
whoever reads the table meets what AdamW would have made of it.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

REACH: Final = 256
"""Steps after which nothing is left of a row's motion: (0.9 / 0.9995)^256 is 2e-12."""

SETTLED_ROWS: Final = 2**16
"""Rows that are brought up to date at once when all of them are."""


class SparseAdamW(torch.optim.AdamW):
    """AdamW with the work of a step on the rows that it used, however many there are.

    Notes
    -----
    A parameter with a sparse gradient is kept row by row: the step up to which each row was
    brought, and the averages of that step. `refresh` must be told of rows before they are taken,
    and `settle` before the whole is read. Such a parameter does not decay. With m and v the
    averages after step s, the steps after it without a gradient move a row by the sum over u of
    w_u · r^(u - s) · m / (sqrt(v) + eps), r = beta_1 / sqrt(beta_2), w_u the rate of step u with
    both corrections: one number for each s, kept for all and moved on at every step.

    What has a dense gradient is left to AdamW. Memory is that of AdamW and a number a row.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.

    Relations
    ---------
    Equals AdamW, once settled, whichever rows the steps used.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make a step."""
        aside = []
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and gradient.is_sparse:
                    self._step_rows(parameter, gradient.coalesce(), group)
                    aside.append((parameter, gradient))
                    parameter.grad = None
        super().step(closure)
        for parameter, gradient in aside:
            parameter.grad = gradient

    @torch.no_grad()
    def refresh(self, parameter: Tensor, rows: Tensor) -> None:
        """Bring rows (n,) of a parameter up to the last step."""
        state = self.state.get(parameter)
        if not state:
            return
        state["step"] = state["step"].to(parameter.device)  # torch restores it where it was kept
        now = len(state["reach"]) - 1
        rows = rows[state["step"][rows] < now].unique()
        if len(rows) == 0:
            return
        group = self._group_of(parameter)
        first, second = group["betas"]
        since = state["step"][rows].long()
        mean, square = state["exp_avg"][rows], state["exp_avg_sq"][rows]
        root = square.sqrt().add_(group["eps"] * (1 - second**now) ** 0.5)
        reach, gap = (_beside(each, mean) for each in (state["reach"][since], now - since))
        # Through .data: a gradient may wait that looks whether its parameter was changed, though
        # it needs nothing of it.
        parameter.data[rows] -= reach * mean / root
        state["exp_avg"][rows] = mean * first**gap
        state["exp_avg_sq"][rows] = square * second**gap
        state["step"][rows] = float(now)

    def settle(self) -> None:
        """Bring all rows of all parameters up to the last step."""
        for parameter, state in self.state.items():
            if "reach" in state:
                every = torch.arange(len(parameter), device=parameter.device)
                for rows in every.split(SETTLED_ROWS):
                    self.refresh(parameter, rows)

    def _step_rows(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = parameter.new_zeros(len(parameter))
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["reach"] = parameter.new_zeros(1)
        [rows], values = gradient.indices(), gradient.values()  # (n,) and (n, ...)
        self.refresh(parameter, rows)
        now = len(state["reach"])
        first, second = group["betas"]
        mean = state["exp_avg"][rows].lerp_(values, 1 - first)
        square = state["exp_avg_sq"][rows].mul_(second).addcmul_(values, values, value=1 - second)
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = mean, square
        state["step"][rows] = float(now)
        rate, correction = group["lr"] / (1 - first**now), (1 - second**now) ** 0.5
        root = square.sqrt_().div_(correction).add_(group["eps"])
        parameter[rows] -= mean.div_(root).mul_(rate)
        self._move_reach(state, rate * correction, first / second**0.5)

    def _move_reach(self, state: dict[str, Tensor], weight: float, ratio: float) -> None:
        """Let rows that stopped at each step before this one be moved by this one too."""
        reach = state["reach"]
        moving = reach[-REACH:]
        age = torch.arange(len(moving), 0, -1, device=reach.device)
        moving += weight * ratio**age
        state["reach"] = torch.cat([reach, reach.new_zeros(1)])

    def _group_of(self, parameter: Tensor) -> dict[str, Any]:
        for group in self.param_groups:
            if any(each is parameter for each in group["params"]):
                return group
        raise AssertionError("a parameter with a state has a group")


def _beside(numbers: Tensor, rows: Tensor) -> Tensor:
    """Return numbers (n,) in a form that multiplies rows (n, ...)."""
    return numbers.to(rows.dtype).view(-1, *[1] * (rows.dim() - 1))
