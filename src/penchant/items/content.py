"""What is known of items besides who took them: one source of vectors for each kind of knowledge.

Sources are mixed by `MixtureItems`. They can speak of items that nobody has taken yet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class ContentSource(nn.Module, ABC):
    """Vectors of the I items of a catalogue from one kind of knowledge.

    Relations
    ---------
    `forward(None)[i]` equals `forward([i])`.
    """

    known: Tensor
    """(I,) bool, the items of which anything is known."""

    @abstractmethod
    def forward(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) vectors of the items (N,), of all when None; zeros where unknown."""

    @abstractmethod
    def later(self, given: Any) -> tuple[Tensor, Tensor]:
        """Return (n, D) vectors of items that came later, and (n,) bool which of them are known.

        `given` is what this source reads of them.
        """
