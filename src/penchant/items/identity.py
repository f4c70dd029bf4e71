"""Items as identities: one learned vector each, and what their attributes add."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.items.base import ItemEncoder, item_encoders
from penchant.items.features import FeatureTable


@item_encoders.register("identity")
class IdentityItems(ItemEncoder):
    """One learned vector per item.

    Parameters
    ----------
    num_items
        Items I.
    width
        Width D.
    """

    def __init__(self, num_items: int, width: int) -> None:
        super().__init__()
        self.num_items = num_items
        self.vectors = nn.Embedding(num_items, width)
        nn.init.normal_(self.vectors.weight, std=width**-0.5)

    def forward(self, item_index: Tensor) -> Tensor:
        """Return (N, D) vectors of the items (N,)."""
        return self._identities(item_index)

    def table(self) -> Tensor:
        """Return (I, D), the parameter itself."""
        return self.vectors.weight

    def _identities(self, item_index: Tensor) -> Tensor:
        if self.refresh is not None:
            self.refresh(self.vectors.weight, item_index)
        return F.embedding(item_index, self.vectors.weight, sparse=self.refresh is not None)


@item_encoders.register("features")
class FeatureItems(IdentityItems):
    """One learned vector per item plus what its attributes add.

    Parameters
    ----------
    num_items
        Items I.
    width
        Width D.
    features
        Attributes of the items, fitted on the training part.

    Notes
    -----
    What the attributes add is a sum: a vector per category, the mean of the vectors of a bag
    (genres), a linear map of the numbers. It starts small beside the identity.
    """

    def __init__(self, num_items: int, width: int, features: FeatureTable) -> None:
        super().__init__(num_items, width)
        self.features = features
        self.categories = nn.ModuleList(
            nn.Embedding(size, width) for size in features.cardinalities
        )
        self.bag = nn.Embedding(max(features.bag_size, 1), width)
        self.numbers = nn.Linear(max(features.numeric.shape[1], 1), width, bias=False)
        for part in (*self.categories, self.bag, self.numbers):
            nn.init.normal_(part.weight, std=0.1 * width**-0.5)

    def forward(self, item_index: Tensor) -> Tensor:
        """Return (N, D) vectors of the items (N,)."""
        return self._identities(item_index) + self._attributes(item_index)

    def table(self) -> Tensor:
        """Return (I, D) vectors of all items."""
        return self.vectors.weight + self._attributes(None)

    def _attributes(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) what attributes add for the items, or for all of them."""
        table = self.features
        every = torch.arange(self.num_items, device=self.vectors.weight.device)
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
