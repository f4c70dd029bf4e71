"""The first five policies: what each leaves out, in their order, and what is counted for which."""

import numpy as np
import pytest

from penchant.policies import Context, Happened, ItemColumns, Shown, parse_filter

from .world import DAY_MS, ITEMS, NOW_MS, arranger


def eligible(arranging, **asked):
    return arranging.eligible(Context(4, NOW_MS, **asked))


def items(found):
    return np.flatnonzero(found.mask()).tolist()


def test_what_is_unavailable_or_hidden_is_in_no_list():
    columns = ItemColumns.of(ITEMS)
    columns.hide(1)
    found = eligible(arranger(columns))
    assert items(found) == [0, 2, 3, 4, 5, 6]
    assert found.cut == {"availability": 2, "seen": 0, "lists": 0, "filters": 0, "impressions": 0}
    assert [found.left_out_by(item) for item in (0, 1, 7)] == [None, "availability", "availability"]
    without = arranger(columns, availability={"hide_unavailable": False})
    assert items(eligible(without)) == [0, 2, 3, 4, 5, 6, 7]
    columns.hide(1, hidden=False)
    assert items(eligible(without)) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_seen_items_are_left_out_unless_policies_or_request_say_otherwise():
    seen = np.array([4, 0, 7, 0])
    found = eligible(arranger(), seen=seen)
    assert items(found) == [1, 2, 3, 5, 6]
    assert found.cut["availability"] == 1  # 7, which is also seen
    assert found.cut["seen"] == 2
    assert found.excluded.tolist() == [0, 4]
    allowing = arranger(seen={"exclude": False})
    assert items(eligible(allowing, seen=seen)) == [0, 1, 2, 3, 4, 5, 6]
    assert items(eligible(allowing, seen=seen, exclude_seen=True)) == [1, 2, 3, 5, 6]
    assert items(eligible(arranger(), seen=seen, exclude_seen=False)) == [0, 1, 2, 3, 4, 5, 6]


def test_what_was_bought_of_late_is_left_out_whatever_counts_as_seen():
    rule = {"event_types": ["buy", "rent"], "days": 30}
    history = Happened(
        np.array([3, 3, 5, 6, 1, -1]),
        NOW_MS - DAY_MS * np.array([40, 29, 31, 1, 2, 1]),
        np.array([1, 1, 1, 0, 2, 1]),
        ("view", "buy", "rent"),
    )
    bought = arranger(seen={"exclude": False, "recent": [rule]})
    assert items(eligible(bought, history=history)) == [0, 2, 4, 5, 6]
    assert items(eligible(bought, history=history, exclude_seen=False)) == [0, 2, 4, 5, 6]
    assert items(eligible(bought)) == [0, 1, 2, 3, 4, 5, 6]


def test_allowed_are_those_that_policies_and_request_both_allow_and_neither_denies():
    arranging = arranger(lists={"allow": ["i5", "i2", "i0", "i1", "none"], "deny": ["i1", "i9"]})
    assert items(eligible(arranging)) == [0, 2, 5]
    asked = {"allow": np.array([6, 1, 2, 5]), "deny": np.array([5])}
    found = eligible(arranging, **asked)
    assert items(found) == [2]
    assert found.cut["lists"] == 6  # all but 2, and 7, which is not available


def test_filters_of_policies_and_request_both_hold():
    arranging = arranger(filter={"field": "price", "op": "lt", "value": 10})
    blue = parse_filter({"field": "category", "op": "eq", "value": "blue"})
    assert items(eligible(arranging)) == [0, 2, 3, 5, 6]
    found = eligible(arranging, filter=blue)
    assert items(found) == [2, 3, 5]
    assert found.cut["filters"] == 4  # 0, 1, 4, 6
    assert items(eligible(arranging)) == [0, 2, 3, 5, 6]


def test_items_shown_too_often_since_the_last_click_are_left_out():
    arranging = arranger(impressions={"max_without_click": 2, "days": 10, "click_types": ["click"]})
    shown = Shown(
        np.array([0, 0, 1, 1, 1, 2, 2, 3, 4, 4]),
        NOW_MS - DAY_MS * np.array([3, 1, 9, 5, 2, 11, 1, 1, 2, 1]),
    )
    history = Happened(
        np.array([1, 4, 0, 6]),
        NOW_MS - DAY_MS * np.array([5, 1, 2, 1]),
        np.array([1, 1, 0, 1]),
        ("view", "click"),
    )
    # 0 is shown twice and only viewed; 1 once after its click; 2 once in ten days; 4 is clicked
    found = eligible(arranging, shown=shown, history=history)
    assert items(found) == [1, 2, 3, 4, 5, 6]
    assert found.cut["impressions"] == 1
    any_event = arranger(impressions={"max_without_click": 2, "days": 10})
    assert items(eligible(any_event, shown=shown, history=history)) == [0, 1, 2, 3, 4, 5, 6]
    assert items(eligible(any_event, shown=shown)) == [2, 3, 5, 6]
    assert items(eligible(arranger(), shown=shown)) == [0, 1, 2, 3, 4, 5, 6]


def test_an_item_counts_for_the_first_policy_that_leaves_it_out():
    arranging = arranger(
        lists={"deny": ["i7", "i1", "i2", "i3"]},
        filter={"field": "category", "op": "ne", "value": "red"},
        impressions={"max_without_click": 1},
    )
    found = eligible(
        arranging, seen=np.array([7, 1]), shown=Shown(np.array([1, 2, 0, 4, 7]), np.full(5, NOW_MS))
    )
    assert [found.left_out_by(item) for item in range(8)] == [
        "filters",
        "seen",
        "lists",
        "lists",
        "impressions",
        None,
        None,
        "availability",
    ]
    assert list(found.cut.values()) == [1, 1, 2, 1, 1]
    assert found.num_eligible == 2
    assert found.allows(np.array([6, 4, 5, 7])).tolist() == [True, False, True, False]


def test_every_change_of_an_item_counts_at_the_next_asking():
    columns = ItemColumns.of(ITEMS)
    arranging = arranger(
        columns, filter={"field": "price", "op": "lt", "value": 4}, lists={"deny": ["i9"]}
    )
    assert items(eligible(arranging)) == [3, 6]
    columns.put(0, {"price": 1})
    assert items(eligible(arranging)) == [0, 3, 6]
    columns.put(3, {"price": 1, "available": "false"})
    assert items(eligible(arranging)) == [0, 6]
    columns.hide(6)
    assert items(eligible(arranging)) == [0]
    columns.put(8, {"price": 2})
    columns.put(9, {"price": 2})
    assert items(eligible(arranging)) == [0, 8]


def test_an_item_that_came_after_the_asking_is_not_eligible():
    columns = ItemColumns.of(ITEMS)
    found = eligible(arranger(columns))
    columns.put(8, {})
    assert found.allows(np.array([0, 8])).tolist() == [True, False]
    assert eligible(arranger(ItemColumns())).allows(np.array([3])).tolist() == [False]


def test_what_holds_for_everybody_is_worked_out_once_and_cannot_be_written_to():
    arranging = arranger()
    first, second = eligible(arranging), eligible(arranging, seen=np.array([2]))
    assert first.shelf is second.shelf
    with pytest.raises(ValueError, match="read-only"):
        first.shelf.stage[0] = 1


def test_more_filters_than_are_kept_are_answered_as_well():
    arranging = arranger()
    for price in [*range(40), 0, 39]:
        asked = parse_filter({"field": "price", "op": "ge", "value": price})
        dear = [item for item in range(7) if ITEMS[item]["price"] >= price]
        assert items(eligible(arranging, filter=asked)) == dear
