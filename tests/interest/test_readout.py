"""The readout starts as the plain sequence model and looks at time only when told to."""

from __future__ import annotations

import pytest
import torch

from penchant.errors import ConfigError
from penchant.interest import Readout
from penchant.packed import NO_TIME


def parts(rows: int = 3, width: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    return torch.randn(rows, width, generator=draw), torch.randn(rows, width, generator=draw)


def test_a_new_readout_gives_the_hidden_vector() -> None:
    attended, hidden = parts()
    readout = Readout(4).eval()
    torch.testing.assert_close(readout(attended, hidden, torch.tensor([0, -1, 9])), hidden)


def test_time_of_asking_counts_only_when_it_is_switched_on() -> None:
    attended, hidden = parts()
    early, late = torch.tensor([0, 0, 0]), torch.tensor([10**9, 10**9, 10**9])
    for query_time in (False, True):
        readout = Readout(4, query_time=query_time).eval()
        for parameter in readout.parameters():
            torch.nn.init.normal_(parameter)
        same = torch.equal(readout(attended, hidden, early), readout(attended, hidden, late))
        assert same is not query_time


@pytest.mark.parametrize("looks", [True, False])
def test_the_hour_of_asking_counts_only_when_the_calendar_is_switched_on(looks: bool) -> None:
    attended, hidden = parts()
    readout = Readout(4, query_time=False, query_calendar=looks).eval()
    for parameter in readout.parameters():
        torch.nn.init.normal_(parameter)
    elapsed = torch.tensor([9, 9, 9])
    at_seven, at_eight = (torch.full((3,), hour * 3_600_000) for hour in (7, 8))
    seven, eight = (readout(attended, hidden, elapsed, at_ms) for at_ms in (at_seven, at_eight))
    assert torch.equal(seven, eight) is not looks
    unknown = readout(attended, hidden, elapsed, torch.full((3,), NO_TIME))
    assert torch.equal(readout(attended, hidden, elapsed), unknown)
    assert torch.equal(unknown, seven) is not looks


def test_a_readout_tells_whether_it_depends_on_the_time_of_asking() -> None:
    assert Readout(4).depends_on_time
    assert Readout(4, query_time=False, query_calendar=True).depends_on_time
    assert not Readout(4, query_time=False).depends_on_time
    assert not Readout(4, hidden_factor=0).depends_on_time  # there is nothing that reads it


def test_a_calendar_that_no_layer_reads_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"query_calendar needs .* readout\.hidden_factor is 0"):
        Readout(4, hidden_factor=0, query_calendar=True)
