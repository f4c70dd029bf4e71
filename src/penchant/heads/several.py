"""Several interests of one user, for those who want different things: an item suits the nearest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.heads.scoring import Head, Scale, heads


@heads.register("several")
class SeveralInterestsHead(Head):
    """max over K interests of r_k · e_i + b_i, each r_k a linear map of r.

    Parameters
    ----------
    num_items
        Items I in the catalogue.
    width
        Width D of interest and items.
    num_interests
        Interests K.
    normalised, temperature, learn_temperature
        As of `dot`.

    Raises
    ------
    ConfigError
        When there is no interest.

    Notes
    -----
    Training compares the interest that is nearest to what came next, so that interests part; a list
    is ranked by the best of all. The maps start as the identity plus noise: alike, but not so much
    that one interest takes all targets. K · D² parameters; scoring costs K times that of `dot`.

    References
    ----------
    Y. Cen et al., "Controllable multi-interest framework for recommendation", 2020, equations 6 to
    9; there the interests come from K attention heads, here from one interest vector.
    """

    def __init__(
        self,
        num_items: int,
        width: int,
        num_interests: int = 4,
        normalised: bool = False,
        temperature: float = 1.0,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__(num_items)
        if num_interests < 1:
            raise ConfigError(
                f"head.num_interests must be at least 1 but is {num_interests}.", "Set it to 4."
            )
        self.num_interests = num_interests
        self.scale = Scale(normalised, temperature, learn_temperature)
        self.normalised = normalised
        self.parts = nn.Linear(width, num_interests * width)
        with torch.no_grad():
            nn.init.normal_(self.parts.weight, std=0.5 * width**-0.5)
            self.parts.weight += torch.eye(width).repeat(num_interests, 1)
            nn.init.zeros_(self.parts.bias)

    def interests(self, vectors: Tensor) -> Tensor:
        """Return (M, K, D)."""
        return self.scale.interests(self.parts(vectors).unflatten(1, (self.num_interests, -1)))

    def keys(self, rows: Tensor) -> Tensor:
        """Return (n, D) the item vectors, at unit length if they are `normalised`."""
        return self.scale.keys(rows)
