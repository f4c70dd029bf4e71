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
    for name in ("TILE_SCORES", "UNCUT_SCORES", "HELD_SCORES"):
        monkeypatch.setattr(partition, name, block_scores)
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
    assert held == [(partition.BLOCK_ROWS * 3_000,)]


def test_a_catalogue_too_large_for_a_block_of_many_rows_gets_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition, "HELD_SCORES", 100)
    rows, tiles = partition._tiling(torch.zeros(50, 2), torch.zeros(30, 2))
    assert (rows, tiles) == (3, [slice(0, 30)])


@pytest.mark.parametrize("spread", [1.0, 40.0])
def test_scores_far_apart_keep_a_hit_of_its_own_and_an_item_left_out(spread: float) -> None:
    draw = torch.Generator().manual_seed(4)
    queries, keys = torch.randn(7, 3, generator=draw) * spread, torch.randn(11, 3, generator=draw)
    bias, weight, hit = (torch.randn(size, generator=draw) for size in (11, 7, 7))
    left_out = torch.tensor([-1, 4, 0, 10, -1, 4, 2])
    leaves = [each.double().requires_grad_() for each in (queries, keys, bias, hit)]
    queries, keys, bias, hit = leaves
    scores = queries @ keys.T + bias
    kept = torch.arange(11) != left_out[:, None]
    every = torch.cat([hit[:, None], scores.masked_fill(~kept, -torch.inf)], dim=1)
    wanted = every.logsumexp(1) @ weight.double()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TILE_SCORES", "UNCUT_SCORES"):
            patch.setattr(partition, name, 14)
        found = log_partition(queries, keys, bias, weight.double(), hit, left_out)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)
    pairs = zip(
        torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True
    )
    for left, right in pairs:
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


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
