"""Targets of a part come in blocks of whole users."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.events.arrays import LogArrays, Part
from penchant.sequences.targets import target_blocks

NUM_USERS = 300


@pytest.fixture
def log() -> LogArrays:
    """Return two events a user, the second to be predicted, but for every third user none."""
    part = np.tile([0, 2, 0, 2, 0, 0], NUM_USERS // 3)
    zeros = np.zeros(2 * NUM_USERS, dtype=np.int64)
    return LogArrays(zeros, zeros, zeros, zeros, part, np.arange(0, 2 * NUM_USERS + 1, 2))


def users_of(log: LogArrays, max_users: int | None) -> list[int]:
    blocks = target_blocks(log, Part.TEST, block_events=50, max_users=max_users)
    return [user for block in blocks for user in block.users.tolist()]


def test_some_users_are_drawn_from_the_whole_file_and_always_the_same(log):
    found = users_of(log, 40)
    assert len(found) == 40
    assert found == sorted(set(found))
    assert all(user % 3 < 2 for user in found)
    assert 0.35 * NUM_USERS < np.mean(found) < 0.65 * NUM_USERS
    assert users_of(log, 40) == found


def test_all_users_are_taken_where_there_are_no_more_than_asked(log):
    everyone = [user for user in range(NUM_USERS) if user % 3 < 2]
    assert users_of(log, None) == users_of(log, 200) == users_of(log, 999) == everyone
