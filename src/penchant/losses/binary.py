"""Cross-entropy of taken or refused, for logs that tell both."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from penchant.errors import ConfigError
from penchant.heads import BinaryHead, Head
from penchant.items import Table
from penchant.losses.base import Loss, Targets, losses


@losses.register("binary")
class BinaryLoss(Loss):
    """Binary cross-entropy of the label of the next event, given its item.

    Raises
    ------
    ConfigError
        When the head has no probabilities.
    """

    def check_head(self, head: Head) -> None:
        """See that the head has probabilities."""
        _checked(head)

    def forward(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum of cross-entropies."""
        logit = _checked(head).logit_of(vectors, table, targets.item)
        label = targets.label.to(logit.dtype)
        return F.binary_cross_entropy_with_logits(logit, label, targets.weight, reduction="sum")

    def reference(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the same sum, which is plain already."""
        return self(vectors, table, head, targets)


def _checked(head: Head) -> BinaryHead:
    if not isinstance(head, BinaryHead):
        raise ConfigError(
            f'loss "binary" needs a head with probabilities but the head is "{head.kind}".',
            'Set head.kind = "binary", or loss.kind = "full_softmax".',
        )
    return head
