"""One item and the whole table give the same vectors; events add what they carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from penchant.items import (
    BehaviourInput,
    FeatureItems,
    FeatureTable,
    IdentityItems,
    ItemEncoder,
    ItemRows,
    whole,
)
from penchant.packed import NO_TIME, PackedEvents
from penchant.testing import LawBroken, check_items


@dataclass
class Attributes:
    categorical: np.ndarray
    cardinalities: tuple[int, ...]
    numeric: np.ndarray
    bag_index: np.ndarray
    bag_offsets: np.ndarray
    bag_size: int


def attributes(bag_size: int = 4) -> FeatureTable:
    return FeatureTable(
        Attributes(
            np.array([[1, 0], [2, 1], [0, 1]]),
            (3, 2),
            np.array([[0.5], [-1.0], [0.0]], dtype=np.float32),
            np.array([0, 3, 1]) if bag_size else np.array([], dtype=np.int64),
            np.array([0, 2, 2, 3]) if bag_size else np.array([0, 0, 0, 0]),
            bag_size,
        )
    )


@pytest.mark.parametrize(
    "items",
    [IdentityItems(7, 4), FeatureItems(3, 4, attributes()), FeatureItems(3, 4, attributes(0))],
)
def test_the_table_and_single_items_agree(items: ItemEncoder) -> None:
    check_items(items)


def test_rows_by_index_equal_rows_of_the_table_in_any_order_and_number() -> None:
    items = FeatureItems(3, 4, attributes())
    index = torch.tensor([2, 0, 2, 1, 0])
    torch.testing.assert_close(ItemRows(items)[index], items.table()[index])
    torch.testing.assert_close(whole(ItemRows(items)), items.table())
    assert len(ItemRows(items)) == 3


def test_rows_by_index_have_a_gradient_of_those_rows_alone_where_it_is_asked_for() -> None:
    items = IdentityItems(7, 2)
    items.refresh = lambda parameter, rows: None
    ItemRows(items)[torch.tensor([5, 1, 5])].sum().backward()
    gradient = items.vectors.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    assert gradient.coalesce().indices().tolist() == [[1, 5]]
    assert gradient.coalesce().values().tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_the_law_of_items_catches_a_shifted_table() -> None:
    items = IdentityItems(5, 3)
    items.table = lambda: items.vectors.weight.roll(1, dims=0)  # type: ignore[method-assign]
    with pytest.raises(LawBroken, match=r"table\(\)\[4\] and forward\(\[4\]\) differ"):
        check_items(items)


def test_a_bag_adds_the_mean_of_its_members_and_an_empty_bag_nothing() -> None:
    items = FeatureItems(3, 4, attributes())
    with torch.no_grad():
        for part in (*items.attributes.categories, items.attributes.numbers, items.vectors):
            part.weight.zero_()
    table = items.table()
    torch.testing.assert_close(
        table[0], (items.attributes.bag.weight[0] + items.attributes.bag.weight[3]) / 2
    )
    assert table[1].tolist() == [0.0] * 4


def test_values_count_relative_to_the_training_part_and_a_missing_one_is_no_zero() -> None:
    behaviour = BehaviourInput(2)
    behaviour.fit_values(torch.tensor([1.0, 3.0, float("nan")]))  # mean 2, spread 1
    with torch.no_grad():
        behaviour.value.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 10.0]]))  # type: ignore[union-attr]
    events = PackedEvents.from_lists([[0, 0, 0]], values=[[2.0, 5.0, float("nan")]])
    gaps = torch.tensor([-1, 0, 0])
    assert behaviour(torch.zeros(3, 2), events, gaps).tolist() == [[0, 0], [5.0 - 2, 0], [0, 10]]


def test_the_time_of_an_event_counts_as_gap_and_as_calendar_where_switched_on() -> None:
    behaviour = BehaviourInput(2, use_value=False, use_elapsed=True, use_calendar=True)
    six_days, gaps = 6 * 86_400_000, torch.tensor([-1, 0, 1_000])
    events = PackedEvents.from_lists([[0, 0, 0]], times_ms=[[NO_TIME, 0, six_days]])
    assert behaviour(torch.zeros(3, 2), events, gaps).tolist() == [[0, 0]] * 3
    with torch.no_grad():
        behaviour.elapsed.vectors.weight[[0, 1, 3], 0] = torch.tensor([1.0, 2.0, 4.0])
        behaviour.calendar.hours.weight[[0, 1], 1] = torch.tensor([8.0, 16.0])
        behaviour.calendar.weekdays.weight[[0, 3, 4], 1] = torch.tensor([32.0, 64.0, 128.0])
    found = behaviour(torch.zeros(3, 2), events, gaps).tolist()
    assert found == [[1, 8 + 32], [2, 16 + 128], [4, 16 + 64]]  # 1970 began on a Thursday


def test_one_kind_of_behaviour_needs_no_vector() -> None:
    assert BehaviourInput(2, num_event_types=1).types is None
    assert BehaviourInput(2, num_event_types=3).types is not None
