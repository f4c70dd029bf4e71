"""What a split lets the training part know of the events that it is tested on, in numbers.

Nothing is judged here. Leave-one-out trains on the future of other users; ties in time leave the
order of events to chance; cold users and items cannot be learned at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from penchant.events.arrays import NO_TIME, LogArrays, Part


def measure_leaks(log: LogArrays) -> dict[str, Any]:
    """Return the leaks of the validation and the test part.

    Parameters
    ----------
    log
        The ordered log. Its item indices cover all items, those without training events too.

    Returns
    -------
    For `validation` and `test`, if they hold events:

    - `targets`: events of the part.
    - `targets_before_training_end_share`: targets earlier than the last training event of the
      other users; `later_training_events_share`: training events later than a target, on average
      over targets. Left out where times are unknown.
    - `tied_targets_share`: targets at the very time of an earlier event of the same user.
    - `repeated_targets_share`: targets whose item the user has had before.
    - `cold_user_targets`, `cold_users`: targets of users without training events, and such users.
    - `cold_item_targets`, `cold_items`: likewise for items.

    Examples
    --------
    >>> log = LogArrays(np.array([0, 1, 0, 1]), np.zeros(4, int), np.zeros(4),
    ...                 np.array([10, 20, 20, 30]), np.array([0, 0, 2, 0]), np.array([0, 3, 4]))
    >>> leaks = measure_leaks(log)["test"]
    >>> leaks["targets"], leaks["tied_targets_share"], leaks["later_training_events_share"]
    (1, 1.0, 0.3333333333333333)
    """
    facts = _facts_of_events(log)
    return {
        part.name.lower(): _leaks_of(log, facts, np.flatnonzero(log.part == part))
        for part in (Part.VALIDATION, Part.TEST)
        if (log.part == part).any()
    }


def _facts_of_events(log: LogArrays) -> dict[str, np.ndarray]:
    user, train = log.user, log.part == Part.TRAIN
    num_items = int(log.item_index.max(initial=0)) + 1
    return {
        "user": user,
        "repeated": _is_repeated(user=user, item=log.item_index),
        "tied": _is_repeated(user=user, time=log.time_ms),
        "user_counts": np.bincount(user[train], minlength=log.num_users),
        "item_counts": np.bincount(log.item_index[train], minlength=num_items),
    }


def _is_repeated(**keys: np.ndarray) -> np.ndarray:
    """Return (N,) whether a row of equal keys stands further up."""
    is_first = pl.DataFrame(keys).select(pl.struct(pl.all()).is_first_distinct()).to_series()
    return ~is_first.to_numpy()


def _leaks_of(log: LogArrays, facts: dict[str, np.ndarray], targets: np.ndarray) -> dict[str, Any]:
    users, items = facts["user"][targets], log.item_index[targets]
    cold_user = facts["user_counts"][users] == 0
    cold_item = facts["item_counts"][items] == 0
    leaks: dict[str, Any] = {
        "targets": len(targets),
        "repeated_targets_share": float(facts["repeated"][targets].mean()),
        "cold_user_targets": int(cold_user.sum()),
        "cold_users": len(np.unique(users[cold_user])),
        "cold_item_targets": int(cold_item.sum()),
        "cold_items": len(np.unique(items[cold_item])),
    }
    if (log.time_ms != NO_TIME).all():
        leaks["tied_targets_share"] = float(facts["tied"][targets].mean())
        leaks |= _leaks_in_time(log, facts["user"], targets)
    return leaks


def _leaks_in_time(log: LogArrays, user: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    train = log.part == Part.TRAIN
    times = np.sort(log.time_ms[train])
    if len(times) == 0:
        return {}
    ends = np.full(log.num_users, NO_TIME)
    np.maximum.at(ends, user[train], log.time_ms[train])
    last_user = int(ends.argmax())
    end_without = np.delete(ends, last_user).max(initial=NO_TIME)
    end_of_others = np.where(user[targets] == last_user, end_without, times[-1])
    later = len(times) - np.searchsorted(times, log.time_ms[targets], side="right")
    return {
        "targets_before_training_end_share": float((log.time_ms[targets] < end_of_others).mean()),
        "later_training_events_share": float(later.mean() / len(times)),
    }
