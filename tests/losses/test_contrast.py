"""Contrasts written out by hand, and by blocks of any size."""

from __future__ import annotations

import math

import pytest
import torch

from penchant.errors import ConfigError
from penchant.heads import unit
from penchant.losses import Contrast, blocks, partition

ITEMS = torch.tensor([4, 2, 4, 7, 2, 4, 9])
WEIGHT = torch.tensor([0.5, 1.0, 0.25, 2.0, 0.75, 1.5, 1.0], dtype=torch.float64)


def vectors(seed: int) -> torch.Tensor:
    drawn = torch.randn(7, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.requires_grad_()


def small_blocks(patch: pytest.MonkeyPatch, most: int) -> None:
    for name in ("TILE_SCORES", "UNCUT_SCORES", "HELD_SCORES"):
        patch.setattr(partition, name, most)
    patch.setattr(blocks, "BLOCK_CELLS", most)


@pytest.mark.parametrize("most", [1, 50, 10**6])
def test_partners_are_told_from_all_other_positions(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch, most)
    given = vectors(1)
    cosine = unit(given) @ unit(given).T / 0.3
    wanted = torch.zeros((), dtype=torch.float64)
    for row in range(7):
        partners = [other for other in range(7) if other != row and ITEMS[other] == ITEMS[row]]
        others = [other for other in range(7) if other != row]
        for partner in partners:
            share = cosine[row, partner] - cosine[row, others].logsumexp(0)
            wanted = wanted - WEIGHT[row] * share / len(partners)
    found = Contrast(0.3).same_target(given, ITEMS, WEIGHT)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-9)
    left, right = (torch.autograd.grad(value, given)[0] for value in (found, wanted))
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("most", [1, 50, 10**6])
def test_the_other_view_is_told_from_positions_with_other_targets(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(monkeypatch, most)
    one, other = vectors(1), vectors(2)
    cosine = unit(one) @ unit(other).T / 0.3
    wanted = torch.zeros((), dtype=torch.float64)
    for scores in (cosine, cosine.T):
        for row in range(7):
            rivals = [each for each in range(7) if each == row or ITEMS[each] != ITEMS[row]]
            share = scores[row, row] - scores[row, rivals].logsumexp(0)
            wanted = wanted - WEIGHT[row] * share / 2
    found = Contrast(0.3).two_views(one, other, ITEMS, WEIGHT)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-9)
    gradients = [torch.autograd.grad(value, (one, other)) for value in (found, wanted)]
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


def test_positions_without_partners_cost_nothing_and_keep_the_graph() -> None:
    given = vectors(1)
    found = Contrast().same_target(given, torch.arange(7), WEIGHT)
    assert found.item() == 0
    assert torch.autograd.grad(found, given)[0].abs().max() == 0


def test_alike_partners_among_opposites_cost_next_to_nothing() -> None:
    given = torch.tensor([[1.0, 0], [1.0, 0], [-1.0, 0], [-1.0, 0]])
    found = Contrast(0.1).same_target(given, torch.tensor([0, 0, 1, 1]), torch.ones(4))
    assert found.item() == pytest.approx(4 * math.log(1 + 2 * math.exp(-20)), abs=1e-4)


def test_a_temperature_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"contrast_temperature must be above 0 but is -1"):
        Contrast(-1)
