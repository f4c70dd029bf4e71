"""From prepared data to the task of all peers, and back to data that Penchant trains on.

Users keep the events that hold their last `window` targets; items that none of these events has are
not in the task, so that all peers rank the same items even when only some users are taken.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from measures import Task

from penchant.events import LogArrays, Part, PreparedData, Vocabulary


def task_of(data: PreparedData, window: int, num_users: int = 0) -> Task:
    """Return the task; `num_users` takes that many users by chance, 0 all."""
    train = data.log.train
    users = np.flatnonzero(train.lengths > 0)
    if num_users and num_users < len(users):
        users = np.sort(np.random.default_rng(0).choice(users, num_users, replace=False))
    whole = train.users(users)
    kept = newest(whole, window + 1)
    item_index = np.unique(kept.item_index)
    place = np.full(data.num_items + 1, -1)  # the last entry answers for an unknown item, -1
    place[item_index] = np.arange(len(item_index))
    seen = whole.where(place[whole.item_index] >= 0)
    return Task(
        item=place[kept.item_index],
        offsets=kept.offsets,
        seen=place[seen.item_index],
        seen_offsets=seen.offsets,
        target=first_targets(data.log.users(users), place),
        user=users,
        item_index=item_index,
        window=window,
    )


def newest(log: LogArrays, num_events: int) -> LogArrays:
    """Return the last events of each user."""
    behind = np.repeat(log.offsets[1:], log.lengths) - np.arange(log.num_events)
    return log.where(behind <= num_events)


def first_targets(log: LogArrays, place: np.ndarray) -> np.ndarray:
    """Return the first validation item of each user by its place, -2 where there is none."""
    held = log.where(log.part == Part.VALIDATION)
    found = np.full(log.num_users, -2)
    has_one = held.lengths > 0
    found[has_one] = place[held.item_index[held.offsets[:-1][has_one]]]
    return found


def data_of(data: PreparedData, task: Task) -> PreparedData:
    """Return prepared data that holds the task's training events and items, and nothing else."""
    kept = newest(data.log.train.users(task.user), task.window + 1)
    log = replace(kept, item_index=task.item)
    return replace(
        data,
        log=log,
        users=Vocabulary(data.users.series[task.user]),
        items=Vocabulary(data.items.series[task.item_index]),
        item_table=data.item_table[task.item_index],
        user_table=None,
    )
