"""Attributes of items as tensors that travel with the model.

Numbers, categories, and bags of categories.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
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


class FeatureVectors(nn.Module):
    """What attributes say, as vectors: learned, and a sum over the attributes.

    Parameters
    ----------
    features
        Attributes of I items, fitted on the training part.
    width
        Width D.

    Notes
    -----
    A vector per category, the mean of the vectors of a bag (genres), a linear map of the numbers.
    It starts at a tenth of the length that identities start with.

    Relations
    ---------
    `forward(None)[i]` equals `forward([i])`.
    """

    def __init__(self, features: FeatureTable, width: int) -> None:
        super().__init__()
        self.features = features
        self.categories = nn.ModuleList(
            nn.Embedding(size, width) for size in features.cardinalities
        )
        self.bag = nn.Embedding(max(features.bag_size, 1), width)
        self.numbers = nn.Linear(max(features.numeric.shape[1], 1), width, bias=False)
        for part in (*self.categories, self.bag, self.numbers):
            nn.init.normal_(part.weight, std=0.1 * width**-0.5)

    def forward(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) what attributes say of the items (N,), of all when None."""
        table = self.features
        every = torch.arange(len(table.bag_offsets), device=self.bag.weight.device)
        rows = every if item_index is None else item_index
        added = self.numbers.weight.new_zeros(len(rows), self.bag.embedding_dim)
        for column, vectors in enumerate(self.categories):
            added = added + vectors(table.categorical[rows, column])
        if table.numeric.shape[1]:
            added = added + self.numbers(table.numeric[rows].to(added.dtype))
        if table.bag_size:
            members, starts = table.bags() if item_index is None else table.bags_of(item_index)
            added = added + F.embedding_bag(members, self.bag.weight, starts, mode="mean")
        return added
