"""Roles tell history, targets and seen apart by type, and weights are 1 in the mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penchant.errors import InputError
from penchant.events.arrays import NO_PART, NO_TIME, LogArrays, Part
from penchant.sequences.roles import EventRoles

VIEW, BUY, SKIP = 0, 1, 2
SHOP = ((0.0, 1.0, -0.5), (3.0, 1.0, -0.5))
"""Of the first objective buys are targets, of the second views, thrice, and buys."""


def log_of(types: list[int], values: list[float] | None = None) -> LogArrays:
    kind = np.array(types)
    value = np.array([float("nan")] * len(types) if values is None else values, np.float32)
    zeros = np.zeros(len(kind), dtype=np.int64)
    return LogArrays(zeros, kind, value, zeros, zeros.astype(np.int8), np.array([0, len(kind)]))


def test_all_events_play_all_parts_where_nothing_is_said() -> None:
    roles, types = EventRoles(), np.array([VIEW, SKIP, 7])
    for asked in (roles.is_history, roles.is_seen, roles.is_target):
        assert asked(types).tolist() == [True, True, True]
    assert roles.weights(log_of([VIEW, SKIP])).tolist() == [[1.0], [1.0]]
    assert (roles.num_objectives, roles.unknown_type) == (1, 0)


def test_each_role_has_types_of_its_own() -> None:
    roles = EventRoles(history_types=(SKIP, BUY), seen_types=(BUY,), target_weights=SHOP)
    types = np.array([SKIP, VIEW, BUY])
    assert roles.is_history(types).tolist() == [True, False, True]
    assert roles.is_seen(types).tolist() == [False, False, True]
    assert roles.is_target(types).tolist() == [False, False, True]
    assert roles.is_target(types, 1).tolist() == [False, True, True]
    assert (roles.num_objectives, roles.unknown_type) == (2, BUY)


def test_weights_are_one_in_the_mean_over_targets_and_negative_ones_stay() -> None:
    found = EventRoles(target_weights=SHOP).weights(log_of([VIEW, BUY, VIEW, SKIP]))
    mean = (3 + 1 + 3) / 3
    assert found[:, 0].tolist() == [0, 1, 0, -0.5]
    assert found[:, 1].tolist() == pytest.approx([3 / mean, 1 / mean, 3 / mean, -0.5])


def test_values_weigh_targets_by_their_mean_and_a_missing_one_counts_one() -> None:
    log = log_of([BUY, BUY, VIEW, BUY, SKIP], [6.0, 2.0, 100.0, float("nan"), 50.0])
    found = EventRoles(target_weights=SHOP[:1], value_as_weight=True).weights(log)
    assert found[:, 0].tolist() == pytest.approx([6 / 4, 2 / 4, 0, 1, -0.5])


def test_values_and_types_weigh_together() -> None:
    log = log_of([BUY, VIEW], [1.0, 3.0])
    found = EventRoles(target_weights=SHOP[1:], value_as_weight=True).weights(log)
    plain = np.array([1 * 1 / 2, 3 * 3 / 2])
    assert found[:, 0] == pytest.approx(plain / plain.mean())


def test_the_logarithm_tames_values_of_many_sizes() -> None:
    log = log_of([BUY, BUY], [0.0, 1000.0])
    found = EventRoles(value_as_weight=True, log_value=True).weights(log)
    assert found[:, 0].tolist() == pytest.approx([0, 2])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([3.0, -1.5], r"must not be below 0, but the least of the training part is -1\.5"),
        ([0.0, 0.0], "must be above 0 somewhere, but no target of the training part has such"),
        ([float("nan")] * 2, "must be above 0 somewhere"),
    ],
)
def test_values_that_cannot_be_weights_are_refused(values: list[float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        EventRoles(value_as_weight=True).weights(log_of([BUY, BUY], values))


def test_a_value_of_what_is_no_target_does_no_harm() -> None:
    log = log_of([BUY, VIEW], [3.0, -9.0])
    found = EventRoles(target_weights=SHOP[:1], value_as_weight=True).weights(log)
    assert found[:, 0].tolist() == [1, 0]


def timed(log: LogArrays, time_ms: list[int]) -> LogArrays:
    return replace(log, time_ms=np.array(time_ms))


def test_a_target_counts_half_as_much_for_every_half_life_before_the_last_event() -> None:
    log = timed(log_of([BUY, SKIP, BUY, VIEW, BUY]), [1_000, 1_500, 3_000, 4_000, 5_000])
    found = EventRoles(target_weights=SHOP[:1], half_life_ms=2_000).weights(log)
    plain = np.array([0.25, 0.5, 1.0])
    assert found[[0, 2, 4], 0] == pytest.approx(plain / plain.mean())
    assert found[[1, 3], 0].tolist() == [-0.5, 0]


def test_a_target_without_a_time_cannot_fade() -> None:
    log = timed(log_of([BUY, BUY, BUY]), [7, NO_TIME, 9])
    with pytest.raises(InputError, match="every training event, but 1 of 3 have none"):
        EventRoles(half_life_ms=2).weights(log)


def test_other_events_of_later_parts_are_no_targets_and_stay_history() -> None:
    log = log_of([VIEW, BUY, VIEW, BUY, VIEW, SKIP])
    part = np.array([0, 0, 1, 1, 2, 2], dtype=np.int8)
    log = LogArrays(log.item_index, log.event_type, log.value, log.time_ms, part, log.offsets)
    roles = EventRoles(target_weights=SHOP)
    later = roles.with_targets(log).part
    assert later.tolist() == [0, 0, NO_PART, Part.VALIDATION, NO_PART, NO_PART]
    assert later.dtype == np.int8
    assert roles.with_targets(log, 1).part.tolist() == [0, 0, 1, 1, 2, NO_PART]
    assert roles.only_targets(log).part.tolist() == [-1, 0, -1, 1, -1, -1]
    assert EventRoles().with_targets(log) is log
