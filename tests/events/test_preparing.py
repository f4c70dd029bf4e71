from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import InputError, UsageError
from penchant.events.arrays import Part
from penchant.events.columns import event_frame
from penchant.events.preparing import prepare

TRAIN, VALIDATION, TEST = Part.TRAIN, Part.VALIDATION, Part.TEST


def frame_of(text, **tables):
    """Return the log of lines such as `u a1 b4`: a user, then items each with its time."""
    rows = [
        (user, event[0], int(event[1:]))
        for user, *events in map(str.split, text.strip().splitlines())
        for event in events
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "time_ms"], orient="row")
    return event_frame(frame, **tables)


def parts_of(data, part):
    """Return {user: items} of a part, `?` for an unknown item."""
    log = data.log
    found = {}
    for row in np.flatnonzero(log.part == part):
        index = int(log.item_index[row])
        item = "?" if index < 0 else data.items.id(index)
        user = data.users.id(int(log.user[row]))
        found[user] = found.get(user, "") + item
    return found


def steps_of(data):
    steps = data.manifest["steps"]
    return [(step["name"], step["num_dropped"]) for step in steps if step["num_dropped"]]


LOG = """
    u a1 b2 a5 c8 d9
    v b3 b4
    w d9 a7
    x a6
"""


def test_leave_one_out_knows_all_items_of_the_log():
    data = prepare(frame_of(LOG), "leave-one-out")
    assert parts_of(data, TRAIN) == {"u": "aba", "v": "bb", "w": "ad", "x": "a"}
    assert parts_of(data, VALIDATION) == {"u": "c"}
    assert parts_of(data, TEST) == {"u": "d"}
    assert data.items.ids == ("a", "b", "d", "c"), "what is not trained on comes last"
    split = data.manifest["split"]
    assert split["users_without_targets"] == 3
    assert split["vocabulary"] == {"items": "whole log", "without_training_events": 1}
    assert data.manifest["leaks"]["validation"]["cold_items"] == 1


def test_a_time_split_knows_the_items_of_the_training_part_alone():
    data = prepare(frame_of(LOG), "time:0.8")
    # sorted 1 2 3 4 5 6 7 8 9 9: 10 * 0.8 = 8 lie before 9; of these 8 * 9/10 = 7.2 before 8
    assert parts_of(data, TRAIN) == {"u": "aba", "v": "bb", "w": "a", "x": "a"}
    assert parts_of(data, VALIDATION) == {"u": "?"}
    assert parts_of(data, TEST) == {"u": "?", "w": "?"}
    assert data.items.ids == ("a", "b")
    assert data.manifest["leaks"]["test"]["cold_item_targets"] == 2
    assert data.manifest["leaks"]["test"]["cold_items"] == 1
    assert data.manifest["counts"]["events_of_unknown_items"] == 3


def test_cold_items_and_users_are_dropped_on_request():
    text = "u a1 b2 a5\nv b3 c4 a9 d9\nw a9\nx e9 f9"
    kept = prepare(frame_of(text), "time:1970-01-01T00:00:00.009")
    assert parts_of(kept, TEST) == {"v": "a?", "w": "a", "x": "??"}
    dropped = prepare(frame_of(text), "time:1970-01-01T00:00:00.009", cold="drop")
    assert parts_of(dropped, TEST) == {"v": "a"}
    assert dropped.users.ids == ("u", "v")
    assert steps_of(dropped) == [
        ("validation and test events of cold items", 3),
        ("validation and test events of cold users", 1),
    ]
    assert dropped.manifest["split"]["cold_dropped"]["test"] == {
        "cold_users": 2,
        "cold_user_targets": 3,
        "cold_items": 3,
        "cold_item_targets": 3,
    }


def test_the_core_of_a_time_split_looks_at_the_training_part_alone():
    text = "u a1 b2 d8 c9\nv a1 b2 c9\nw c3 a9 c9"
    data = prepare(frame_of(text), "time:1970-01-01T00:00:00.009", min_item_events=2)
    # c has 1 training event (and 3 later ones): it goes, and w is cold then
    assert parts_of(data, TRAIN) == {"u": "ab", "v": "ab"}
    assert parts_of(data, VALIDATION) == {"u": "?"}
    assert parts_of(data, TEST) == {"u": "?", "v": "?", "w": "a?"}
    assert data.manifest["split"]["core"] == {
        "min_user_events": 1,
        "min_item_events": 2,
        "of": "training part",
    }


def test_the_core_of_leave_one_out_looks_at_the_whole_log():
    data = prepare(frame_of(LOG), "leave-one-out", min_user_events=2, min_item_events=2)
    # x goes (1 event), c goes (1 event); u keeps a b a d
    assert parts_of(data, TRAIN) == {"u": "ab", "v": "bb", "w": "ad"}
    assert (parts_of(data, VALIDATION), parts_of(data, TEST)) == ({"u": "a"}, {"u": "d"})
    assert data.manifest["split"]["core"]["of"] == "whole log"


def test_a_core_without_events_is_refused():
    with pytest.raises(InputError, match="No event is left to train on after the step: core of 99"):
        prepare(frame_of(LOG), "leave-one-out", min_user_events=99)
    with pytest.raises(InputError, match=r"training part alone.*it drops 7 of 10 events"):
        prepare(frame_of(LOG), "time:0.8", min_user_events=99)


def test_published_time_split_cores_everything_and_drops_the_cold():
    steady = "\n".join(
        f"{user} " + " ".join(f"{item}{time}" for time, item in enumerate("abcdefabcdef", 1))
        for user in "uvwxy"
    )
    cold_user = "z a20 b21 c22 d23 e24"
    repeats = "r a1 a2 a3 b4 b5 c6 d7"
    data = prepare(frame_of(f"{steady}\n{repeats}\n{cold_user}"), "published-time:0.5")
    # r has a b c d without repeats: 4 < 5. 65 events are left, of them 5 at each time 1 … 12 and
    # those of z; the quantile lies at index 64 * 0.5 = 32, time 7
    assert data.manifest["split"]["test_from_ms"] == 8
    assert parts_of(data, TRAIN) == dict.fromkeys("uvwxy", "abcdef")
    assert parts_of(data, VALIDATION) == dict.fromkeys("uvwxy", "a")
    assert parts_of(data, TEST) == dict.fromkeys("uvwxy", "bcdef")
    assert steps_of(data) == [
        ("core of 5 events a user and 5 an item, without repeats in a row", 7),
        ("validation and test events of cold users", 5),
    ]


def test_the_split_by_default_is_by_time():
    assert prepare(frame_of(LOG)).manifest["split"]["name"] == "time:0.9"


def test_without_times_the_split_by_default_is_leave_one_out_with_a_warning():
    frame = frame_of(LOG).frame.with_columns(position="time_ms").drop("time_ms").collect()
    data = prepare(event_frame(frame))
    assert data.manifest["split"]["name"] == "leave-one-out"
    assert "leave-one-out because not every event has a time" in data.manifest["notes"][-1]
    assert not data.has_times
    with pytest.raises(InputError, match=r"time:0\.9 needs the time of every event, but 10 of 10"):
        prepare(event_frame(frame), "time:0.9")


def test_by_position_the_split_by_default_is_leave_one_out():
    frame = frame_of(LOG).frame.with_columns(position=pl.int_range(pl.len())).collect()
    data = prepare(event_frame(frame, order_by="position"))
    assert data.manifest["split"]["name"] == "leave-one-out"
    assert "ordered by position" in data.manifest["notes"][0]
    assert data.has_times


def test_times_that_run_against_the_positions_are_told():
    frame = frame_of("u a5 b3 c4\nv a9 b2").frame.with_columns(position="order").collect()
    data = prepare(event_frame(frame, order_by="position"), "leave-one-out")
    assert data.manifest["notes"] == ["By position the time runs back at 2 of 5 events."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cold": "warm"}, "cold must be keep or drop, but 'warm' was given"),
        ({"min_user_events": 0}, "must be 1 or more"),
        ({"split": "random"}, "A split must be one of"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        prepare(frame_of(LOG), **options)


ITEMS = pl.DataFrame(
    {
        "item_id": ["z", "b", "a", "d"],
        "brand": ["Z", "B", "A", "A"],
        "weight": [900.0, 1.0, 3.0, 50.0],
    }
)


def test_tables_stand_in_the_order_of_the_indices():
    users = pl.DataFrame({"user_id": ["w", "u", "nobody"], "age": [7, 33, 50]})
    data = prepare(frame_of(LOG, items=ITEMS, users=users), "leave-one-out")
    assert data.item_table["item_id"].to_list() == ["a", "b", "d", "c"]
    assert data.item_table["brand"].to_list() == ["A", "B", "A", None]
    assert data.user_table["user_id"].to_list() == ["u", "v", "w", "x"]
    assert data.user_table["age"].to_list() == [33, None, 7, None]
    assert data.manifest["counts"]["items_without_events"] == 1
    assert prepare(frame_of(LOG)).user_table is None


def test_features_are_fitted_on_items_with_training_events():
    data = prepare(frame_of(LOG, items=ITEMS), "time:0.8")
    # a and b are trained on: (3 - 2) / 1 and (1 - 2) / 1
    assert data.features.numeric.tolist() == [[1.0], [-1.0]]
    loo = prepare(frame_of(LOG, items=ITEMS), "leave-one-out")
    known = np.array([3.0, 1.0, 50.0])  # a, b, d have training events, c has no weight
    expected = (known - known.mean()) / known.std()
    assert loo.features.numeric[[0, 1, 2], 0] == pytest.approx(expected, rel=1e-6)


def test_a_repeated_row_of_a_table_is_told():
    data = prepare(frame_of(LOG, items=pl.concat([ITEMS, ITEMS[:1]])), "leave-one-out")
    assert data.manifest["notes"] == ["Of 1 repeated rows by item_id the first was kept."]


events_s = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcde"), st.integers(0, 30)),
    min_size=4,
    max_size=60,
    unique=True,
)


@given(events=events_s, split=st.sampled_from(["leave-one-out", "time:0.6", "time:0.9"]))
def test_every_event_is_in_exactly_one_part_and_none_is_tested_before_it_is_trained(events, split):
    frame = pl.DataFrame(events, schema=["user_id", "item_id", "time_ms"], orient="row")
    try:
        data = prepare(event_frame(frame), split)
    except InputError:
        return
    log = data.log
    assert log.num_events == len(events)
    assert set(np.unique(log.part)) <= {TRAIN, VALIDATION, TEST}
    users = Counter(data.users.id(int(user)) for user in log.user)
    assert users == Counter(user for user, _, _ in events)
    known = log.item_index >= 0
    of_item = Counter(data.items.id(int(item)) for item in log.item_index[known])
    assert of_item == Counter(item for _, item, _ in events if item in data.items)
    for user in range(log.num_users):
        part = log.part[log.offsets[user] : log.offsets[user + 1]]
        assert (np.diff(part) >= 0).all()
    if split.startswith("time"):
        cut = data.manifest["split"]["test_from_ms"]
        assert log.time_ms[log.part == TEST].min() >= cut > log.time_ms[log.part != TEST].max()
        assert set(log.item_index[log.part == TRAIN]) == set(range(len(data.items)))


def test_the_file_order_of_other_users_does_not_change_a_history():
    rows = frame_of(LOG).frame.drop("order").collect()
    shuffled = prepare(event_frame(rows[::-1]), "time:0.8")
    data = prepare(event_frame(rows), "time:0.8")
    for part in Part:
        straight, other = parts_of(data, part), parts_of(shuffled, part)
        assert {user: sorted(items) for user, items in straight.items()} == {
            user: sorted(items) for user, items in other.items()
        }
