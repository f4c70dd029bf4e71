"""What every item encoder is.

Vectors of items, one by one or the whole table, shared by input and output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
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
    refresh: Callable[[Tensor, Tensor], None] | None = None
    """Brings rows of a parameter up to date before they are taken, where they may lag behind.

    Rows taken so get gradients of their own alone.
    """

    @property
    def num_trained(self) -> int:
        """Items that training compares: the first so many; the others have no events."""
        return self.num_items

    @property
    def num_directions(self) -> int:
        """Numbers T of a text vector that `directions` gives; 0 where no texts are read."""
        return 0

    def directions(self, item_index: Tensor | None) -> Tensor:
        """Return (N, T) what texts of items mean, at unit length; of all items when None.

        Zeros where there is no text. Training does not move them.
        """
        raise NotImplementedError("only items that have num_directions have directions")

    def is_trained(self, item_index: Tensor | None) -> Tensor:
        """Return (N,) whether there were training events of items, of all when None."""
        rows = torch.arange(self.num_items) if item_index is None else item_index
        return rows < self.num_trained

    @property
    def is_costly(self) -> bool:
        """Whether a language model is trained that makes the vectors.

        Few are to be asked for in training then.
        """
        return False

    def reading_once(self, plain: bool = False) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return a context in which what a language model makes of an item is made once.

        Gradients reach it from all uses; with `plain` through operations that can be differentiated
        twice.
        """
        return nullcontext()

    @abstractmethod
    def forward(self, item_index: Tensor) -> Tensor:
        """Return (N, D) vectors of the items (N,)."""

    @abstractmethod
    def table(self) -> Tensor:
        """Return (I, D) vectors of all items."""


item_encoders: Registry[ItemEncoder] = Registry("items")
