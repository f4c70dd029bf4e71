"""The next item's vector as what is to be predicted, instead of which item it is."""

from __future__ import annotations

from torch import Tensor

from penchant.errors import ConfigError
from penchant.heads import Head, unit
from penchant.items import Table
from penchant.losses.base import Loss, Targets, losses


@losses.register("regression")
class VectorRegression(Loss):
    """Squared distance between the interest and the vector of what came next, both of unit length.

    Parameters
    ----------
    spread_weight
        Weight of the guard against collapse; 0 leaves it out.

    Raises
    ------
    ConfigError
        When the weight is negative.

    Notes
    -----
    The target is detached: interest moves to items, never items to interest. That alone would let
    item vectors fall together, which makes every next one easy to predict, since they also are what
    the encoder reads. Two guards: unit length takes away the gain of shrinking, and the vectors of
    the distinct items of the batch are spread by D · |mean of e eᵀ|² - 1, which is 0 where all
    directions are used alike and D - 1 where all vectors lie on one line. Unit length also makes
    the nearest vector the one of the greatest score, so that lists are ranked by what was trained:
    hence the head must be `normalised`. Biases are not trained. Time O(M · D + min(M, I) · D²).
    """

    def __init__(self, spread_weight: float = 1.0) -> None:
        super().__init__()
        if spread_weight < 0:
            raise ConfigError(
                f"loss.spread_weight must not be negative but is {spread_weight}.", "Set it to 1."
            )
        self.spread_weight = spread_weight
        self.separates_users = spread_weight == 0

    def check_head(self, head: Head) -> None:
        """See that the head compares vectors of unit length."""
        if not head.normalised:
            raise ConfigError(
                f'loss "regression" needs a head that compares directions, but head "{head.kind}" '
                "does not.",
                "Set head.kind=dot and head.normalised=true.",
            )

    def forward(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum of squared distances, and the guard at the weights' sum."""
        total = self._distances(vectors, table, head, targets)
        if self.spread_weight and len(targets.item):
            items = head.keys(table[targets.item.unique()])  # (n, D)
            moment = items.T @ items / len(items)  # (D, D)
            spread = moment.shape[0] * moment.square().sum() - 1
            total = total + self.spread_weight * targets.weight.sum() * spread
        return total

    def reference(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the same sum with the guard as a mean over all pairs of items."""
        total = self._distances(vectors, table, head, targets)
        if self.spread_weight and len(targets.item):
            items = head.keys(table[targets.item.unique()])
            alike = (items @ items.T).square().mean()
            guard = self.spread_weight * (items.shape[1] * alike - 1)
            total = total + guard * targets.weight.sum()
        return total

    def _distances(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        self.check_head(head)
        own = head.keys(table[targets.item]).detach()
        asked = unit(head.asked(vectors, own))
        return (asked - own).square().sum(1) @ targets.weight
