"""Laws of items and losses: what can be said for one and for all must agree."""

from __future__ import annotations

import torch

from penchant.heads import Head
from penchant.items import ItemEncoder
from penchant.losses import Loss, Targets
from penchant.testing.folding import LawBroken


def check_items(items: ItemEncoder) -> None:
    """Hold an item encoder to its law: `table()[i]` equals `forward([i])`.

    Raises
    ------
    LawBroken
        Naming the first item for which they differ.
    """
    items.eval()
    with torch.inference_mode():
        table = items.table()
        every = torch.arange(items.num_items).flip(0)
        differs = (items(every) - table[every]).abs().amax(1) > 1e-9
    if table.shape[0] != items.num_items:
        raise LawBroken(f"table() must have {items.num_items} rows but has {table.shape[0]}.")
    if differs.any():
        index = int(every[differs][0])
        raise LawBroken(f"table()[{index}] and forward([{index}]) differ.")


def check_loss(loss: Loss, head: Head, width: int, num_items: int, seed: int = 0) -> None:
    """Hold a loss to its laws, in float64: equal to its reference, finite, blind to item order.

    Raises
    ------
    LawBroken
        With both numbers.
    """
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(57, width, generator=draw, dtype=torch.float64) * 3
    table = torch.randn(num_items, width, generator=draw, dtype=torch.float64)
    item = torch.randint(num_items, (57,), generator=draw)
    label = torch.randint(2, (57,), generator=draw).double()
    weight = torch.rand(57, generator=draw, dtype=torch.float64)
    head = head.double()
    with torch.no_grad():
        head.bias.copy_(torch.randn(num_items, generator=draw, dtype=torch.float64))
    leaves = (vectors.requires_grad_(), table.requires_grad_(), head.bias)
    targets = Targets(item, label, weight)
    value = loss(vectors, table, head, targets)
    reference = loss.reference(vectors, table, head, targets)
    _close("loss and reference", value, reference)
    found = torch.autograd.grad(value * 2, leaves)
    wanted = torch.autograd.grad(reference * 2, leaves)
    for name, left, right in zip(("vectors", "table", "bias"), found, wanted, strict=True):
        if not left.isfinite().all():
            raise LawBroken(f"the gradient by {name} must be finite.")
        _close(f"gradients by {name}", left, right)
    order = torch.randperm(num_items, generator=draw)
    place = torch.empty_like(order).scatter_(0, order, torch.arange(num_items))
    with torch.no_grad():
        head.bias.copy_(head.bias[order])
        shuffled = loss(vectors, table[order], head, Targets(place[item], label, weight))
    _close("loss before and after reordering the items", value, shuffled)


def _close(what: str, left: torch.Tensor, right: torch.Tensor) -> None:
    difference = ((left - right).abs() / right.abs().clamp(min=1.0)).max()
    if not difference <= 1e-9:
        raise LawBroken(f"{what} differ by {difference:.3g}, more than 1e-9.")
