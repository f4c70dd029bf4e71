import numpy as np
import pytest

from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.events.leaks import measure_leaks

TRAIN, VALIDATION, TEST = Part.TRAIN, Part.VALIDATION, Part.TEST


def log_of(*histories):
    """Return the log of histories of (item, time, part)."""
    rows = [event for history in histories for event in history]
    item, time, part = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    offsets = np.concatenate([[0], np.cumsum([len(history) for history in histories])])
    return LogArrays(item, np.zeros_like(item), item * 0.0, time, part.astype(np.int8), offsets)


LOG = log_of(
    [(0, 10, TRAIN), (1, 30, TRAIN), (0, 30, VALIDATION), (1, 40, TEST)],
    [(2, 20, TRAIN), (2, 50, TRAIN), (3, 60, VALIDATION), (4, 60, TEST)],
    [(5, 70, TEST)],
    [(0, 45, TRAIN)],
)


def test_leaks_of_the_test_part_are_counted():
    leaks = measure_leaks(LOG)["test"]
    assert leaks["targets"] == 3
    assert leaks["repeated_targets_share"] == 1 / 3  # item 1 of the first user
    assert leaks["tied_targets_share"] == 1 / 3  # at 60, as the event before
    assert (leaks["cold_user_targets"], leaks["cold_users"]) == (1, 1)
    assert (leaks["cold_item_targets"], leaks["cold_items"]) == (2, 2)
    # training events lie at 10 20 30 45 50, those of others end at 50, 45, 50: only 40 < 50
    assert leaks["targets_before_training_end_share"] == 1 / 3
    assert leaks["later_training_events_share"] == pytest.approx((2 / 5 + 0 + 0) / 3)


def test_leaks_of_the_validation_part_are_counted():
    leaks = measure_leaks(LOG)["validation"]
    assert leaks["targets"] == 2
    assert leaks["repeated_targets_share"] == 1 / 2
    assert leaks["tied_targets_share"] == 1 / 2
    assert leaks["targets_before_training_end_share"] == 1 / 2
    assert leaks["cold_items"] == 1


def test_the_last_training_event_of_the_user_himself_is_no_leak():
    log = log_of([(0, 90, TRAIN), (0, 80, TEST)], [(0, 70, TRAIN)])
    assert measure_leaks(log)["test"]["targets_before_training_end_share"] == 0


def test_without_times_nothing_is_said_about_them():
    log = log_of([(0, NO_TIME, TRAIN), (0, NO_TIME, TEST)])
    leaks = measure_leaks(log)
    assert set(leaks) == {"test"}
    assert leaks["test"]["repeated_targets_share"] == 1
    assert "tied_targets_share" not in leaks["test"]
    assert "later_training_events_share" not in leaks["test"]
