import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penchant.events.cores import core_rows


def core(events, *fewest, **options):
    user, item = np.array([event[0] for event in events]), np.array([event[1] for event in events])
    return core_rows(user, item, *fewest, **options).tolist()


def test_dropping_goes_on_until_all_have_enough():
    # item 9 goes (1 event), then user 1 (1 left), then item 8 (1 left), and user 2 stays alone
    events = [(0, 9), (1, 9), (1, 8), (2, 8), (2, 7), (2, 7), (3, 7), (3, 7)]
    assert core(events, 2, 2) == [False, False, False, False, True, True, True, True]
    assert core(events, 1, 3) == [False, False, False, False, True, True, True, True]


def test_one_event_is_always_enough():
    assert core([(0, 3), (1, 4)], 1, 1) == [True, True]


def test_repeats_in_a_row_leave_their_first():
    events = [(0, 5), (0, 5), (0, 4), (0, 5), (1, 5), (1, 5)]
    assert core(events, drop_repeats=True) == [True, False, True, True, True, False]


def test_repeats_that_a_round_brings_together_are_dropped():
    # item 4 has one event; without it the two 5s of user 0 stand in a row
    events = [(0, 5), (0, 4), (0, 5), (1, 5)]
    assert core(events, 1, 2, drop_repeats=True) == [True, False, False, True]


@given(
    events=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1).map(sorted),
    fewest=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_what_stays_has_enough_and_is_the_largest_such_part(events, fewest):
    keep = np.array(core(events, *fewest))
    codes = np.array(events)
    for column, least in enumerate(fewest):
        assert (np.bincount(codes[keep, column])[codes[keep, column]] >= least).all()
    again = np.array(core(events[::-1], *fewest))[::-1]
    assert keep.tolist() == again.tolist()
