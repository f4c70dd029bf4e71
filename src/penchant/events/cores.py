"""The core of a log: users and items that have enough events among each other."""

from __future__ import annotations

import numpy as np


def core_rows(
    user: np.ndarray,
    item: np.ndarray,
    min_user_events: int = 1,
    min_item_events: int = 1,
    *,
    drop_repeats: bool = False,
) -> np.ndarray:
    """Return (N,) bool, the rows that stay when users and items are dropped until all have enough.

    Parameters
    ----------
    user, item
        (N,) codes, user after user in the order of learning.
    min_user_events, min_item_events
        Fewest events that a user and an item must keep.
    drop_repeats
        Of events on the same item in a row keep the first, again after every round.

    Examples
    --------
    >>> core_rows(np.array([0, 0, 1, 1, 2]), np.array([5, 6, 5, 5, 6]), 2, 2).tolist()
    [False, False, True, True, False]
    """
    keep = np.ones(len(user), dtype=bool)
    num_kept = -1
    while num_kept != keep.sum():
        num_kept = keep.sum()
        if drop_repeats:
            rows = np.flatnonzero(keep)
            is_repeat = (np.diff(user[rows]) == 0) & (np.diff(item[rows]) == 0)
            keep[rows[1:][is_repeat]] = False
        for codes, fewest in ((user, min_user_events), (item, min_item_events)):
            if fewest > 1:
                counts = np.bincount(codes[keep], minlength=codes.max(initial=0) + 1)
                keep &= counts[codes] >= fewest
    return keep
