import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import InputError, UsageError
from penchant.events import CleaningOptions, StepRecord, clean, k_core
from penchant.events.cleaning import (
    duplicate_rows,
    repeat_rows,
    without_busy_users,
    without_duplicates,
)
from penchant.events.columns import complete

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)


def log(*rows: tuple[object, ...], names: str = "user_id item_id time_ms") -> pl.LazyFrame:
    return complete(pl.DataFrame(list(rows), schema=names.split(), orient="row"))


def orders(frame: pl.LazyFrame) -> list[int]:
    return frame.select("order").sort("order").collect().to_series().to_list()


NAMES = "user_id item_id time_ms event_type value"
MIXED = log(
    ("u", "a", 1, "view", 1.0),
    ("u", "a", 1, "view", 1.0),
    ("u", "b", 2, "buy", 5.0),
    ("v", "a", 3, "buy", None),
    ("u", "b", 4, "buy", 4.0),
    ("w", "c", 9, "view", 5.0),
    names=NAMES,
)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (CleaningOptions(), [0, 2, 3, 4, 5]),
        (CleaningOptions(drop_duplicates=False), [0, 1, 2, 3, 4, 5]),
        (CleaningOptions(event_types=["buy"]), [2, 3, 4]),
        (CleaningOptions(min_value=4), [2, 4, 5]),
        (CleaningOptions(max_user_events=2), [3, 5]),
        (CleaningOptions(drop_consecutive_repeats=True), [0, 2, 3, 5]),
        (CleaningOptions(min_user_events=2), [0, 2, 4]),
        (CleaningOptions(min_item_events=2), [0, 2, 3, 4]),
        (CleaningOptions(event_types=["buy"], min_value=5), [2]),
    ],
)
def test_each_step_keeps_what_it_says(options: CleaningOptions, kept: list[int]) -> None:
    cleaned, steps = clean(MIXED, options)
    assert orders(cleaned) == kept
    assert sum(step.num_dropped for step in steps) == 6 - len(kept)


def test_steps_are_counted_one_after_the_other() -> None:
    options = CleaningOptions(event_types=["buy", "view"], min_value=4, max_user_events=1)
    _, steps = clean(MIXED, options)
    assert [step.name for step in steps] == [
        "event type buy or view",
        "value of at least 4",
        "exact duplicates",
        "users with more than 1 events",
    ]
    assert steps[1] == StepRecord("value of at least 4", 3, 4, 6, 3, 3, 2, 3, 2)
    assert [step.num_dropped for step in steps] == [0, 3, 0, 2]
    assert steps[3].to_dict() == {
        "name": "users with more than 1 events",
        "num_dropped": 2,
        "setting": 1,
        "num_before": 3,
        "num_after": 1,
        "num_users_before": 2,
        "num_users_after": 1,
        "num_items_before": 2,
        "num_items_after": 1,
    }


def test_step_that_leaves_nothing_is_named() -> None:
    with pytest.raises(InputError, match=r"step: value of at least 9 \(it had 6 events\). Loosen"):
        clean(MIXED, CleaningOptions(min_value=9))
    with pytest.raises(InputError, match=r"event type like .*The log has: "):
        clean(MIXED, CleaningOptions(event_types=["like"]))


def test_limit_on_events_must_be_positive() -> None:
    with pytest.raises(UsageError, match="max_user_events must be 1 or more, not 0"):
        CleaningOptions(max_user_events=0)


def test_duplicates_must_agree_in_context_and_in_nulls_too() -> None:
    rows = [("u", "a", 1, None), ("u", "a", 1, "x"), ("u", "a", 1, None), ("u", "a", 1, "x")]
    frame = log(*rows, names="user_id item_id time_ms device")
    assert duplicate_rows(frame).to_list() == [2, 3]


@given(pairs)
def test_duplicates_are_those_of_a_plain_loop(rows: list[tuple[int, int]]) -> None:
    frame = log(*((str(user), str(item)) for user, item in rows), names="user_id item_id")
    first = [index for index, row in enumerate(rows) if row not in rows[:index]]
    assert orders(without_duplicates(frame)) == first


def test_repeats_are_consecutive_in_time_not_in_the_file() -> None:
    rows = [
        ("u", "a", 5),
        ("v", "a", 5),
        ("u", "b", 7),
        ("u", "a", 6),
        ("v", "b", 6),
        ("v", "b", 6),
    ]
    assert sorted(repeat_rows(log(*rows))) == [3, 5]


def test_repeats_follow_positions_where_the_log_is_ordered_by_them() -> None:
    rows = [("u", "a", 1, 2), ("u", "b", 2, 1), ("u", "a", 3, 3)]
    frame = log(*rows, names="user_id item_id time_ms position")
    assert repeat_rows(frame, "position").to_list() == [2]
    assert repeat_rows(frame).to_list() == []


@given(pairs, st.integers(0, 4))
def test_busy_users_go_with_all_their_events(rows: list[tuple[int, int]], most: int) -> None:
    frame = log(*((str(user), str(item)) for user, item in rows), names="user_id item_id")
    counts = np.bincount([user for user, _ in rows], minlength=7)
    kept = [index for index, (user, _) in enumerate(rows) if counts[user] <= most]
    assert orders(without_busy_users(frame, most)) == kept


@given(pairs, st.integers(0, 4), st.integers(0, 4))
def test_core_is_the_greatest_set_in_which_all_have_enough(
    rows: list[tuple[int, int]], fewest_of_user: int, fewest_of_item: int
) -> None:
    frame = log(*((str(user), str(item)) for user, item in rows), names="user_id item_id")
    core, step = k_core(frame, fewest_of_user, fewest_of_item)
    left = list(rows)
    while True:
        users = [user for user, _ in left]
        items = [item for _, item in left]
        bad = [
            row
            for row in left
            if users.count(row[0]) < fewest_of_user or items.count(row[1]) < fewest_of_item
        ]
        if not bad:
            break
        left.remove(bad[0])
    found = core.select("user_id", "item_id").collect().rows()
    assert sorted(found) == sorted((str(user), str(item)) for user, item in left)
    assert step.num_dropped == len(rows) - len(left)
    assert step.num_users_after == len({user for user, _ in left})


def test_core_is_counted() -> None:
    rows = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("w", "b")]
    core, step = k_core(log(*rows, names="user_id item_id"), 2, 2)
    assert orders(core) == [0, 1, 2, 3]
    name = "core of 2 events a user and 2 an item"
    assert step == StepRecord(name, 1, [2, 2], 5, 4, 3, 2, 2, 2)
