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

    Relations
    ---------
    `ItemRows(items)[index]` equals `items.table()[index]`, and its gradient reaches those rows.
    """

    def __init__(self, items: ItemEncoder) -> None:
        self.items = items

    def __len__(self) -> int:
        return self.items.num_items

    def __getitem__(self, index: Tensor) -> Tensor:
        return self.items(index)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the vectors' numbers."""
        return next(self.items.parameters()).dtype

    def whole(self) -> Tensor:
        """Return (I, D) all rows after all."""
        return self.items.table()


Table = Tensor | ItemRows
"""The vectors of all items: written out, or row by row."""


def whole(table: Table) -> Tensor:
    """Return (I, D) a table written out."""
    return table.whole() if isinstance(table, ItemRows) else table
