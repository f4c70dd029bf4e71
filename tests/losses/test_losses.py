"""Losses in blocks equal losses written out, and hold no events × items."""

from __future__ import annotations

import pytest
import torch

import penchant.losses.partition as partition
from penchant.errors import ConfigError
from penchant.heads import BinaryHead, DotProductHead
from penchant.losses import InterestLoss, Targets, log_partition, losses, running_mean
from penchant.packed import offsets_of
from penchant.testing import LawBroken, check_loss


@pytest.mark.parametrize("block_scores", [1, 40, 10**6])
def test_full_softmax_obeys_its_laws_whatever_the_block(
    block_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "BLOCK_SCORES", block_scores)
    check_loss(losses.build("full_softmax", {}), DotProductHead(19), width=5, num_items=19)


def test_binary_loss_obeys_its_laws() -> None:
    check_loss(losses.build("binary", {}), BinaryHead(19), width=5, num_items=19)


def test_the_law_of_losses_catches_a_loss_that_forgets_the_bias() -> None:
    faulty = losses.build("full_softmax", {})
    faulty.forward = lambda vectors, table, head, targets: (
        (  # type: ignore[method-assign]
            (vectors @ table.T).logsumexp(1) - (vectors * table[targets.item]).sum(1)
        )
        @ targets.weight
    )
    with pytest.raises(LawBroken, match="loss and reference differ"):
        check_loss(faulty, DotProductHead(19), width=5, num_items=19)


def test_a_uniform_model_pays_the_logarithm_of_the_catalogue() -> None:
    vectors, table = torch.zeros(3, 4), torch.randn(8, 4)
    targets = Targets(torch.tensor([0, 5, 2]), torch.ones(3), torch.tensor([1.0, 2.0, 0.5]))
    loss = losses.build("full_softmax", {})(vectors, table, DotProductHead(8), targets)
    assert loss.item() == pytest.approx((1 + 2 + 0.5) * torch.tensor(8.0).log().item())


def test_the_partition_never_holds_targets_times_items() -> None:
    held = []
    original = torch.Tensor.new_empty
    queries, table = torch.randn(5_000, 2), torch.randn(3_000, 2)
    torch.Tensor.new_empty = lambda self, *size: held.append(size) or original(self, *size)  # type: ignore[assignment,func-returns-value]
    try:
        log_partition(queries, table, torch.zeros(3_000), torch.ones(5_000))
    finally:
        torch.Tensor.new_empty = original  # type: ignore[method-assign]
    assert held
    assert all(rows * columns <= partition.BLOCK_SCORES for rows, columns in held)


def test_the_interest_loss_equals_the_double_sum_over_the_past() -> None:
    draw = torch.Generator().manual_seed(6)
    lengths, items = [4, 1, 3], torch.tensor([2, 0, 2, 5, 1, 4, 4, 0])
    table = torch.randn(6, 3, generator=draw, dtype=torch.float64)
    attended = torch.randn(8, 3, generator=draw, dtype=torch.float64)
    loss = InterestLoss(3).double()
    torch.nn.init.normal_(loss.project.weight)
    scores = (loss.project(attended) @ table.T).log_softmax(1)
    wanted, start = torch.zeros(()), 0
    for length in lengths:
        for row in range(start, start + length):
            past = items[start : row + 1]
            wanted = wanted - sum(scores[row, item] for item in past) / len(past)
        start += length
    past_mean = running_mean(table[items], offsets_of(torch.tensor(lengths)))
    weight = torch.ones(8, dtype=torch.float64)
    for form in (loss, loss.reference):
        assert form(attended, past_mean, table, weight).item() == pytest.approx(
            wanted.item(), abs=1e-9
        )


def test_the_binary_loss_refuses_a_head_without_probabilities() -> None:
    targets = Targets(torch.tensor([0]), torch.ones(1), torch.ones(1))
    with pytest.raises(ConfigError, match=r'needs a head with probabilities but the head is "dot"'):
        losses.build("binary", {})(torch.zeros(1, 2), torch.zeros(3, 2), DotProductHead(3), targets)
