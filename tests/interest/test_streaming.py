"""The running sum equals attention written out, whatever the scores, gaps and lengths."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from penchant.interest import RunningSum, advance, empty_sum, scan
from penchant.packed import offsets_of, owner_of


def written_out(score: Tensor, value: Tensor, decay: Tensor, offsets: Tensor) -> Tensor:
    """Return softmax attention over every prefix of every user, row by row, in double."""
    score, value, decay = score.double(), value.double(), decay.double()
    rows = []
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        for last in range(start, end):
            clock = decay[start : last + 1].cumsum(0)
            weight = torch.softmax(score[start : last + 1] - (clock[-1] - clock), dim=0)
            rows.append((weight.unsqueeze(-1) * value[start : last + 1]).sum(0))
    return torch.stack(rows)


def attend(score: Tensor, value: Tensor, decay: Tensor, offsets: Tensor) -> Tensor:
    user = owner_of(offsets, len(score))
    state = empty_sum(value, len(offsets) - 1, *value.shape[1:])
    return scan(score, value, decay, user, offsets, state).mean()


@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=6).filter(lambda n: sum(n) > 0),
    spread=st.sampled_from([0.1, 1.0, 100.0]),
    seed=st.integers(0, 1_000),
)
def test_scan_equals_attention_written_out(lengths: list[int], spread: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    offsets = offsets_of(torch.tensor(lengths))
    size = sum(lengths)
    score = (torch.rand(size, 2, generator=draw, dtype=torch.float64) * 2 - 1) * spread
    value = torch.randn(size, 2, 3, generator=draw, dtype=torch.float64)
    decay = torch.rand(size, 2, generator=draw, dtype=torch.float64) * 0.3
    found = attend(score, value, decay, offsets)
    torch.testing.assert_close(
        found, written_out(score, value, decay, offsets), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("decayed", [False, True])
def test_ten_thousand_events_with_scores_up_to_100_stay_exact_in_float32(decayed: bool) -> None:
    draw = torch.Generator().manual_seed(5)
    score = torch.rand(10_000, 1, generator=draw) * 200 - 100
    value = torch.randn(10_000, 1, 2, generator=draw)
    decay = torch.full((10_000, 1), 0.05 if decayed else 0.0)
    found = attend(score, value, decay, torch.tensor([0, 10_000]))
    assert found.isfinite().all()
    for last in (0, 31, 32, 999, 9_999):
        clock = decay[: last + 1].double().cumsum(0)
        weight = torch.softmax(score[: last + 1].double() - (clock[-1] - clock), dim=0)
        wanted = (weight.unsqueeze(-1) * value[: last + 1].double()).sum(0)
        torch.testing.assert_close(found[last].double(), wanted, rtol=0, atol=2e-4)


def test_a_low_prefix_before_a_high_score_does_not_underflow() -> None:
    score = torch.tensor([[-100.0], [-100.0], [100.0]])
    value = torch.tensor([[[1.0]], [[3.0]], [[7.0]]])
    found = attend(score, value, torch.zeros(3, 1), torch.tensor([0, 3]))
    assert found.flatten().tolist() == [1.0, (1 + 3) / 2, 7.0]


def test_a_gap_forgets_by_its_length_and_no_gap_forgets_nothing() -> None:
    value = torch.tensor([[[0.0]], [[1.0]]])
    for decay in (0.0, 0.7, 30.0):
        steps = torch.tensor([[0.0], [decay]])
        found = attend(torch.zeros(2, 1), value, steps, torch.tensor([0, 2]))
        assert found[1].item() == pytest.approx(1 / (1 + math.exp(-decay)), abs=1e-6)


def test_advancing_equals_scanning_from_a_carried_sum() -> None:
    draw = torch.Generator().manual_seed(2)
    carried = RunningSum(
        torch.randn(2, 1, generator=draw),
        torch.rand(2, 1, generator=draw) + 1,
        torch.randn(2, 1, 3, generator=draw),
    )
    score, value = torch.randn(2, 1, generator=draw), torch.randn(2, 1, 3, generator=draw)
    decay = torch.tensor([[0.4], [2.0]])
    stepped = advance(carried, score, value, decay).mean()
    scanned = scan(score, value, decay, torch.arange(2), torch.arange(3), carried).mean()
    torch.testing.assert_close(stepped, scanned)


def test_gradients_of_the_scan_are_those_of_attention_written_out() -> None:
    draw = torch.Generator().manual_seed(3)
    offsets = torch.tensor([0, 40, 47])
    parts = [
        torch.randn(47, 2, generator=draw, dtype=torch.float64),
        torch.randn(47, 2, 3, generator=draw, dtype=torch.float64),
        torch.rand(47, 2, generator=draw, dtype=torch.float64),
    ]
    leaves = [part.requires_grad_() for part in parts]
    weight = torch.randn(47, 2, 3, generator=draw, dtype=torch.float64)
    found = torch.autograd.grad((attend(*leaves, offsets) * weight).sum(), leaves)
    wanted = torch.autograd.grad((written_out(*leaves, offsets) * weight).sum(), leaves)
    for left, right in zip(found, wanted, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)
