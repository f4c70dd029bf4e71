"""Items as identities: one learned vector each, and what their attributes add."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from penchant.items.base import ItemEncoder, item_encoders
from penchant.items.features import FeatureTable, FeatureVectors


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
    What the attributes add starts small beside the identity.
    """

    def __init__(self, num_items: int, width: int, features: FeatureTable) -> None:
        super().__init__(num_items, width)
        self.attributes = FeatureVectors(features, width)
        self.register_load_state_dict_pre_hook(_renamed)

    def forward(self, item_index: Tensor) -> Tensor:
        """Return (N, D) vectors of the items (N,)."""
        return self._identities(item_index) + self.attributes(item_index)

    def table(self) -> Tensor:
        """Return (I, D) vectors of all items."""
        return self.vectors.weight + self.attributes(None)


def _renamed(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: object) -> None:
    """Find attributes where bundles of version 0.1.0 have them: beside the identities."""
    for name in [name for name in state if name.startswith(prefix)]:
        part = name.removeprefix(prefix)
        if not part.startswith(("vectors.", "attributes.")):
            state[f"{prefix}attributes.{part}"] = state.pop(name)
