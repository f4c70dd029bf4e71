"""Attributes of all items as columns, which can be changed for one item while lists are served.

A column keeps its values end to end with the item that each belongs to. A change leaves the old
values dead where they are and puts the new ones at the end; dead ones are swept when they are many.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from penchant.errors import InputError
from penchant.events.attributes import TEXT_NAMES
from penchant.policies.values import NONE, epoch_ms, members_of, number_of, time_of
from penchant.registry import nearest

BAR: Final = re.compile(r"\|")
NOBODY: Final = -1
"""The code of a value that is no text, and of a dead one."""

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
        self._known: dict[str, tuple[int, Any]] = {}

    def put(self, items: list[int], given: list[Any]) -> None:
        """Put values in place of those that items had, each item at most once."""
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
        self.is_list[rows] = lists
        self.size = end
        self.revision += 1
        self._sweep()

    def code_of(self, text: str) -> int:
        """Return the code of a text, or one that no value has."""
        return self._code_of.get(text, -2)

    def has_value(self, num_items: int) -> np.ndarray:
        """Return (I,) bool, where an item has a value."""
        return _fitted(self.count > 0, num_items, False)

    def holds_lists(self) -> bool:
        """Tell whether some item has a list of values."""
        found: bool = self._kept("lists", lambda: bool(self.is_list.any()))
        return found

    def code_times(self) -> np.ndarray:
        """Return (T,) milliseconds of the texts that are times, by code, NaN for the others."""
        times: np.ndarray = self._kept(
            "code times", lambda: np.array(list(map(time_of, self.texts)))
        )
        return times

    def has_times(self) -> bool:
        """Tell whether some text is a time."""
        found: bool = self._kept("has times", lambda: not np.isnan(self.code_times()).all())
        return found

    def times(self, num_items: int) -> np.ndarray:
        """Return (I,) milliseconds, the first value of each item read as a time; NaN for none."""
        return _fitted(self._kept("times", self._times), num_items, NONE)

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
        known = items < len(self.count)
        at = np.where(known, items, 0)
        counts = np.where(known, self.count[at], 0) if len(self.count) else np.zeros(len(at), int)
        rows = np.repeat(np.arange(len(items)), counts)  # (m,)
        if not len(rows):
            return rows, rows
        before = np.cumsum(counts) - counts
        places = np.repeat(self.start[at] - before, counts) + np.arange(len(rows))
        groups = self.code[places].astype(np.int64)
        bare = groups == NOBODY
        if bare.any():
            groups[bare] = len(self.texts) + np.unique(self.number[places[bare]], False, True)[1]
        return rows, groups

    def _times(self) -> np.ndarray:
        times = np.full(len(self.count), NONE)
        has = np.flatnonzero(self.count > 0)
        first = self.start[has]
        code, by_code = self.code[first], self.code_times()
        of_text = by_code[np.maximum(code, 0)] if len(by_code) else np.full(len(has), NONE)
        of_text = np.where(code == NOBODY, NONE, of_text)
        times[has] = np.where(np.isnan(of_text), epoch_ms(self.number[first]), of_text)
        return times

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what was made under this revision, or make it."""
        if name not in self._known or self._known[name][0] != self.revision:
            self._known[name] = (self.revision, make())
        return self._known[name][1]

    def _enter(self, text: str) -> int:
        code = self._code_of.setdefault(text, len(self.texts))
        if code == len(self.texts):
            self.texts.append(text)
            self._numbers.append(number_of(text))
        return code

    def _reserve(self, num_items: int, num_new: int) -> None:
        if num_items > len(self.count):
            room = max(num_items, len(self.count) * 3 // 2)
            self.start, self.count, self.is_list = (
                _fitted(kept, room, 0) for kept in (self.start, self.count, self.is_list)
            )
        if self.size + num_new > len(self.owner):
            room = max(self.size + num_new, len(self.owner) * 3 // 2)
            self.owner, self.code, self.number = (
                _fitted(kept, room, 0) for kept in (self.owner, self.code, self.number)
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
        self._code_of = {text: code for code, text in enumerate(self.texts)}
        self.size = len(kept)
        self.start = np.cumsum(self.count, dtype=np.int64) - self.count


class ItemColumns:
    """The attributes of all items by name, and which items are hidden; safe to use from threads.

    Parameters
    ----------
    separators
        By name of an attribute, the regular expression between several values in one text. Else a
        bar parts them, but in titles and other free texts.

    Relations
    ---------
    Columns into which items were put one by one equal those of all at once.

    Examples
    --------
    >>> columns = ItemColumns.of([{"genre": "Drama|War"}, {"genre": "War", "price": 3}])
    >>> columns.names, columns.num_items
    (['genre', 'price'], 2)
    """

    def __init__(self, separators: Mapping[str, str] | None = None) -> None:
        self.lock = threading.RLock()
        self.num_items = 0
        self.revision = 0
        self.hidden_revision = 0
        self._hidden = np.zeros(0, bool)
        self._columns: dict[str, Column] = {}
        self._separators = {name: re.compile(text) for name, text in (separators or {}).items()}

    @classmethod
    def of(
        cls, rows: Iterable[Mapping[str, Any]], separators: Mapping[str, str] | None = None
    ) -> ItemColumns:
        """Return the columns of items given in the order of their indices."""
        columns = cls(separators)
        columns.put_all(enumerate(rows))
        return columns

    @property
    def names(self) -> list[str]:
        """Names of the attributes that some item has or had."""
        return list(self._columns)

    def put(self, item_index: int, attributes: Mapping[str, Any]) -> None:
        """Put an item's attributes in place of those before."""
        self.put_all([(item_index, attributes)])

    def put_all(self, items: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Put the attributes of items in place of those before; of equal indices the last counts.

        Notes
        -----
        A microsecond or two a value, and some for each column.
        """
        given = {int(index): attributes for index, attributes in items}
        by_name: dict[str, dict[int, Any]] = {}
        for index, attributes in given.items():
            for name, value in attributes.items():
                by_name.setdefault(str(name), {})[index] = value
        with self.lock:
            self.grow(max(given, default=-1) + 1)
            for name, column in self._columns.items():
                had = _fitted(column.count, self.num_items, 0)[list(given)] > 0
                for index, has in zip(given, had.tolist(), strict=True):
                    if has:
                        by_name.setdefault(name, {}).setdefault(index, None)
            for name, values in by_name.items():
                column = self._columns.get(name) or self._begin(name)
                column.put(list(values), list(values.values()))
            self.revision += 1

    def hide(self, item_index: int, hidden: bool = True) -> None:
        """Take an item out of all lists, or let it in again; its attributes stay."""
        with self.lock:
            self.grow(item_index + 1)
            self._hidden[item_index] = hidden
            self.hidden_revision += 1
            self.revision += 1

    def grow(self, num_items: int) -> None:
        """Make room for items of which nothing is said."""
        with self.lock:
            if num_items > self.num_items:
                self._hidden = _fitted(self._hidden, num_items, False)
                self.num_items = num_items
                self.revision += 1

    def hidden(self) -> np.ndarray:
        """Return (I,) bool, which items are hidden."""
        return self._hidden.copy()

    def column(self, name: str) -> Column | None:
        """Return an attribute, None where no item ever had it."""
        return self._columns.get(name)

    def check(self, name: str, place: str) -> None:
        """Refuse the name of an attribute that no item has.

        Raises
        ------
        InputError
            Then; the message names the nearest that there is.
        """
        if name not in self._columns:
            hint = nearest(name, self.names) if self._columns else "No item has an attribute yet."
            raise InputError(f'{place} names "{name}", which no item has.', hint)

    def _begin(self, name: str) -> Column:
        usual = None if name.lower() in TEXT_NAMES else BAR
        self._columns[name] = Column(self._separators.get(name, usual))
        return self._columns[name]


def _fitted(array: np.ndarray, size: int, filler: Any) -> np.ndarray:
    """Return (size,) the array cut or filled up."""
    if len(array) >= size:
        return array[:size]
    return np.concatenate([array, np.full(size - len(array), filler, array.dtype)])
