"""Every target is trained once an epoch, from the right history, in an order by the seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.errors import InputError
from penchant.events.arrays import LogArrays
from penchant.packed import NO_TIME
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.sequences.roles import EventRoles


def log_of(lengths: list[int]) -> LogArrays:
    """Return a log whose items are the rows themselves, so that any shift shows."""
    rows = np.arange(sum(lengths))
    zeros = np.zeros(len(rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return LogArrays(rows, zeros, zeros, rows * 1_000, zeros, offsets)


def pairs(batches: list[TrainingBatch]) -> list[tuple[int, int]]:
    """Return (item before, target) of every target; -1 before a first event."""
    found = []
    for batch in batches:
        before = torch.cat([batch.events.item_index, torch.tensor([-1])])[batch.target_row]
        found += zip(before.tolist(), batch.target_item.tolist(), strict=True)
    return found


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 23), min_size=1, max_size=12).filter(lambda n: sum(n) > 0),
    window=st.integers(1, 9),
    batch_events=st.integers(1, 30),
    epoch=st.integers(0, 3),
)
def test_every_event_is_a_target_once_and_follows_the_event_before_it(
    lengths: list[int], window: int, batch_events: int, epoch: int
) -> None:
    log = log_of(lengths)
    loader = TrainingLoader(log, window, batch_events, seed=3)
    found = pairs(list(loader.epoch(epoch)))
    starts = {int(start) for start, n in zip(log.offsets, lengths, strict=False) if n}
    wanted = [(-1 if row in starts else row - 1, row) for row in range(sum(lengths))]
    assert sorted(found, key=lambda pair: pair[1]) == wanted
    assert loader.num_targets == len(found)


def test_batches_name_their_users_and_whose_each_target_is() -> None:
    log = log_of([3, 0, 1, 11, 2])
    owner, found = log.user.tolist(), []
    for batch in TrainingLoader(log, window=4, batch_events=5, seed=3).epoch(0):
        users = batch.users.tolist()
        assert [owner[item] for item in batch.events.item_index.tolist()] == [
            users[place] for place in batch.events.user.tolist()
        ]
        of_target = [users[place] for place in batch.target_user.tolist()]
        assert of_target == [owner[item] for item in batch.target_item.tolist()]
        found += of_target
    assert sorted(found) == owner


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    window=st.integers(1, 9),
    batch_events=st.integers(1, 30),
)
def test_a_batch_that_carries_continues_the_first_users_of_the_one_before(
    lengths: list[int], window: int, batch_events: int
) -> None:
    before: TrainingBatch | None = None
    for batch in TrainingLoader(log_of(lengths), window, batch_events, seed=1).epoch(0):
        assert batch.events.lengths.max() <= window
        if batch.carries:
            assert before is not None
            assert batch.events.num_users <= before.events.num_users
            ends = before.events.offsets[1 : batch.events.num_users + 1] - 1
            starts = batch.events.offsets[:-1]
            assert torch.equal(before.target_row[ends], ends)
            assert torch.equal(
                before.target_item[ends], batch.events.item_index[starts]
            )  # the target there is the first input here
        before = batch


def test_an_epoch_is_the_same_for_the_same_seed_and_another_for_another_epoch() -> None:
    log = log_of([5, 9, 2, 30, 7, 7] * 4)
    first = pairs(list(TrainingLoader(log, 6, 12, seed=4).epoch(2)))
    assert pairs(list(TrainingLoader(log, 6, 12, seed=4).epoch(2))) == first
    assert pairs(list(TrainingLoader(log, 6, 12, seed=4).epoch(3))) != first
    assert pairs(list(TrainingLoader(log, 6, 12, seed=5).epoch(2))) != first


def test_only_the_newest_windows_are_kept_when_they_are_limited() -> None:
    [batch] = TrainingLoader(log_of([9]), window=3, batch_events=99, seed=0, max_windows=1).epoch(0)
    assert batch.events.item_index.tolist() == [5, 6, 7]
    assert batch.target_item.tolist() == [6, 7, 8]
    assert batch.target_row.tolist() == [0, 1, 2]


def test_times_of_a_share_of_windows_are_hidden() -> None:
    loader = TrainingLoader(log_of([3] * 400), 10, 50, seed=0, drop_time_share=0.25)
    hidden = shown = 0
    for batch in loader.epoch(0):
        unknown = batch.events.time_ms == NO_TIME
        owner = torch.cat([batch.events.user, torch.arange(batch.events.num_users)])
        of_user = unknown[batch.events.offsets[:-1]]  # every window here has events
        assert torch.equal(of_user[owner], batch.target_time_ms == NO_TIME)
        hidden, shown = hidden + int(unknown.sum()), shown + int((~unknown).sum())
    assert 0.15 < hidden / (hidden + shown) < 0.35


def test_an_empty_training_part_is_refused() -> None:
    with pytest.raises(InputError, match="the training part must hold events but holds none"):
        TrainingLoader(log_of([0, 0]), 5, 5, seed=0)


def test_a_first_event_brings_its_own_value_and_type() -> None:
    log = log_of([3, 1, 4])
    rows = np.arange(8)
    log = LogArrays(rows, rows % 3, rows / 2, log.time_ms, log.part, log.offsets)
    [batch] = TrainingLoader(log, 9, 99, seed=0).epoch(0)
    found = zip(
        batch.target_row.tolist(),
        batch.target_item.tolist(),
        batch.target_value.tolist(),
        batch.target_type.tolist(),
        strict=True,
    )
    first = sorted(rest for row, *rest in found if row < 0)
    assert first == [[0, 0 / 2, 0], [3, 3 / 2, 3 % 3], [4, 4 / 2, 4 % 3]]


VIEW, BUY, SKIP = 0, 1, 2
SHOP = EventRoles(history_types=(VIEW, SKIP), target_weights=((0.0, 1.0, -0.5), (2.0, 0.0, 0.0)))
"""Skips are history and push down; buys are targets only; views are history and targets."""


def typed_log(lengths: list[int], seed: int = 1) -> LogArrays:
    """Return a log whose items are the rows themselves, of types drawn at random."""
    log = log_of(lengths)
    types = np.random.default_rng(seed).integers(0, 3, log.num_events)
    return replace(log, event_type=types, value=log.item_index / 4)


def expected(log: LogArrays, roles: EventRoles) -> list[tuple[int, int, list[float]]]:
    """Return (history row before, target row, weights) of every target, by walking each user."""
    found, weight = [], roles.weights(log)
    for start, end in pairwise(log.offsets):
        before = -1
        for row in range(start, end):
            if weight[row].any():
                found.append((before, row, weight[row].astype(np.float32).tolist()))
            if roles.is_history(log.event_type[[row]])[0]:
                before = row
    return found


def gathered(batches: list[TrainingBatch]) -> list[tuple[int, int, list[float]]]:
    """Return the same of batches, whose items are rows."""
    found = []
    for batch in batches:
        before = torch.cat([batch.events.item_index, torch.tensor([-1])])[batch.target_row]
        weights = batch.target_weight.tolist()
        found += zip(before.tolist(), batch.target_item.tolist(), weights, strict=True)
    return sorted(found, key=lambda one: one[1])


@settings(deadline=None, max_examples=80)
@given(
    lengths=st.lists(st.integers(0, 23), min_size=1, max_size=12).filter(lambda n: sum(n) > 9),
    window=st.integers(1, 9),
    batch_events=st.integers(1, 30),
    epoch=st.integers(0, 3),
)
def test_every_target_follows_the_last_history_before_it_and_brings_its_weights(
    lengths: list[int], window: int, batch_events: int, epoch: int
) -> None:
    log = typed_log(lengths)
    loader = TrainingLoader(log, window, batch_events, seed=3, roles=SHOP)
    batches = list(loader.epoch(epoch))
    assert gathered(batches) == expected(log, SHOP)
    assert loader.num_targets == sum(batch.num_targets for batch in batches)
    for batch in batches:
        assert torch.isin(batch.events.event_type, torch.tensor([VIEW, SKIP])).all()
        warm = batch.target_row >= 0
        assert (warm.int().diff() <= 0).all()  # those from nothing stand last
        assert (batch.target_row[warm].diff() >= 0).all()
        assert batch.events.lengths.max() <= window


@settings(deadline=None, max_examples=40)
@given(lengths=st.lists(st.integers(3, 40), min_size=1, max_size=9), window=st.integers(1, 9))
def test_of_limited_windows_only_targets_of_the_newest_are_kept(
    lengths: list[int], window: int
) -> None:
    log = typed_log(lengths)
    loader = TrainingLoader(log, window, 30, seed=0, max_windows=2, roles=SHOP)
    batches = list(loader.epoch(0))
    found = gathered(batches)
    kept = {row for batch in batches for row in batch.events.item_index.tolist()}
    whole = expected(log, SHOP)
    assert [one for one in whole if one[0] in kept] == [one for one in found if one[0] >= 0]
    assert loader.num_targets == len(found)
    for user, (start, end) in enumerate(pairwise(log.offsets)):
        of_user = [one for one in whole if start <= one[1] < end]
        needed = {row for row in range(start, end) if any(row <= b for b, _, _ in of_user)}
        history = needed & set(np.flatnonzero(SHOP.is_history(log.event_type)).tolist())
        shown = [one for one in found if start <= one[1] < end and one[0] < 0]
        is_whole = history <= kept
        assert bool(shown) == (is_whole and any(one[0] < 0 for one in of_user)), user


def test_all_that_follows_one_event_is_predicted_after_it() -> None:
    """View, three buys, view, buy, view: the last view has nothing after it and is not read."""
    kind = np.array([VIEW, BUY, BUY, BUY, VIEW, BUY, VIEW])
    log = replace(log_of([7]), event_type=kind)
    roles = EventRoles(history_types=(VIEW,), target_weights=((0.0, 1.0),))
    [batch] = TrainingLoader(log, 9, 9, seed=0, roles=roles).epoch(0)
    assert batch.events.item_index.tolist() == [0, 4]
    assert batch.target_row.tolist() == [0, 0, 0, 1]
    assert batch.target_item.tolist() == [1, 2, 3, 5]
    assert batch.target_time_ms.tolist() == [1_000, 2_000, 3_000, 5_000]


def test_batches_hold_no_more_targets_than_events_where_targets_are_many() -> None:
    kind = np.array(([VIEW] + [BUY] * 49) * 20)
    log = replace(log_of([50] * 20), event_type=kind)
    roles = EventRoles(history_types=(VIEW,), target_weights=((0.0, 1.0),))
    batches = list(TrainingLoader(log, 9, 100, seed=0, roles=roles).epoch(0))
    assert max(batch.num_targets for batch in batches) <= 3 * 49
    assert sum(batch.num_targets for batch in batches) == 20 * 49


def test_a_training_part_without_targets_is_refused() -> None:
    roles = EventRoles(target_weights=((0.0, 1.0, 0.0),))
    log = log_of([3, 2])
    log = replace(log, event_type=np.zeros(5, dtype=np.int64))
    with pytest.raises(InputError, match="must hold targets but none of 5 events is one"):
        TrainingLoader(log, 5, 5, seed=0, roles=roles)
