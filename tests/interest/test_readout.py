"""The readout starts as the plain sequence model and looks at time only when told to."""

from __future__ import annotations

import torch

from penchant.interest import ElapsedTime, Readout, elapsed_bucket


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


def test_gaps_beyond_the_trained_range_are_read_as_the_longest_trained() -> None:
    elapsed = ElapsedTime(2)
    torch.nn.init.normal_(elapsed.vectors.weight)
    elapsed.fit_range(torch.tensor([-1, 5_000, 60_000]))
    found = elapsed(torch.tensor([60_000, 10**12, 0, 5_000, -1]))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[2], found[3])
    assert not torch.equal(found[4], found[3])  # unknown is a bucket of its own


def test_buckets_rise_with_the_gap() -> None:
    gaps = torch.logspace(0, 12, 60, dtype=torch.float64).long()
    assert (elapsed_bucket(gaps).diff() >= 0).all()
