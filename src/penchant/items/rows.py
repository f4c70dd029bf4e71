"""The item table as rows by index, for catalogues too large to touch whole at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from penchant.items.base import ItemEncoder


class ItemRows:
    """Stands for the table (I, D) of an item encoder where only some rows are asked for.

    Parameters
    ----------
    items
        The encoder.
    num_items
        How many of its items there are to be; all of them when left out.

    Relations
    ---------
    `ItemRows(items)[index]` equals `items.table()[index]`, and its gradient reaches those rows.
    """

    def __init__(self, items: ItemEncoder, num_items: int | None = None) -> None:
        self.items = items
        self.num_items = items.num_items if num_items is None else num_items

    def __len__(self) -> int:
        return self.num_items

    def __getitem__(self, index: Tensor) -> Tensor:
        return self.items(index)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the vectors' numbers."""
        return next(self.items.parameters()).dtype

    def whole(self) -> Tensor:
        """Return (I, D) all rows after all."""
        return self.items.table()[: self.num_items]


Table = Tensor | ItemRows
"""The vectors of all items: written out, or row by row."""


def whole(table: Table) -> Tensor:
    """Return (I, D) a table written out."""
    return table.whole() if isinstance(table, ItemRows) else table
