"""What every item encoder is.

Vectors of items, one by one or the whole table, shared by input and output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from penchant.registry import Registry


class ItemEncoder(nn.Module, ABC):
    """Vectors of the I items of a catalogue.

    Relations
    ---------
    `table()[i]` equals `forward([i])`.
    """

    kind: str
    num_items: int
    sparse_gradients = False
    """Whether what belongs to single items gets, taken by index, a gradient of those rows alone."""

    @abstractmethod
    def forward(self, item_index: Tensor) -> Tensor:
        """Return (N, D) vectors of the items (N,)."""

    @abstractmethod
    def table(self) -> Tensor:
        """Return (I, D) vectors of all items."""


item_encoders: Registry[ItemEncoder] = Registry("items")
