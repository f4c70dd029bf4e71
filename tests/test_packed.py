"""Packed histories keep users apart and refuse lengths that do not fit."""

from __future__ import annotations

import pytest
import torch

from penchant.errors import ShapeError
from penchant.packed import PackedEvents


def test_offsets_that_do_not_end_at_the_events_are_refused() -> None:
    three = torch.arange(3)
    with pytest.raises(ShapeError, match=r"end at the number of events \(3\) but end at 2"):
        PackedEvents(three, three, three.float(), three, three[:, None], torch.tensor([0, 2]))


def test_a_column_of_another_length_is_refused() -> None:
    three = torch.arange(3)
    with pytest.raises(ShapeError, match=r"value must have one row per event \(3\) but has 2"):
        PackedEvents(three, three, three[:2].float(), three, three[:, None], torch.tensor([0, 3]))


def test_times_that_do_not_match_the_items_name_the_user() -> None:
    with pytest.raises(ShapeError, match=r"user 1 has 2 items and 1 times_ms"):
        PackedEvents.from_lists([[5], [1, 2]], times_ms=[[9], [3]])


def test_splitting_and_joining_gives_the_same_rows() -> None:
    events = PackedEvents.from_lists([[4, 2, 2], [], [7, 1]], times_ms=[[1, 2, 3], [], [8, 9]])
    head, tail = events.split(torch.tensor([1, 0, 2]))
    assert head.item_index.tolist() == [4, 7, 1]
    assert tail.item_index.tolist() == [2, 2]
    assert tail.time_ms.tolist() == [2, 3]
    assert tail.lengths.tolist() == [2, 0, 0]
