"""AdamW, whole or by the rows that were used: what decays, the rate of each step, the clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from penchant.config import TrainingSettings
from penchant.heads import Head
from penchant.items import ItemEncoder


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.AdamW:
    """Return AdamW in which matrices decay; embeddings, biases, norms and other vectors do not.

    Notes
    -----
    An item vector gets a gradient only through its own events, so decay would pull rare items to
    zero faster than their events can push back. With `sparse_adamw` the parts of the model that
    have rows of items are told to give gradients of the rows they used alone.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """
    is_sparse = settings.optimizer == "sparse_adamw"
    for module in model.modules():
        if isinstance(module, ItemEncoder | Head):
            module.sparse_gradients = is_sparse
    decaying: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for parameter, decays in _parameters(model):
        (decaying if decays else other).append(parameter)
    groups = [
        {"params": decaying, "weight_decay": settings.weight_decay},
        {"params": other, "weight_decay": 0.0},
    ]
    form = SparseAdamW if is_sparse else torch.optim.AdamW
    return form([group for group in groups if group["params"]], lr=settings.learning_rate)


class SparseAdamW(torch.optim.AdamW):
    """AdamW that touches, of a parameter with a sparse gradient, only the rows in it.

    Notes
    -----
    Time is that of the rows used, however many there are; memory is that of AdamW. Averages of a
    row stand still while it is not used, and its bias correction counts its own steps, so that a
    rare item moves as one whose every step was used. What has a dense gradient is left to AdamW.

    Relations
    ---------
    Equals AdamW for parameters whose every row is used at every step.
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

    def _step_rows(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = parameter.new_zeros(len(parameter))
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        [rows], values = gradient.indices(), gradient.values()  # (n,) and (n, ...)
        first, second = group["betas"]
        mean = state["exp_avg"][rows].lerp_(values, 1 - first)
        square = state["exp_avg_sq"][rows].mul_(second).addcmul_(values, values, value=1 - second)
        state["step"] = state["step"].to(parameter.device)  # torch restores it where it was kept
        steps = state["step"][rows] + 1
        state["step"][rows] = steps
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = mean, square
        steps = steps.view(-1, *[1] * (values.dim() - 1))
        root = square.sqrt_().div_((1 - second**steps).sqrt_()).add_(group["eps"])
        change = mean.div_(1 - first**steps).div_(root).mul_(group["lr"])
        kept = parameter[rows].mul_(1 - group["lr"] * group["weight_decay"])
        parameter[rows] = kept.sub_(change)


def clip_gradients(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """Scale gradients down to a norm of at most `most` and return the norm that they had.

    Notes
    -----
    Sparse gradients are summed up by row first, and count as they would if they were dense.
    """
    held = list(parameters)
    for parameter in held:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
    gradients = [parameter.grad for parameter in held if parameter.grad is not None]
    if not any(gradient.is_sparse for gradient in gradients):
        return torch.nn.utils.clip_grad_norm_(held, most)
    numbers = [gradient.values() if gradient.is_sparse else gradient for gradient in gradients]
    norm = torch.nn.utils.get_total_norm(numbers)
    for each in numbers:
        each.mul_((most / (norm + 1e-6)).clamp(max=1))
    return norm


def _parameters(model: nn.Module) -> Iterator[tuple[nn.Parameter, bool]]:
    """Yield each parameter once, with whether it decays."""
    seen: set[int] = set()
    for module in model.modules():
        is_embedding = isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter, parameter.dim() >= 2 and not is_embedding


def learning_rate(settings: TrainingSettings, step: int, share_done: float) -> float:
    """Return the learning rate of a step (counted from 0).

    Parameters
    ----------
    settings
        Peak, warm-up and form.
    step
        Optimizer steps done.
    share_done
        Share of the whole training that is done; only the cosine looks at it, so that a constant
        rate does not depend on `num_epochs` and a training can be made longer afterwards.

    Examples
    --------
    >>> settings = TrainingSettings(learning_rate=0.1, warmup_steps=4)
    >>> [learning_rate(settings, step, 0.0) for step in (0, 1, 3, 9)]
    [0.025, 0.05, 0.1, 0.1]
    """
    peak = settings.learning_rate
    if step < settings.warmup_steps:
        return peak * (step + 1) / settings.warmup_steps
    if settings.schedule == "cosine":
        return peak * (1 + math.cos(math.pi * min(share_done, 1.0))) / 2
    return peak


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors; what `restore_optimizer` reads."""
    return {
        f"{index}.{name}": value
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back a state that `optimizer_tensors` gave, for the same parameters in the same order."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
