"""The expected value starts at the mean, and errors count in standard deviations."""

from __future__ import annotations

import math

import pytest
import torch

from penchant.interest import ValueReadout

NAN = float("nan")


def parts(rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    return torch.randn(rows, 4, generator=draw), torch.randn(rows, 4, generator=draw)


def test_before_training_the_mean_is_expected() -> None:
    readout = ValueReadout(4)
    readout.fit(torch.tensor([1.0, NAN, 5.0]))
    assert readout(*parts()).tolist() == [3, 3, 3]


def test_errors_are_in_standard_deviations_and_a_missing_value_has_none() -> None:
    readout = ValueReadout(4)
    readout.fit(torch.tensor([1.0, NAN, 5.0]))  # mean 3, spread 2
    found = readout.squared_error(*parts(), torch.tensor([7.0, NAN, 2.0]))
    assert found.tolist() == [((7 - 3) / 2) ** 2, 0, ((2 - 3) / 2) ** 2]


def test_logarithms_are_taken_and_taken_back() -> None:
    readout = ValueReadout(4, log_value=True)
    readout.fit(torch.tensor([math.e - 1, math.e**3 - 1]))  # logs 1 and 3: mean 2, spread 1
    assert readout(*parts()).tolist() == pytest.approx([math.e**2 - 1] * 3)
    value = torch.tensor([math.e**2 - 1, 0.0, math.e**5 - 1])
    found = readout.squared_error(*parts(), value)
    assert found.tolist() == pytest.approx([0, 4, 9], abs=1e-5)


def test_the_value_depends_on_the_interest_and_on_the_item() -> None:
    readout = ValueReadout(4)
    torch.nn.init.normal_(readout.narrow.weight)
    vectors, items = parts()
    found = readout(vectors, items)
    assert len(set(found.tolist())) == 3
    assert not torch.allclose(readout(vectors, items.flip(0)), found)
    assert not torch.allclose(readout(vectors.flip(0), items), found)
