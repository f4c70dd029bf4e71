"""Targets of an evaluation: which event is to be predicted from which rows of a history.

Models and baselines read the same blocks, so that they are ranked under one protocol. The
off-by-one of evaluation lives here: the history of a target is every row of its user before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penchant.events.arrays import LogArrays, Part
from penchant.seeds import stream


@dataclass(frozen=True, slots=True)
class TargetBlock:
    """Some users with their whole histories, and the rows that are to be predicted.

    Parameters
    ----------
    log
        Histories of the block's users. Rows after the last target of a user are cut off.
    users
        (B,) indices of the block's users in the data set.
    rows
        (M,) rising row of each target in `log`; its history is the rows of its user before it.
    """

    log: LogArrays
    users: np.ndarray
    rows: np.ndarray

    @property
    def owner(self) -> np.ndarray:
        """(M,) which user of the block each target belongs to."""
        return np.searchsorted(self.log.offsets, self.rows, side="right") - 1

    @property
    def items(self) -> np.ndarray:
        """(M,) item to be predicted, `UNKNOWN_ITEM` for a cold one."""
        return self.log.item_index[self.rows]

    @property
    def starts(self) -> np.ndarray:
        """(M,) first row of each target's history; it ends before `rows`."""
        return self.log.offsets[:-1][self.owner]

    @property
    def times_ms(self) -> np.ndarray:
        """(M,) time of each target, the time of asking where that is given to a model."""
        return self.log.time_ms[self.rows]

    @property
    def last_items(self) -> np.ndarray:
        """(M,) the known item before each target, `UNKNOWN_ITEM` where the history holds none.

        Examples
        --------
        >>> item = np.array([7, 5, 9, 4])
        >>> log = LogArrays(item, item, item, item, item, offsets=np.array([0, 3, 4]))
        >>> TargetBlock(log, np.array([0, 1]), np.array([1, 2, 3])).last_items.tolist()
        [7, 5, -1]
        """
        known = np.where(self.log.item_index >= 0, np.arange(self.log.num_events), -1)
        newest = np.concatenate([[-1], np.maximum.accumulate(known)])[self.rows]
        inside = newest >= self.starts
        return np.where(inside, self.log.item_index[np.maximum(newest, 0)], -1)


def target_blocks(
    log: LogArrays, part: Part, *, block_events: int = 50_000, max_users: int | None = None
) -> Iterator[TargetBlock]:
    """Yield every target of a part, in blocks of about `block_events` rows of history.

    Parameters
    ----------
    log
        The prepared histories, all parts.
    part
        The part whose events are targets; its own earlier events are history, later parts are cut
        off.
    block_events
        Rows of history a block may hold; a longer user makes a block alone.
    max_users
        Take only so many of the users that have targets, by chance, and always the same ones: the
        first of a file may be unlike the others.

    Examples
    --------
    >>> parts = np.array([0, 1, 2, 0, 0, 2])
    >>> log = LogArrays(*(np.arange(6) for _ in range(4)), parts, offsets=np.array([0, 3, 6]))
    >>> [(block.users.tolist(), block.items.tolist()) for block in target_blocks(log, Part.TEST)]
    [([0, 1], [2, 5])]
    """
    is_target = log.part == part
    row = np.arange(log.num_events)
    ends = np.zeros(log.num_users, dtype=np.int64)  # row after the last target of each user
    np.maximum.at(ends, log.user[is_target], row[is_target] + 1)
    users = _some(np.flatnonzero(ends > 0), max_users)
    sizes = (ends - log.offsets[:-1])[users]
    block_of = (np.cumsum(sizes) - sizes) // block_events
    for block in np.unique(block_of):
        chosen = users[block_of == block]
        whole = log.users(chosen)
        keep = np.arange(whole.num_events) < np.repeat(
            whole.offsets[:-1] + sizes[block_of == block], whole.lengths
        )
        kept = whole.where(keep)
        yield TargetBlock(kept, chosen, np.flatnonzero(kept.part == part))


def _some(users: np.ndarray, max_users: int | None) -> np.ndarray:
    if max_users is None or len(users) <= max_users:
        return users
    return np.sort(stream(0, "users of targets").choice(users, max_users, replace=False))
