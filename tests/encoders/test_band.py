"""Packed rows as dense groups and blocks: nothing is lost, moved or seen that should not be."""

from __future__ import annotations

import pytest
import torch

from penchant.encoders.band import SPARE_ROWS, Band, Group, dense_rows
from penchant.packed import offsets_of

HISTORIES = [[3, 0, 41, 1, 3, 80], [7], [5, 5, 5], [0, 0], [9, 8, 8, 2], [30, 1, 90]]


@pytest.mark.parametrize("lengths", HISTORIES)
def test_rows_that_enter_and_leave_are_the_same(lengths: list[int]) -> None:
    rows = dense_rows(offsets_of(torch.tensor(lengths)))
    x = torch.arange(sum(lengths)) * 3 + 1
    dense = rows.enter(x)
    assert len(dense) == sum(rows.sizes)
    assert torch.equal(rows.leave(dense), x)


def test_equal_lengths_in_order_are_not_moved_at_all() -> None:
    rows = dense_rows(torch.tensor([0, 90, 180, 220, 230]))
    assert rows.groups == [Group(2, 90), Group(1, 40), Group(1, 10)]
    assert rows.source is None
    assert rows.place is None


def test_lengths_that_differ_little_share_a_group_and_padding_repeats_the_last_row() -> None:
    rows = dense_rows(torch.tensor([0, 2, 5]))
    assert rows.groups == [Group(2, 3)]
    assert rows.source is not None
    assert rows.source.tolist() == [2, 3, 4, 0, 1, 1]


def test_a_group_holds_no_more_padding_than_it_may() -> None:
    lengths = torch.randint(1, 60, (500,), generator=torch.Generator().manual_seed(3))
    rows = dense_rows(offsets_of(lengths))
    assert sum(rows.sizes) - int(lengths.sum()) <= SPARE_ROWS * len(rows.groups)
    assert len(rows.groups) < 60


@pytest.mark.parametrize(("length", "window"), [(5, 5), (6, 5), (50, 7), (33, 16), (100, 40)])
def test_every_query_sees_its_own_window_and_nothing_else(length: int, window: int) -> None:
    band = Band.of(length, window)
    place = torch.arange(length).view(1, length, 1, 1)
    query, key = band.queries(place + 1), band.keys(place + 1)  # padding is 0
    visible = band.visible(torch.device("cpu"))[:, None, None]
    seen = torch.where(visible, key.transpose(-1, -2), 0).expand(*query.shape[:-1], -1)
    rows = band.rows(seen)[0, :, 0]  # (T, K)
    for age, row in enumerate(rows.tolist()):
        first = max(age - window + 1, 0)
        assert sorted(set(row) - {0}) == list(range(first + 1, age + 2))


def test_a_long_history_is_cut_into_blocks_and_a_short_one_is_not() -> None:
    assert Band.of(1_000, 200).num_blocks == 1_000 // 50
    assert Band.of(200, 200).num_blocks == 1
