"""Attributes of items as tensors that travel with the model.

Numbers, categories, and bags of categories.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class FeatureArrays(Protocol):
    """Attributes of I items as arrays; see `penchant.events.ItemFeatures`."""

    @property
    def categorical(self) -> np.ndarray:
        """(I, F) int64 below `cardinalities`, 0 where unknown."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Values of each category, the unknown one included."""

    @property
    def numeric(self) -> np.ndarray:
        """(I, G) float32, normalised."""

    @property
    def bag_index(self) -> np.ndarray:
        """(nnz,) int64 below `bag_size`, members of the bags end to end."""

    @property
    def bag_offsets(self) -> np.ndarray:
        """(I + 1,) int64, where each item's bag starts and ends."""

    @property
    def bag_size(self) -> int:
        """Values that a bag may hold."""


class FeatureTable(nn.Module):
    """Attributes of I items, kept as buffers.

    Parameters
    ----------
    arrays
        `categorical` (I, F) int64 below `cardinalities`, `numeric` (I, G) float32, and bags:
        members `bag_index` (nnz,) below `bag_size`, item i owning `bag_offsets[i]` to
        `bag_offsets[i + 1]`.
    """

    categorical: Tensor
    numeric: Tensor
    bag_index: Tensor
    bag_offsets: Tensor

    def __init__(self, arrays: FeatureArrays) -> None:
        super().__init__()
        self.cardinalities = tuple(arrays.cardinalities)
        self.bag_size = int(arrays.bag_size)
        self.register_buffer("categorical", torch.as_tensor(arrays.categorical, dtype=torch.int64))
        self.register_buffer("numeric", torch.as_tensor(arrays.numeric, dtype=torch.float32))
        self.register_buffer("bag_index", torch.as_tensor(arrays.bag_index, dtype=torch.int64))
        # torch wants the starts alone; the end of the last bag is the end of the index.
        starts = torch.as_tensor(arrays.bag_offsets[:-1], dtype=torch.int64)
        self.register_buffer("bag_offsets", starts)

    def bags(self) -> tuple[Tensor, Tensor]:
        """Return the members of all bags end to end, and (I,) where each bag starts."""
        return self.bag_index, self.bag_offsets

    def bags_of(self, item_index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the members of the bags of items (N,) end to end, and (N,) where each starts.

        Time and memory O(N + members), however many items there are.
        """
        first, after = self.bag_offsets[item_index], item_index + 1
        is_last = after == len(self.bag_offsets)
        end = self.bag_offsets[after.masked_fill(is_last, 0)]
        sizes = end.masked_fill(is_last, len(self.bag_index)) - first
        starts = sizes.cumsum(0) - sizes
        within = torch.arange(int(sizes.sum()), device=sizes.device)
        return self.bag_index[within + (first - starts).repeat_interleave(sizes)], starts
