"""Dropout: the share that is dropped, the mean that stays, gradients, reproducibility."""

from __future__ import annotations

import pytest
import torch

from penchant.dropout import dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_is_the_rate_and_the_mean_stays(rate):
    torch.manual_seed(0)
    x = torch.ones(401, 503)
    y = dropout(x, rate, training=True)
    dropped = round(rate * 256) / 256
    # Five standard errors of 200,000 draws.
    assert (y == 0).float().mean().item() == pytest.approx(dropped, abs=5 * 0.5 / 200_000**0.5)
    assert y.max().item() == pytest.approx(1 / (1 - dropped))


def test_elements_are_dropped_independently():
    torch.manual_seed(1)
    is_kept = (dropout(torch.ones(80_000, 8), 0.5, training=True) > 0).double()
    correlation = torch.corrcoef(is_kept.T) - torch.eye(8)
    assert correlation.abs().max() < 5 / 80_000**0.5


def test_gradient_passes_where_elements_passed():
    torch.manual_seed(2)
    x = torch.randn(7, 13, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y.detach() != 0).double() * (256 / 192))


def test_same_seed_drops_the_same():
    x = torch.randn(31, 3)
    torch.manual_seed(3)
    one = dropout(x, 0.5, training=True)
    torch.manual_seed(3)
    assert torch.equal(one, dropout(x, 0.5, training=True))


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero():
    x = torch.randn(5, 2)
    assert dropout(x, 0.9, training=False) is x
    assert dropout(x, 0.0, training=True) is x
