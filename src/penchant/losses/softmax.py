"""Cross-entropy over the whole catalogue.

The loss that moves accuracy more than most architectures do.
"""

from __future__ import annotations

from torch import Tensor

from penchant.heads import Head
from penchant.items import Table, whole
from penchant.losses.base import Loss, Targets, check_share, losses
from penchant.losses.blocks import log_sum, score_sum


@losses.register("full_softmax")
class FullSoftmax(Loss):
    """-log softmax of the scores at the item that came next, over all items.

    Parameters
    ----------
    label_smoothing
        Share of the target that is spread evenly over all items.

    Raises
    ------
    ConfigError
        When the share lies outside 0..1.

    Notes
    -----
    Every target counts, its label does not. Memory does not grow with targets × items.
    """

    reads_table = True

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        check_share("label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def forward(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the weighted sum of cross-entropies, block by block."""
        weight, keys = targets.weight, head.keys(whole(table))
        own = keys[targets.item]
        asked = head.asked(vectors, own)
        hit = head.compare_one(asked, own, head.bias[targets.item]) @ weight
        total = log_sum(head, asked, keys, head.bias, weight) - hit
        if self.label_smoothing:
            share = keys.new_full((len(keys),), 1 / len(keys))
            mean = score_sum(head, asked, keys, head.bias, share, weight)
            total = total + self.label_smoothing * (hit - mean)
        return total

    def reference(self, vectors: Tensor, table: Table, head: Head, targets: Targets) -> Tensor:
        """Return the same sum through all M × I scores."""
        keys = head.keys(whole(table))
        asked = head.asked(vectors, keys[targets.item])
        logs = head.compare(asked, keys, head.bias).log_softmax(1)  # (M, I)
        hit = logs.gather(1, targets.item.unsqueeze(1)).squeeze(1)
        smooth = self.label_smoothing
        return -(((1 - smooth) * hit + smooth * logs.mean(1)) @ targets.weight)
