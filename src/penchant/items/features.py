"""Attributes as tensors: numbers, categories, and bags of categories; and what they say as vectors.

Those of items travel with the model; those of users come with the user (`items.profile`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

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


class AttributeRows(NamedTuple):
    """Attributes of N items, or of N users.

    `categorical` (N, F) int64, 0 where unknown; `numeric` (N, G); `members` (nnz,) int64 of their
    bags end to end, and `starts` (N,) where each bag begins.
    """

    categorical: Tensor
    numeric: Tensor
    members: Tensor
    starts: Tensor


def bags_of(members: Tensor, starts: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Return the members of the bags of some rows (N,) end to end, and (N,) where each starts.

    `members` and `starts` are those of all rows. Time and memory O(N + members), however many rows
    there are.

    Examples
    --------
    >>> bags_of(torch.tensor([7, 5, 6]), torch.tensor([0, 2, 2]), torch.tensor([2, 1, 0]))
    (tensor([6, 7, 5]), tensor([0, 1, 1]))
    """
    first, after = starts[row], row + 1
    is_last = after == len(starts)
    end = starts[after.masked_fill(is_last, 0)]
    sizes = end.masked_fill(is_last, len(members)) - first
    begins = sizes.cumsum(0) - sizes
    within = torch.arange(int(sizes.sum()), device=sizes.device)
    return members[within + (first - begins).repeat_interleave(sizes)], begins


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
        """Return the members of the bags of items (N,) end to end, and (N,) where each starts."""
        return bags_of(self.bag_index, self.bag_offsets, item_index)

    def is_known(self) -> Tensor:
        """Return (I,) bool, the items of which any attribute is known."""
        ends = torch.cat([self.bag_offsets[1:], self.bag_offsets.new_tensor([len(self.bag_index)])])
        return (
            (self.categorical > 0).any(1) | (self.numeric != 0).any(1) | (ends > self.bag_offsets)
        )

    def rows(self, item_index: Tensor | None) -> AttributeRows:
        """Return the attributes of the items (N,), of all when None."""
        if item_index is None:
            return AttributeRows(self.categorical, self.numeric, *self.bags())
        bags = self.bags_of(item_index)
        return AttributeRows(self.categorical[item_index], self.numeric[item_index], *bags)


class AttributeVectors(nn.Module):
    """A vector from attributes: learned, and a sum over the attributes.

    Parameters
    ----------
    features
        Which attributes there are, fitted on the training part.
    width
        Width D.

    Notes
    -----
    A vector per category, the mean of the vectors of a bag (genres), a linear map of the numbers.
    It starts at a tenth of the length that identities start with.
    """

    def __init__(self, features: FeatureTable | FeatureArrays, width: int) -> None:
        super().__init__()
        self.num_numbers, self.bag_size = features.numeric.shape[1], features.bag_size
        self.categories = nn.ModuleList(
            nn.Embedding(size, width) for size in features.cardinalities
        )
        self.bag = nn.Embedding(max(self.bag_size, 1), width)
        self.numbers = nn.Linear(max(self.num_numbers, 1), width, bias=False)
        for part in (*self.categories, self.bag, self.numbers):
            nn.init.normal_(part.weight, std=0.1 * width**-0.5)

    def of(self, rows: AttributeRows) -> Tensor:
        """Return (N, D) what the attributes of N rows say."""
        added = self.numbers.weight.new_zeros(len(rows.categorical), self.bag.embedding_dim)
        for column, vectors in enumerate(self.categories):
            added = added + vectors(rows.categorical[:, column])
        if self.num_numbers:
            added = added + self.numbers(rows.numeric.to(added.dtype))
        if self.bag_size:
            members = F.embedding_bag(rows.members, self.bag.weight, rows.starts, mode="mean")
            added = added + members
        return added


class FeatureVectors(AttributeVectors):
    """What attributes say of items, as vectors.

    Parameters
    ----------
    features
        Attributes of I items, fitted on the training part.
    width
        Width D.

    Relations
    ---------
    `forward(None)[i]` equals `forward([i])`.
    """

    def __init__(self, features: FeatureTable, width: int) -> None:
        super().__init__(features, width)
        self.features = features

    def forward(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) what attributes say of the items (N,), of all when None."""
        return self.of(self.features.rows(item_index))
