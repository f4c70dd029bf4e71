from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import InputError, UsageError
from penchant.events.arrays import NO_TIME, Part
from penchant.events.splits import Split, assign, iso, parse_split, quantile_time

TRAIN, VALIDATION, TEST = Part.TRAIN, Part.VALIDATION, Part.TEST

histories_s = st.lists(
    st.lists(st.integers(0, 40), min_size=1, max_size=9).map(sorted), min_size=1, max_size=9
)


def flat(histories):
    times = np.array([time for history in histories for time in history], dtype=np.int64)
    return times, np.concatenate([[0], np.cumsum([len(history) for history in histories])])


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("leave-one-out", Split("leave-one-out")),
        ("none", Split("none")),
        (" time:0.25 ", Split("time", share=0.25)),
        ("published-time:0.9", Split("published-time", share=0.9)),
        ("time:1970-01-02", Split("time", at_ms=24 * 3600 * 1000)),
        ("time:1970-01-02T01:00:00+01:00", Split("time", at_ms=24 * 3600 * 1000)),
    ],
)
def test_a_split_is_read_from_its_name(text, split):
    assert parse_split(text) == split


@pytest.mark.parametrize("text", ["random", "time", "time:", "leave-one-out:2", "none:1", ""])
def test_an_unknown_split_is_refused(text):
    with pytest.raises(UsageError, match=r"one of leave-one-out, time:0\.9.* but '" + text):
        parse_split(text)


@pytest.mark.parametrize("cut", ["0", "1", "1.5", "nan", "2026"])
def test_a_share_that_is_none_is_refused(cut):
    with pytest.raises(UsageError, match=f"between 0 and 1, but {cut} was given"):
        parse_split(f"time:{cut}")


def test_a_date_that_is_none_is_refused():
    with pytest.raises(UsageError, match="ISO 8601 date, but 'May' in 'time:May' is neither"):
        parse_split("time:May")


def test_without_a_split_everything_is_trained_on():
    assigned = assign(Split("none"), np.array([NO_TIME, 5, 2]), np.array([0, 1, 3]))
    assert assigned.part.tolist() == [TRAIN, TRAIN, TRAIN]
    assert not Split("none").by_time


def test_leave_one_out_tests_on_the_last_and_validates_on_the_second_last():
    lengths = [4, 1, 2, 3]
    assigned = assign(
        Split("leave-one-out"), np.full(10, NO_TIME), np.concatenate([[0], np.cumsum(lengths)])
    )
    assert assigned.part.tolist() == [
        *(TRAIN, TRAIN, VALIDATION, TEST),
        TRAIN,
        *(TRAIN, TRAIN),
        *(TRAIN, VALIDATION, TEST),
    ]
    assert assigned.users_without_targets == 2
    assert assigned.to_dict()["test_from"] is None


def test_events_at_the_cut_are_tested():
    # in order of time: 1 2 3 4 5 6 7 8 8 9; the first behind 0.8 * 10 = 8 of them lies at 8
    times, offsets = flat([[1, 4, 8], [2, 3, 5, 6, 8, 9], [7]])
    assigned = assign(Split("time", share=0.8), times, offsets)
    assert assigned.test_from_ms == 8
    # 3/10 of the events are tested; validation takes no more than a tenth: 7 * 9/10 = 6.3
    assert assigned.validation_from_ms == 7
    assert assigned.part.tolist() == [
        *(TRAIN, TRAIN, TEST),
        *(TRAIN, TRAIN, TRAIN, TRAIN, TEST, TEST),
        VALIDATION,
    ]


def test_a_small_test_part_has_a_validation_part_of_the_same_share():
    times = np.arange(1000, 1400)
    assigned = assign(Split("time", share=0.95), times, np.array([0, 400]))
    # test: 400 * 1/20 = 20 events; validation: 1/20 of the 380 others = 19
    assert (assigned.part == TEST).sum() == 20
    assert (assigned.part == VALIDATION).sum() == 19


def test_a_date_cuts_at_its_first_moment():
    day = 24 * 3600 * 1000
    times, offsets = flat([[1, day - 1, day, day + 5], [2, 3, 4]])
    assigned = assign(parse_split("time:1970-01-02"), times, offsets)
    # 2/7 are tested, so 1/10 of the 5 before, 5 * 9/10 = 4.5: the fifth
    assert assigned.part.tolist() == [TRAIN, VALIDATION, TEST, TEST, TRAIN, TRAIN, TRAIN]
    assert assigned.to_dict()["test_from"] == "1970-01-02T00:00:00+00:00"


def test_validation_leaves_something_to_train_on_where_times_are_coarse():
    times, offsets = flat([[1] * 20, [1, 2, 3]])
    assigned = assign(Split("time", share=0.95), times, offsets)
    # behind 23 * 0.95 = 21.85 events lies the one at 2, and nothing but 1 before it
    assert (assigned.test_from_ms, assigned.validation_from_ms) == (2, 2)
    assert set(assigned.part) == {TRAIN, TEST}
    times, offsets = flat([[1] * 20, [1, 2, 3, 3, 3]])
    assigned = assign(Split("time", share=0.9), times, offsets)
    # behind 25 * 0.9 = 22.5 events lies 3; of the 22 before, 22 * 9/10 = 19.8 would begin at 1
    assert (assigned.test_from_ms, assigned.validation_from_ms) == (3, 2)


def test_a_quantile_is_not_lost_to_rounding():
    assert quantile_time(np.arange(100), 0.29) == 29  # 0.29 * 100 = 28.999… in floating point
    assert quantile_time(np.array([3, 1]), 0.99) == 3


def test_published_split_interpolates_and_validates_on_the_last_training_event():
    # sorted 0 10 20 30 40; the quantile 0.6 lies at index 4 * 0.6 = 2.4: 20 + 0.4 * 10 = 24
    times, offsets = flat([[0, 20, 40], [10, 30]])
    assigned = assign(Split("published-time", share=0.6), times, offsets)
    assert assigned.test_from_ms == 25
    assert assigned.part.tolist() == [TRAIN, VALIDATION, TEST, TRAIN, TEST]


def test_published_split_trains_on_events_at_the_quantile():
    # index 4 * 0.5 = 2: 20 itself
    times, offsets = flat([[0, 10, 20], [20, 40]])
    assigned = assign(Split("published-time", share=0.5), times, offsets)
    assert assigned.part.tolist() == [TRAIN, TRAIN, VALIDATION, TRAIN, TEST]


@pytest.mark.parametrize("kind", ["time", "published-time"])
def test_a_time_split_needs_every_time(kind):
    with pytest.raises(InputError, match=f"{kind}:0.9 needs the time of every event, but 2 of 3"):
        assign(Split(kind, share=0.9), np.array([5, NO_TIME, NO_TIME]), np.array([0, 1, 3]))


def test_a_time_split_refuses_times_that_run_against_the_order():
    times, offsets = flat([[9, 3, 5, 4], [], [1, 2]])
    with pytest.raises(InputError, match="by position the time runs back at 2 of 6 events"):
        assign(Split("time", share=0.5), times, offsets)


def test_a_time_may_run_back_from_one_user_to_the_next():
    times, offsets = flat([[], [8, 9], [], [1, 2], []])
    assert assign(Split("time", share=0.5), times, offsets).part.tolist() == [2, 2, 0, 1]


def test_a_cut_outside_the_times_is_refused():
    times, offsets = flat([[0, 1000], [2000]])
    with pytest.raises(
        InputError,
        match=r"no event to the test part: the events run from 1970-01-01T00:00:00\+00:00 "
        r"to 1970-01-01T00:00:02\+00:00 and the cut lies at 2020",
    ):
        assign(parse_split("time:2020-01-01"), times, offsets)
    with pytest.raises(InputError, match="no event to the train part"):
        assign(parse_split("time:1960-01-01"), times, offsets)


def test_a_time_beyond_the_calendar_is_still_told():
    assert iso(10**18) == "1000000000000000000 ms"


@given(histories=histories_s, share=st.floats(0.05, 0.95))
def test_no_training_event_lies_at_or_after_the_cut(histories, share):
    times, offsets = flat(histories)
    for kind in ("time", "published-time"):
        try:
            assigned = assign(Split(kind, share=share), times, offsets)
        except InputError:  # nothing before the cut
            continue
        assert times[assigned.part != TEST].max() < assigned.test_from_ms
        assert times[assigned.part == TEST].min() >= assigned.test_from_ms
        if assigned.validation_from_ms is not None:
            assert times[assigned.part == TRAIN].max() < assigned.validation_from_ms


@given(histories=histories_s, name=st.sampled_from(["leave-one-out", "time:0.7", "time:0.9"]))
def test_the_parts_of_a_user_follow_each_other_and_hold_every_event(histories, name):
    times, offsets = flat(histories)
    try:
        part = assign(parse_split(name), times, offsets).part
    except InputError:
        return
    assert len(part) == len(times)
    assert set(part) <= {TRAIN, VALIDATION, TEST}
    for first, last in pairwise(offsets):
        assert (np.diff(part[first:last]) >= 0).all()
