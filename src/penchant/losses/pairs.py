"""Losses that judge scores one by one or in pairs: binary cross-entropy, its mend, and ranking.

Negatives are drawn uniformly and shared by the batch; one that is what came next is left out for
that target.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from penchant.errors import ConfigError
from penchant.heads import Head
from penchant.items import Table
from penchant.losses.base import SampledLoss, Targets, losses
from penchant.losses.blocks import softplus_sum
from penchant.losses.negatives import Negatives, draw_uniform
from penchant.losses.sampled import asked_and_hit, check_num_negatives


class PairLoss(SampledLoss):
    """A part of what came next and a part of each negative.

    Parameters
    ----------
    num_negatives
        Draws of a batch.
    """

    def __init__(self, num_negatives: int = 256) -> None:
        super().__init__()
        check_num_negatives(num_negatives)
        self.num_negatives = num_negatives

    @abstractmethod
    def parts(self, hit: Tensor, num: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (M,) what negatives are held against, what they count, and the rest of the loss.

        From the score (M,) of what came next and the number (M,) of negatives.
        """

    def draw(self, targets: Targets, num_items: int) -> Negatives:
        """Draw the negatives of a batch."""
        return draw_uniform(self.num_negatives, num_items, targets.item.device)

    def against(
        self, negatives: Negatives, vectors: Tensor, table: Table, head: Head, targets: Targets
    ) -> Tensor:
        """Return the weighted sum against given negatives, block by block."""
        asked, hit = asked_and_hit(vectors, table, head, targets)
        keys, bias = head.keys(table[negatives.item]), head.bias_of(negatives.item)
        drawn = negatives.drawn.to(bias.dtype)
        own = negatives.drawn_at(negatives.place_of(targets.item)).to(bias.dtype)
        base, counts, rest = self.parts(hit, drawn.sum() - own)
        scale = targets.weight * counts
        total = softplus_sum(head, asked, keys, bias, drawn, base, scale)
        return total - (own * scale) @ F.softplus(hit - base) + rest @ targets.weight

    def against_plainly(
        self, negatives: Negatives, vectors: Tensor, table: Table, head: Head, targets: Targets
    ) -> Tensor:
        """Return the same sum through all M × J scores."""
        asked, hit = asked_and_hit(vectors, table, head, targets)
        keys, bias = head.keys(table[negatives.item]), head.bias_of(negatives.item)
        drawn = negatives.drawn.to(bias.dtype) * (negatives.item != targets.item.unsqueeze(1))
        base, counts, rest = self.parts(hit, drawn.sum(1))
        costs = F.softplus(head.compare(asked, keys, bias) - base.unsqueeze(1))  # (M, J)
        return ((costs * drawn).sum(1) * counts + rest) @ targets.weight


@losses.register("bpr")
class PairwiseRanking(PairLoss):
    """Mean over negatives of -log sigmoid(score of what came next - score of the negative).

    References
    ----------
    S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", 2009, section
    4.1.

    Relations
    ---------
    With every item drawn once: the mean over all pairs of what came next and another item.
    """

    def parts(self, hit: Tensor, num: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the score itself, the share of each pair, and nothing more."""
        return hit, 1 / num.clamp(min=1), torch.zeros_like(hit)


@losses.register("gbce")
class GeneralisedCrossEntropy(PairLoss):
    """Binary cross-entropy whose positive part allows for how few negatives are drawn.

    -beta · log sigmoid(s) - sum over n negatives of log(1 - sigmoid(s_j)), with
    beta = a · (t · (1 - 1/a) + 1/a) and a = n / (I - 1) the share of the negatives that are drawn.

    Parameters
    ----------
    num_items
        Items I in the catalogue.
    num_negatives
        Draws of a batch.
    t
        How far probabilities are calibrated: 0 leaves plain cross-entropy, whose probabilities are
        too high by the missing negatives; 1 makes them those of all negatives.

    Raises
    ------
    ConfigError
        When t lies outside 0..1.

    Notes
    -----
    A sum where the source has a mean: it is of the size of a softmax's, and weights of other losses
    mean the same beside it.

    References
    ----------
    A. Petrov, C. Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained
    with negative sampling", 2023, equations 14 and 20.

    Relations
    ---------
    With every item drawn once: the sum over all items of binary cross-entropy, whatever t is.
    """

    def __init__(self, num_items: int, num_negatives: int = 256, t: float = 0.75) -> None:
        super().__init__(num_negatives)
        self.num_items = num_items
        if not 0 <= t <= 1:
            raise ConfigError(f"loss.t must lie in 0..1 but is {t}.", "Set loss.t=0.75.")
        self.t = t

    def start(self, head: Head) -> None:
        """Set all biases to the score at which what comes next and negatives are in balance.

        Scores of 0 would make the first gradients a hundred times as large as later ones, and Adam
        would take small steps for as long as it remembers them.
        """
        num = min(self.num_negatives, max(self.num_items - 1, 1))
        with torch.no_grad():
            head.bias.fill_(math.log(self._beta(torch.tensor(float(num))) / num))

    def parts(self, hit: Tensor, num: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return 0, 1 for each item, and the part of what came next, weighed by beta."""
        return torch.zeros_like(hit), torch.ones_like(hit), self._beta(num) * F.softplus(-hit)

    def _beta(self, num: Tensor) -> Tensor:
        """Return (M,) what the part of what came next counts beside so many negatives (M,)."""
        drawn = (num / max(self.num_items - 1, 1)).clamp(max=1)
        return self.t * (drawn - 1) + 1  # a · (t · (1 - 1/a) + 1/a)


@losses.register("bce")
class CrossEntropy(GeneralisedCrossEntropy):
    """Binary cross-entropy: what came next against 1, drawn negatives against 0, summed.

    References
    ----------
    W.-C. Kang, J. McAuley, "Self-attentive sequential recommendation", 2018, equation 7, with
    negatives shared by the batch.

    Relations
    ---------
    Equals `gbce` with t = 0.
    """

    def __init__(self, num_items: int, num_negatives: int = 256) -> None:
        super().__init__(num_items, num_negatives, t=0.0)
