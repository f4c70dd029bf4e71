"""What every loss is: a weighted sum over targets, from interest vectors and the item table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from penchant.heads import Head
from penchant.registry import Registry


class Targets(NamedTuple):
    """What came next: `item` (M,) int64, `label` (M,) 1 taken or 0 refused, `weight` (M,)."""

    item: Tensor
    label: Tensor
    weight: Tensor


class Loss(nn.Module, ABC):
    """A loss of the next event.

    Relations
    ---------
    `forward` equals `reference`, which is written plainly and separates by target.
    """

    kind: str

    @abstractmethod
    def forward(self, vectors: Tensor, table: Tensor, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum over M targets, from vectors (M, D) and the table (I, D)."""

    @abstractmethod
    def reference(self, vectors: Tensor, table: Tensor, head: Head, targets: Targets) -> Tensor:
        """Return the same number by plain differentiable operations, without blocks."""


losses: Registry[Loss] = Registry("losses")
