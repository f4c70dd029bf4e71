"""What every loss is: a weighted sum over targets, from interest vectors and the item table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.heads import Head
from penchant.items import Table
from penchant.losses.negatives import Negatives
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
    `forward` equals `reference`, which is written plainly and separates by target, under the same
    random state where negatives are drawn.
    """

    kind: str
    reads_table = False
    """Whether all items are compared at every step, so that the table is best written out once."""
    separates_users = True
    """Whether a user's loss does not depend on who else is in the batch."""

    @abstractmethod
    def forward(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum over M targets, from vectors (M, D) and the table (I, D)."""

    @abstractmethod
    def reference(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the same number by plain differentiable operations, without blocks."""

    def check_head(self, head: Head) -> None:
        """See that the head has what the loss needs.

        Raises
        ------
        ConfigError
            When it has not.
        """

    def start(self, head: Head) -> None:
        """Set biases of a fresh head so that the first steps are not spent on what is known."""


class SampledLoss(Loss):
    """A loss that compares what came next with some other items, drawn once for a batch."""

    def forward(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum against freshly drawn negatives."""
        negatives = self.draw(targets, len(table))
        return self.against(negatives, vectors, table, head, targets)

    def reference(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the same sum through all M × J scores at once."""
        negatives = self.draw(targets, len(table))
        return self.against_plainly(negatives, vectors, table, head, targets)

    @abstractmethod
    def draw(self, targets: Targets, num_items: int) -> Negatives:
        """Draw negatives for a batch, by torch's random state."""

    @abstractmethod
    def against(
        self, negatives: Negatives, vectors: Tensor, table: Table, head: Head, targets: Targets
    ) -> Tensor:
        """Return the weighted sum against given negatives, block by block."""

    @abstractmethod
    def against_plainly(
        self, negatives: Negatives, vectors: Tensor, table: Table, head: Head, targets: Targets
    ) -> Tensor:
        """Return the same sum without blocks."""


losses: Registry[Loss] = Registry("losses")


def check_share(setting: str, value: float) -> None:
    """See that a setting of a loss lies in 0..1.

    Raises
    ------
    ConfigError
        When it does not.
    """
    if not 0 <= value <= 1:
        raise ConfigError(
            f"loss.{setting} must lie in 0..1 but is {value}.", f"Set loss.{setting}=0."
        )
