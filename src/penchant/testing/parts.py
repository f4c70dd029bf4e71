"""Laws of items and heads: what can be said for one and for all must agree."""

from __future__ import annotations

import torch

from penchant.heads import Head
from penchant.items import ItemEncoder
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


def check_head(head: Head, width: int, num_items: int, seed: int = 0) -> None:
    """Hold a head to its laws, in float64: one score is that among all, however it is asked for.

    The score of one item, as training takes it, equals that in the scores of all; interests at hand
    score as the vectors that they came from; users do not mix.

    Raises
    ------
    LawBroken
        With the largest difference.
    """
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(13, width, generator=draw, dtype=torch.float64)
    table = torch.randn(num_items, width, generator=draw, dtype=torch.float64)
    item = torch.randint(num_items, (13,), generator=draw)
    head = head.double().eval()
    with torch.inference_mode():
        head.bias.copy_(torch.randn(num_items, generator=draw, dtype=torch.float64))
        every = head(vectors, table)
        one = head.score_of(vectors, table, item)
        at_hand = head(head.interests(vectors), table)
        alone = torch.cat([head(vector, table) for vector in vectors.split(1)])
    _same(head, "one item and all", one, every[torch.arange(13), item])
    _same(head, "interests at hand and vectors", at_hand, every)
    _same(head, "one user and several", alone, every)


def _same(head: Head, what: str, left: torch.Tensor, right: torch.Tensor) -> None:
    if left.shape != right.shape:
        raise LawBroken(
            f"{type(head).__name__}: scores of {what} have shapes {tuple(left.shape)} and "
            f"{tuple(right.shape)}."
        )
    difference = (left - right).abs().max()
    if not difference <= 1e-9:
        raise LawBroken(
            f"{type(head).__name__}: scores of {what} differ by {difference:.3g}, more than 1e-9."
        )
