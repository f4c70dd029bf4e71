"""Cross-entropy over the whole catalogue.

The loss that moves accuracy more than most architectures do.
"""

from __future__ import annotations

from torch import Tensor

from penchant.heads import Head
from penchant.losses.base import Loss, Targets, losses
from penchant.losses.partition import log_partition


@losses.register("full_softmax")
class FullSoftmax(Loss):
    """-log softmax(r · e + b) at the item that came next, over all items.

    Notes
    -----
    Every target counts, its label does not. Memory does not grow with targets × items.
    """

    def forward(self, vectors: Tensor, table: Tensor, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum of cross-entropies, block by block."""
        hit = head.score_of(vectors, table, targets.item)
        return log_partition(vectors, table, head.bias, targets.weight) - hit @ targets.weight

    def reference(self, vectors: Tensor, table: Tensor, head: Head, targets: Targets) -> Tensor:
        """Return the same sum through all M × I scores."""
        scores = head(vectors, table).log_softmax(1)  # (M, I)
        return -(scores.gather(1, targets.item.unsqueeze(1)).squeeze(1) @ targets.weight)
