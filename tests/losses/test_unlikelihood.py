"""What is refused comes down, and nothing else is pulled up."""

from __future__ import annotations

import pytest
import torch

from penchant.heads import DotProductHead
from penchant.losses import unlikelihood as module
from penchant.losses.unlikelihood import unlikelihood

ITEMS = torch.tensor([2, 0, 2])
WEIGHT = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)


def parts() -> tuple[torch.Tensor, torch.Tensor, DotProductHead]:
    draw = torch.Generator().manual_seed(3)
    head = DotProductHead(5).double()
    with torch.no_grad():
        head.bias.copy_(torch.randn(5, generator=draw, dtype=torch.float64))
    vectors = torch.randn(3, 4, generator=draw, dtype=torch.float64, requires_grad=True)
    table = torch.randn(5, 4, generator=draw, dtype=torch.float64, requires_grad=True)
    return vectors, table, head


@pytest.mark.parametrize("block", [1, 10, 1_000])
def test_the_loss_is_minus_the_log_of_what_is_left_to_others(monkeypatch, block: int) -> None:
    monkeypatch.setattr(module, "BLOCK_SCORES", block)
    vectors, table, head = parts()
    share = head(vectors, table).softmax(1).gather(1, ITEMS[:, None]).squeeze(1)
    wanted = -(1 - share).log() @ WEIGHT
    torch.testing.assert_close(unlikelihood(vectors, table, head, ITEMS, WEIGHT), wanted)


def test_the_gradient_reaches_the_refused_items_alone() -> None:
    vectors, table, head = parts()
    by_table, by_bias = torch.autograd.grad(
        unlikelihood(vectors, table, head, ITEMS, WEIGHT), (table, head.bias)
    )
    share = head(vectors, table).softmax(1).gather(1, ITEMS[:, None]).squeeze(1).detach()
    assert by_bias[[1, 3, 4]].tolist() == [0, 0, 0]
    torch.testing.assert_close(by_bias[0], share[1] * 2.0)
    torch.testing.assert_close(by_bias[2], share[0] * 0.5 + share[2] * 1.0)
    torch.testing.assert_close(by_table[0], share[1] * 2.0 * vectors[1].detach())


def test_a_score_that_is_far_ahead_stays_finite() -> None:
    head, vectors = DotProductHead(3), torch.tensor([[1.0]])
    found = unlikelihood(vectors, torch.tensor([[90.0], [-90.0], [0.0]]), head, *_first())
    assert found.item() == pytest.approx(90.0)


def _first() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([0]), torch.ones(1)
