"""Attentions start as their docstrings say and refuse what cannot be."""

from __future__ import annotations

import math

import pytest
import torch

from penchant.errors import ConfigError
from penchant.interest import attentions
from penchant.packed import PackedVectors


def events(gaps_ms: list[int], width: int = 4) -> PackedVectors:
    size = len(gaps_ms)
    x = torch.randn(size, width, generator=torch.Generator().manual_seed(1))
    first = torch.zeros(size, dtype=torch.bool)
    return PackedVectors(x, torch.tensor(gaps_ms), first, torch.tensor([0, size]))


def test_one_head_starts_with_a_half_life_of_sixteen_events() -> None:
    attention = attentions.build("dot", {}, width=4)
    assert attention.fade(events([0, 0])).flatten().tolist() == pytest.approx(
        [math.log(2) / 16] * 2
    )


def test_time_weakens_by_days_and_an_unknown_gap_by_nothing() -> None:
    attention = attentions.build("additive", {"decay": "time"}, width=4)
    fade = attention.fade(events([-1, 0, 86_400_000, 10 * 365 * 86_400_000])).flatten()
    assert fade[:2].tolist() == [0.0, 0.0]
    assert fade[2] > 0
    assert fade[3] == 30.0  # bounded: a gap of ten years is no more than forgetting


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"width must be a multiple of num_heads but 8 is none of 3"
    ):
        attentions.build("multi_head", {"num_heads": 3}, width=8)


def test_an_unknown_decay_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'no value "events"\. Did you mean event\?'):
        attentions.build("dot", {"decay": "events"}, width=8)
