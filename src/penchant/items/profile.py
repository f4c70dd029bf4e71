"""What is known of users besides their events: attributes, read as an event before the first.

A user is a function of events and attributes, never a row of a table, so attributes come with the
user and turn into a vector in the same way for one who was never seen before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.items.features import AttributeRows, AttributeVectors, FeatureArrays, bags_of
from penchant.registry import Registry


class ProfileArrays(FeatureArrays, Protocol):
    """Attributes of U users as arrays; see `penchant.events.ItemFeatures`."""

    @property
    def is_known(self) -> np.ndarray:
        """(U,) bool, the users of whom any attribute is known."""


class Profiles(NamedTuple):
    """Attributes of B users, and `is_known` (B,) bool, of which of them there are any."""

    attributes: AttributeRows
    is_known: Tensor

    @classmethod
    def of(cls, arrays: ProfileArrays) -> Profiles:
        """Return the profiles of all users of some arrays."""
        rows = AttributeRows(
            torch.as_tensor(arrays.categorical, dtype=torch.int64),
            torch.as_tensor(arrays.numeric, dtype=torch.float32),
            torch.as_tensor(arrays.bag_index, dtype=torch.int64),
            torch.as_tensor(arrays.bag_offsets[:-1], dtype=torch.int64),
        )
        return cls(rows, torch.as_tensor(arrays.is_known, dtype=torch.bool))

    @property
    def num_users(self) -> int:
        """Number B of users."""
        return len(self.is_known)

    def of_users(self, index: Tensor) -> Profiles:
        """Return the profiles of the users at some places (N,), on the device of those."""
        at, rows = index.to(self.is_known.device), self.attributes
        bags = bags_of(rows.members, rows.starts, at)
        chosen = AttributeRows(rows.categorical[at], rows.numeric[at], *bags)
        return Profiles(
            AttributeRows(*(leaf.to(index.device) for leaf in chosen)),
            self.is_known[at].to(index.device),
        )


class ProfileInput(nn.Module, ABC):
    """What a model reads of users before their first event.

    Notes
    -----
    `is_read` says whether it reads anything at all.
    """

    kind: str
    is_read: bool

    @abstractmethod
    def forward(self, num_users: int, profiles: Profiles | None = None) -> Tensor | None:
        """Return (B, D) vectors that are read before the first events of B users.

        Nothing is known of them when `profiles` is left out. None where nothing is read.
        """


profile_inputs: Registry[ProfileInput] = Registry("profile")


@profile_inputs.register("none")
class NoProfile(ProfileInput):
    """Attributes of users are not looked at."""

    is_read = False

    def forward(self, num_users: int, profiles: Profiles | None = None) -> None:  # noqa: ARG002
        """Return that nothing is read."""
        return


@profile_inputs.register("prefix")
class PrefixProfile(ProfileInput):
    """Attributes of a user as a vector that is read as an event before the first.

    Parameters
    ----------
    width
        Width D.
    user_features
        Which attributes users have, fitted on the training part.
    drop_share
        Share of the users whose attributes are hidden in training, so that those without any are
        learned too.

    Raises
    ------
    ConfigError
        When the share is out of range.

    Notes
    -----
    Of a user of whom nothing is known a learned vector speaks. A single attribute that is missing
    adds nothing at the start; it learns to say something where users of the training lack it.
    """

    is_read = True

    def __init__(self, width: int, user_features: FeatureArrays, drop_share: float = 0.1) -> None:
        super().__init__()
        if not 0 <= drop_share < 1:
            raise ConfigError(
                f"profile.drop_share must lie in 0..1, 1 left out, but is {drop_share:g}.",
                "Set profile.drop_share=0.1.",
            )
        self.drop_share = drop_share
        self.attributes = AttributeVectors(user_features, width)
        self.unknown = nn.Parameter(torch.randn(width) * 0.1 * width**-0.5)
        with torch.no_grad():
            for vectors in self.attributes.categories:
                assert isinstance(vectors, nn.Embedding)
                vectors.weight[0] = 0.0

    def forward(self, num_users: int, profiles: Profiles | None = None) -> Tensor:
        """Return (B, D) what attributes say of B users, the learned vector where there are none."""
        if profiles is None:
            return self.unknown.expand(num_users, -1)
        assert profiles.num_users == num_users, "one profile for each user"
        is_told = profiles.is_known.unsqueeze(1)
        if self.training and self.drop_share:
            is_kept = torch.rand(num_users, 1) >= self.drop_share
            is_told = is_told & is_kept.to(is_told.device)
        return torch.where(is_told, self.attributes.of(profiles.attributes), self.unknown)
