"""Cross-entropy against a sample of the catalogue, corrected for how it was drawn."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from penchant.errors import ConfigError
from penchant.heads import Head
from penchant.items import Table
from penchant.losses.base import SampledLoss, Targets, check_share, losses
from penchant.losses.blocks import log_sum, score_sum
from penchant.losses.negatives import Negatives, draw_mixed, draw_uniform
from penchant.losses.partition import Alike
from penchant.registry import nearest

Drawing = Literal["uniform", "in_batch", "mixed"]


@losses.register("sampled_softmax")
class SampledSoftmax(SampledLoss):
    """-log softmax at the item that came next, over it and negatives shared by the batch.

    Parameters
    ----------
    item_counts
        (I,) events of each item in the training part.
    negatives
        Where they are drawn from: all items alike (`uniform`), the targets of the batch
        (`in_batch`), or both (`mixed`).
    num_negatives
        Draws m of a batch; fewer in a batch that has not so many targets to draw from.
    correction
        Strength of the logQ correction: a negative's score is s - correction · log(m · q), q its
        chance per draw; what came next keeps its score. With 1 the softmax over the whole catalogue
        is estimated; with 0 frequent negatives are pushed down further.
    in_batch_share
        Share of the draws of `mixed` that come from the batch.
    label_smoothing
        Share of the target that is spread evenly over all items, as the sample stands for them.
    mask_above
        Negatives whose key has a greater cosine than that with the key of what came next do not
        count for that target, 0.99 say: they are it under another name. All count when 0.

    Raises
    ------
    ConfigError
        When a setting is out of its range.

    Notes
    -----
    A negative that is what came next is left out for that target. q in a batch comes from the
    counts of the training part alone; an item drawn twice counts twice. Time O(M · m · D), memory
    O(block + M · D + m · D). Every target counts, its label does not.

    References
    ----------
    Y. Bengio, J.-S. Senécal, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model", 2008, section III. X. Yi et al., "Sampling-bias-corrected neural
    modeling for large corpus item recommendations", 2019, equation 5.

    Relations
    ---------
    Equals `full_softmax` when every item is drawn once and that was expected.
    """

    def __init__(
        self,
        item_counts: Tensor,
        negatives: Drawing = "uniform",
        num_negatives: int = 512,
        correction: float = 1.0,
        in_batch_share: float = 0.5,
        label_smoothing: float = 0.0,
        mask_above: float = 0.0,
    ) -> None:
        super().__init__()
        if negatives not in get_args(Drawing):
            raise ConfigError(
                f'loss.negatives has no value "{negatives}".',
                nearest(negatives, list(get_args(Drawing))),
            )
        check_num_negatives(num_negatives)
        for setting, value in (
            ("correction", correction),
            ("in_batch_share", in_batch_share),
            ("label_smoothing", label_smoothing),
            ("mask_above", mask_above),
        ):
            check_share(setting, value)
        if mask_above and label_smoothing:
            raise ConfigError(
                "loss.mask_above and loss.label_smoothing exclude each other but are "
                f"{mask_above} and {label_smoothing}: what does not count cannot stand for all.",
                "Set one of them to 0.",
            )
        self.register_buffer("item_counts", item_counts, persistent=False)
        in_batch = {"uniform": 0.0, "in_batch": 1.0, "mixed": in_batch_share}[negatives]
        self.num_in_batch = round(in_batch * num_negatives)
        self.num_uniform = num_negatives - self.num_in_batch
        self.correction = correction
        self.label_smoothing = label_smoothing
        self.mask_above = mask_above
        self.separates_users = self.num_in_batch == 0

    item_counts: Tensor

    def draw(self, targets: Targets, num_items: int) -> Negatives:
        """Draw the negatives of a batch."""
        if self.num_in_batch == 0:
            return draw_uniform(self.num_uniform, num_items, targets.item.device)
        return draw_mixed(self.num_uniform, targets.item, self.num_in_batch, self.item_counts)

    def offset(self, negatives: Negatives) -> Tensor:
        """Return (J,) what is added to the scores of negatives, each of which stands for others."""
        return negatives.drawn.log() - self.correction * negatives.expected.log()

    def place_left_out(self, negatives: Negatives, targets: Targets) -> Tensor:
        """Return (M,) the negative that does not count for a target, -1 where all do."""
        return negatives.place_of(targets.item)

    def alike(self, own: Tensor, keys: Tensor) -> Alike | None:
        """Return which negatives (J, E) do not count for targets (M, E) since they are alike."""
        if not self.mask_above:
            return None
        one, other = (F.normalize(side.detach(), dim=1) for side in (own, keys))
        return Alike(one, other, self.mask_above)

    def against(
        self, negatives: Negatives, vectors: Tensor, table: Table, head: Head, targets: Targets
    ) -> Tensor:
        """Return the weighted sum against given negatives, block by block."""
        weight = targets.weight
        own, asked, hit = own_asked_hit(vectors, table, head, targets)
        keys, bias = head.keys(table[negatives.item]), head.bias_of(negatives.item)
        place, alike = self.place_left_out(negatives, targets), self.alike(own, keys)
        offset = self.offset(negatives).to(bias.dtype)
        total = log_sum(head, asked, keys, bias + offset, weight, hit, place, alike) - hit @ weight
        if self.label_smoothing:
            share = (negatives.drawn / negatives.expected).to(bias.dtype)
            twice = share[place].masked_fill(place < 0, 0.0)
            scale = weight / (share.sum() - twice + 1)
            mean = score_sum(head, asked, keys, bias, share, scale) + hit @ (scale * (1 - twice))
            total = total + self.label_smoothing * (hit @ weight - mean)
        return total

    def against_plainly(
        self, negatives: Negatives, vectors: Tensor, table: Table, head: Head, targets: Targets
    ) -> Tensor:
        """Return the same sum through all M × J scores."""
        own, asked, hit = own_asked_hit(vectors, table, head, targets)
        keys, bias = head.keys(table[negatives.item]), head.bias_of(negatives.item)
        scores = head.compare(asked, keys, bias)  # (M, J)
        columns = torch.arange(len(keys), device=scores.device)
        is_out = self.place_left_out(negatives, targets).unsqueeze(1) == columns
        if self.mask_above:
            cosine = F.cosine_similarity(own.detach().unsqueeze(1), keys.detach(), dim=2)
            is_out |= cosine > self.mask_above
        offset = self.offset(negatives).to(bias.dtype)
        rivals = (scores + offset).masked_fill(is_out, -torch.inf)
        every = torch.cat([hit.unsqueeze(1), rivals], dim=1)
        share = (negatives.drawn / negatives.expected).to(bias.dtype).masked_fill(is_out, 0.0)
        mean = ((share * scores).sum(1) + hit) / (share.sum(1) + 1)
        smooth = self.label_smoothing
        return (every.logsumexp(1) - (1 - smooth) * hit - smooth * mean) @ targets.weight


def own_asked_hit(
    vectors: Tensor, table: Table, head: Head, targets: Targets
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (M, E) keys of what came next, (M, E) interests compared, and (M,) their scores."""
    own = head.keys(table[targets.item])
    asked = head.asked(vectors, own)
    return own, asked, head.compare_one(asked, own, head.bias_of(targets.item))


def asked_and_hit(
    vectors: Tensor, table: Table, head: Head, targets: Targets
) -> tuple[Tensor, Tensor]:
    """Return (M, E) the interests that are compared, and (M,) their scores of what came next."""
    _, asked, hit = own_asked_hit(vectors, table, head, targets)
    return asked, hit


def check_num_negatives(num_negatives: int) -> None:
    """See that there are negatives.

    Raises
    ------
    ConfigError
        When there are none.
    """
    if num_negatives < 1:
        raise ConfigError(
            f"loss.num_negatives must be at least 1 but is {num_negatives}.", "Set it to 512."
        )
