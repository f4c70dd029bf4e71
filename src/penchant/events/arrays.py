"""Prepared histories as flat arrays, user after user.

The form in which loaders and evaluators read a log. Pure NumPy, memory-mappable, no ids. Rows of a
user stand in the order (time, file order).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

NO_TIME = -(2**62)
"""The `time_ms` of an event whose time is unknown; the same number as in `penchant.packed`."""

UNKNOWN_ITEM = -1
"""The item index of an event whose item is not in the vocabulary."""

NO_PART = -1
"""The `part` of an event that is read as history and is never a target."""


class Part(IntEnum):
    """Which part of a split an event belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True, slots=True)
class LogArrays:
    """Events of U users, end to end.

    Parameters
    ----------
    item_index
        (N,) int64, `UNKNOWN_ITEM` where the item is not in the vocabulary.
    event_type
        (N,) int64, index into the data's list of event types.
    value
        (N,) float32, NaN where the event carries none.
    time_ms
        (N,) int64, `penchant.packed.NO_TIME` where unknown.
    part
        (N,) int8, a `Part`.
    offsets
        (U + 1,) int64.
    """

    item_index: np.ndarray
    event_type: np.ndarray
    value: np.ndarray
    time_ms: np.ndarray
    part: np.ndarray
    offsets: np.ndarray

    @property
    def num_users(self) -> int:
        """Number of users, those without events included."""
        return len(self.offsets) - 1

    @property
    def num_events(self) -> int:
        """Number of events."""
        return len(self.item_index)

    @property
    def lengths(self) -> np.ndarray:
        """(U,) events of each user."""
        return np.diff(self.offsets)

    @property
    def user(self) -> np.ndarray:
        """(N,) which user each row belongs to."""
        return np.repeat(np.arange(self.num_users), self.lengths)

    def where(self, keep: np.ndarray) -> LogArrays:
        """Return the rows where `keep` (N,) is true; users stay, some perhaps without events.

        Examples
        --------
        >>> log = LogArrays(*(np.arange(4) for _ in range(5)), offsets=np.array([0, 3, 4]))
        >>> log.where(np.array([True, False, True, False])).offsets.tolist()
        [0, 2, 2]
        """
        kept = np.concatenate([[0], np.cumsum(keep)])[self.offsets]
        return self.take(keep, kept.astype(np.int64))

    def users(self, users: np.ndarray) -> LogArrays:
        """Return the histories of the given users (indices), in that order."""
        lengths = self.lengths[users]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self.take(ranges(self.offsets[users], lengths)[1], offsets)

    def take(self, rows: np.ndarray, offsets: np.ndarray) -> LogArrays:
        """Return rows, by index or by mask, as the histories that `offsets` cut them into."""
        return LogArrays(
            self.item_index[rows],
            self.event_type[rows],
            self.value[rows],
            self.time_ms[rows],
            self.part[rows],
            offsets,
        )

    @property
    def train(self) -> LogArrays:
        """The training part with known items: all that a model or a baseline may be fitted on."""
        return self.where((self.part == Part.TRAIN) & (self.item_index >= 0))


def ranges(start: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the owner and the value of the integers from each start on, so many of each.

    Examples
    --------
    >>> owner, value = ranges(np.array([7, 3, 0]), np.array([2, 0, 3]))
    >>> owner.tolist(), value.tolist()
    ([0, 0, 2, 2, 2], [7, 8, 0, 1, 2])
    """
    owner = np.repeat(np.arange(len(size)), size)
    before = np.cumsum(size) - size
    return owner, np.arange(len(owner)) + (start - before)[owner]
