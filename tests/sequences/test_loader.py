"""Every target is trained once an epoch, from the right history, in an order by the seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.errors import InputError
from penchant.events.arrays import LogArrays
from penchant.packed import NO_TIME
from penchant.sequences.loader import TrainingBatch, TrainingLoader


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
