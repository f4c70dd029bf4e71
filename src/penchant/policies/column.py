"""One attribute of all items, changed for one item as cheaply as it is read for all.

Values lie end to end with the item that each belongs to. A change leaves the old ones dead where
they are and puts the new ones at the end; dead ones are swept when they are many.
"""

from __future__ import annotations

import math
import re
from collections import deque
from typing import Any, Final

import numpy as np

from penchant.policies.values import NONE, epoch_ms, members_of, number_of, time_of

NOBODY: Final = -1
"""The code of a value that is no text, and of a dead one."""

MOST_CHANGES: Final = 256
"""Changed items that are remembered, and changes; what looks at them then looks at all items."""

SWEEP_FROM: Final = 1_024
"""Dead values that are left lying at any rate."""


class Column:
    """One attribute of all items: texts by code, numbers, several values of an item included.

    Parameters
    ----------
    separator
        What stands between the values of a text that holds several; None: it holds one.

    Notes
    -----
    Values lie in `owner`, `code` and `number`, each (E,) of which `size` are used; those of item i
    are the `count[i]` from `start[i]` on. 16 bytes a value and 13 an item, and each text once.
    """

    def __init__(self, separator: re.Pattern[str] | None) -> None:
        self.separator = separator
        self.owner = np.zeros(0, np.int32)
        self.code = np.zeros(0, np.int32)
        self.number = np.zeros(0)
        self.size = 0
        self.start = np.zeros(0, np.int64)
        self.count = np.zeros(0, np.int32)
        self.is_list = np.zeros(0, bool)
        self.texts: list[str] = []
        self.revision = 0
        self._num_dead = 0
        self._code_of: dict[str, int] = {}
        self._numbers: list[float] = []
        self._moments: list[float] = []
        self.has_times = False
        self._num_lists = 0
        self._times: tuple[int, np.ndarray] | None = None
        self._changes: deque[tuple[int, list[int]]] = deque()
        self._forgotten = 0

    def put(self, items: list[int], given: list[Any]) -> None:
        """Put values in place of those that items had, each item at most once."""
        held_lists = self.holds_lists()
        codes: list[int] = []
        numbers: list[float] = []
        counts: list[int] = []
        lists: list[bool] = []
        for value in given:
            found, is_list = members_of(value, self.separator)
            for one in found:
                code = self._enter(one) if isinstance(one, str) else NOBODY
                codes.append(code)
                numbers.append(self._numbers[code] if isinstance(one, str) else one)
            counts.append(len(found))
            lists.append(is_list and bool(found))
        rows = np.array(items, np.int64)
        self._reserve(int(rows.max(initial=-1)) + 1, len(codes))
        self._kill(rows)
        end = self.size + len(codes)
        self.owner[self.size : end] = np.repeat(rows, counts)
        self.code[self.size : end] = codes
        self.number[self.size : end] = numbers
        self.count[rows] = counts
        self.start[rows] = self.size + np.cumsum([0, *counts[:-1]])
        self._num_lists += sum(lists) - int(self.is_list[rows].sum())
        self.is_list[rows] = lists
        self.size = end
        self._note(items, held_lists)
        self._sweep()

    def code_of(self, text: str) -> int:
        """Return the code of a text, or one that no value has."""
        return self._code_of.get(text, -2)

    def holds_lists(self) -> bool:
        """Tell whether some item has a list of values."""
        return self._num_lists > 0

    def changed_since(self, revision: int) -> list[int] | None:
        """Return the items whose values changed after a revision, None where that is not known."""
        if revision < self._forgotten:
            return None
        return [item for after, items in self._changes if after > revision for item in items]

    def code_times(self, code: np.ndarray) -> np.ndarray:
        """Return (m,) milliseconds of the texts that are times, NaN for other texts and codes."""
        if not self.has_times:
            return np.full(len(code), NONE)
        if len(code) < len(self.texts):
            told = [NONE if one == NOBODY else self._moments[one] for one in code.tolist()]
            return np.array(told, float)
        return np.append(self._moments, NONE)[code]  # the code of what is no text reads the last

    def times(self, num_items: int) -> np.ndarray:
        """Return (I,) milliseconds, the first value of each item read as a time; NaN for none."""
        changed = None if self._times is None else self.changed_since(self._times[0])
        if self._times is None or changed is None:
            kept = self._times_of(np.arange(len(self.count)))
        else:
            kept, items = fitted(self._times[1], len(self.count), NONE), np.array(changed, int)
            kept[items] = self._times_of(items)
        self._times = (self.revision, kept)
        return fitted(kept, num_items, NONE)

    def places_of(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where the values of items (n,) lie, and of which of them each is, (m,) each."""
        known = items < len(self.count)
        at = np.where(known, items, 0)
        counts = np.where(known, self.count[at], 0) if len(self.count) else np.zeros(len(at), int)
        rows = np.repeat(np.arange(len(items)), counts)  # (m,)
        if not len(rows):
            return rows, rows
        before = np.cumsum(counts) - counts
        return np.repeat(self.start[at] - before, counts) + np.arange(len(rows)), rows

    def groups_of(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of items as numbers that equal values share.

        Parameters
        ----------
        items
            (n,) indices.

        Returns
        -------
        rows, groups
            (m,) each, by row; an item with two values has two. Groups hold within one call.
        """
        places, rows = self.places_of(items)
        groups = self.code[places].astype(np.int64)
        bare = groups == NOBODY
        if bare.any():
            groups[bare] = len(self.texts) + np.unique(self.number[places[bare]], False, True)[1]
        return rows, groups

    def _times_of(self, items: np.ndarray) -> np.ndarray:
        """Return (n,) the times of items below the room that there is."""
        times = np.full(len(items), NONE)
        has = np.flatnonzero(self.count[items] > 0)
        first = self.start[items[has]]
        of_text = self.code_times(self.code[first])
        times[has] = np.where(np.isnan(of_text), epoch_ms(self.number[first]), of_text)
        return times

    def _note(self, items: list[int], held_lists: bool) -> None:
        """Begin a revision, and remember what changed where that is not too much.

        Nothing that came before counts where an attribute becomes one of lists, or ceases to be.
        """
        self.revision += 1
        self._changes.append((self.revision, items))
        if len(items) > MOST_CHANGES or held_lists != self.holds_lists():
            self._changes.clear()
            self._forgotten = self.revision
        elif len(self._changes) > MOST_CHANGES:
            self._forgotten = self._changes.popleft()[0]

    def _enter(self, text: str) -> int:
        code = self._code_of.setdefault(text, len(self.texts))
        if code == len(self.texts):
            self.texts.append(text)
            self._numbers.append(number_of(text))
            self._moments.append(time_of(text))
            self.has_times = self.has_times or not math.isnan(self._moments[-1])
        return code

    def _reserve(self, num_items: int, num_new: int) -> None:
        if num_items > len(self.count):
            room = max(num_items, len(self.count) * 3 // 2)
            self.start, self.count, self.is_list = (
                fitted(kept, room, 0) for kept in (self.start, self.count, self.is_list)
            )
        if self.size + num_new > len(self.owner):
            room = max(self.size + num_new, len(self.owner) * 3 // 2)
            self.owner, self.code, self.number = (
                fitted(kept, room, 0) for kept in (self.owner, self.code, self.number)
            )

    def _kill(self, rows: np.ndarray) -> None:
        counts = self.count[rows]
        if not counts.any():
            return
        before = np.cumsum(counts) - counts
        dead = np.repeat(self.start[rows] - before, counts) + np.arange(counts.sum())
        self.owner[dead], self.code[dead], self.number[dead] = NOBODY, NOBODY, NONE
        self._num_dead += len(dead)

    def _sweep(self) -> None:
        """Close the gaps when most values are dead, and drop the texts that nobody has."""
        if self._num_dead <= max(SWEEP_FROM, self.size // 2):
            return
        self._num_dead = 0
        kept = np.flatnonzero(self.owner[: self.size] != NOBODY)
        kept = kept[np.argsort(self.owner[kept], kind="stable")]
        self.owner, self.number = self.owner[kept], self.number[kept]
        used, codes = np.unique(self.code[kept], return_inverse=True)
        has_bare = int(NOBODY in used[:1])
        self.code = (codes - has_bare).astype(np.int32)
        self.texts = [self.texts[code] for code in used[has_bare:].tolist()]
        self._numbers = [number_of(text) for text in self.texts]
        self._moments = [time_of(text) for text in self.texts]
        self._code_of = {text: code for code, text in enumerate(self.texts)}
        self.size = len(kept)
        self.start = np.cumsum(self.count, dtype=np.int64) - self.count


def fitted(array: np.ndarray, size: int, filler: Any) -> np.ndarray:
    """Return (size,) the array cut or filled up."""
    if len(array) >= size:
        return array[:size]
    return np.concatenate([array, np.full(size - len(array), filler, array.dtype)])
