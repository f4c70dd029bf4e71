"""AdamW, whole or by the rows that were used: what decays, the rate of each step, the clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from penchant.config import TrainingSettings
from penchant.heads import Head
from penchant.items import ItemEncoder, TextReader
from penchant.training.sparse_adamw import SparseAdamW


def build_optimizer(
    model: nn.Module, settings: TrainingSettings, text_rate: float = 1.0
) -> torch.optim.AdamW:
    """Return AdamW in which matrices decay; embeddings, biases, norms and other vectors do not.

    Notes
    -----
    An item vector gets a gradient only through its own events, so decay would pull rare items to
    zero faster than their events can push back. Item vectors learn `item_rate` times as fast as the
    rest: Adam moves a number by about its rate whatever its gradient, and of the vector of an item
    with few events that move must soon outgrow the chance it started from. A language model that
    reads texts learns `text_rate` times as fast. With `sparse_adamw` the
    parts of the model that have rows of items are told to give gradients of the rows they used
    alone.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """
    rates = {id(parameter): settings.item_rate for parameter in _item_vectors(model)}
    rates |= {id(parameter): text_rate for parameter in _text_weights(model)}
    # Checkpoints count parameters in this order.
    kinds: dict[tuple[bool, float], list[nn.Parameter]] = {(True, 1.0): [], (False, 1.0): []}
    for parameter, decays in _parameters(model):
        rate = rates.get(id(parameter), 1.0)
        kinds.setdefault((decays, rate), []).append(parameter)
    groups = [
        {
            "params": held,
            "weight_decay": settings.weight_decay * decays,
            "rate": rate,
        }
        for (decays, rate), held in kinds.items()
        if held
    ]
    form = SparseAdamW if settings.optimizer == "sparse_adamw" else torch.optim.AdamW
    optimizer = form(groups, lr=settings.learning_rate)
    set_learning_rate(optimizer, settings.learning_rate)
    keep_rows(model, optimizer.refresh if isinstance(optimizer, SparseAdamW) else None)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let every group learn at its own multiple of a rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def keep_rows(model: nn.Module, refresh: Callable[[Tensor, Tensor], None] | None) -> None:
    """Tell what has rows of items by whom they are brought up to date; None: they always are."""
    for module in model.modules():
        if isinstance(module, ItemEncoder | Head):
            module.refresh = refresh


def settle(optimizer: torch.optim.Optimizer) -> None:
    """Bring all parameters up to date, so that they can be read as a whole."""
    if isinstance(optimizer, SparseAdamW):
        optimizer.settle()


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


def _item_vectors(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the vectors of items and of their attributes."""
    for items in model.modules():
        if isinstance(items, ItemEncoder):
            for part in items.modules():
                if isinstance(part, nn.Embedding | nn.EmbeddingBag):
                    yield from part.parameters(recurse=False)


def _text_weights(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the weights of a language model that is trained."""
    for part in model.modules():
        if isinstance(part, TextReader):
            yield from part.parameters()


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
