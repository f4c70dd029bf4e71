"""Laws of items: what can be said for one and for all must agree."""

from __future__ import annotations

import torch

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
