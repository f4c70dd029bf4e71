"""The laws of losses catch faults that were planted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from penchant.heads import DotProductHead
from penchant.losses import (
    CrossEntropy,
    FullSoftmax,
    Loss,
    Negatives,
    PairwiseRanking,
    SampledSoftmax,
    Targets,
)
from penchant.losses.pairs import PairLoss
from penchant.testing import LawBroken, check_loss

COUNTS = torch.tensor([3.0, 9, 1, 4, 7, 2, 11, 5, 1, 8, 6])


def broken(loss: Loss, told: str) -> None:
    with pytest.raises(LawBroken, match=told):
        check_loss(loss, DotProductHead(11), width=4, num_items=11)


class ForgetsTheBias(FullSoftmax):
    def forward(self, vectors, table, head, targets):
        scores = (vectors * table[targets.item]).sum(1)
        return ((vectors @ table.T).logsumexp(1) - scores) @ targets.weight


class CountsTheFirstItemTwice(FullSoftmax):
    def forward(self, vectors, table, head, targets):
        scores = head(vectors, torch.cat([table, table[:1]])[: len(table)])
        every = torch.cat([scores, scores[:, :1]], dim=1)
        return (every.logsumexp(1) - head.score_of(vectors, table, targets.item)) @ targets.weight

    reference = forward


class FlipsTheSign(SampledSoftmax):
    def offset(self, negatives: Negatives) -> Tensor:
        return negatives.drawn.log() + negatives.expected.log()


class CountsAnItemOnceHoweverOftenDrawn(SampledSoftmax):
    def offset(self, negatives: Negatives) -> Tensor:
        return -negatives.expected.log()


class TakesChancesFromTheBatch(SampledSoftmax):
    def offset(self, negatives: Negatives) -> Tensor:
        return negatives.drawn.log() - negatives.drawn.log()


class KeepsHits(SampledSoftmax):
    def place_left_out(self, negatives: Negatives, targets: Targets) -> Tensor:
        return torch.full_like(targets.item, -1)


class CorrectsThePositive(SampledSoftmax):
    """By the chance of being drawn; such a loss wants rare items more than it should."""

    def against(self, negatives, vectors, table, head, targets):
        lift = (self.item_counts / self.item_counts.sum()).log()
        given = negatives, vectors, table, _Lifted(head, lift), targets
        return super().against(*given)

    def against_plainly(self, negatives, vectors, table, head, targets):
        lift = (self.item_counts / self.item_counts.sum()).log()
        given = negatives, vectors, table, _Lifted(head, lift), targets
        return super().against_plainly(*given)


class _Lifted(DotProductHead):
    """A head whose scores of one item per vector, and of no others, are lifted."""

    def __init__(self, head: DotProductHead, lift: Tensor) -> None:
        super().__init__(len(lift))
        self.bias = head.bias
        self.lift = lift
        self.items = torch.empty(0)

    def bias_of(self, items: Tensor) -> Tensor:
        self.items = items
        return super().bias_of(items)

    def compare_one(self, asked: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        return super().compare_one(asked, keys, bias) - self.lift[self.items]


class ForgetsTheOwnItem(PairwiseRanking):
    def against(self, negatives, vectors, table, head, targets):
        far = targets._replace(item=targets.item)
        scores = head.compare(vectors, table[negatives.item], head.bias_of(negatives.item))
        hit = head.score_of(vectors, table, far.item).unsqueeze(1)
        return (torch.nn.functional.softplus(scores - hit).mean(1)) @ targets.weight

    against_plainly = against


class ForgetsThePositive(CrossEntropy):
    def parts(self, hit: Tensor, num: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        base, counts, rest = super().parts(hit, num)
        return base, counts, rest * 0


class PrefersEarlyItems(PairLoss):
    kind = "early"

    def parts(self, hit: Tensor, num: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return hit, 1 / num, torch.zeros_like(hit)

    def against(self, negatives, vectors, table, head, targets):
        given = negatives, vectors, table, head, targets
        return super().against(*given) + targets.item.double() @ targets.weight


def test_a_forgotten_bias_is_caught() -> None:
    broken(ForgetsTheBias(), "loss and reference differ")


def test_an_item_counted_twice_is_caught() -> None:
    broken(CountsTheFirstItemTwice(), "reordering the items differ")


def test_a_correction_of_the_wrong_sign_is_caught() -> None:
    broken(FlipsTheSign(COUNTS, num_negatives=6), "the mean over 3,000 draws of the sum must be")


@pytest.mark.parametrize("negatives", ["uniform", "in_batch", "mixed"])
def test_an_item_counted_once_however_often_drawn_is_caught(negatives: str) -> None:
    loss = CountsAnItemOnceHoweverOftenDrawn(COUNTS, negatives, num_negatives=9)
    broken(loss, "the mean over 3,000 draws of the sum must be")


def test_chances_taken_from_the_batch_itself_are_caught() -> None:
    loss = TakesChancesFromTheBatch(COUNTS, "in_batch", num_negatives=30)
    broken(loss, "the mean over 3,000 draws of the sum must be")


def test_a_hit_among_the_negatives_is_caught() -> None:
    broken(KeepsHits(COUNTS, num_negatives=6), "against all and full softmax differ")


def test_a_correction_of_the_positive_is_caught() -> None:
    broken(CorrectsThePositive(COUNTS, num_negatives=6), "differ by")


def test_a_pair_of_an_item_with_itself_is_caught() -> None:
    broken(ForgetsTheOwnItem(6), "BPR against all and the mean over pairs differ")


def test_a_forgotten_positive_is_caught() -> None:
    broken(ForgetsThePositive(11, 6), "gBCE against all and binary cross-entropy differ")


def test_a_liking_for_early_items_is_caught() -> None:
    broken(PrefersEarlyItems(6), "loss and reference differ")
