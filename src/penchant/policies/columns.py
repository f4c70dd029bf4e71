"""Attributes of all items as columns, which can be changed for one item while lists are served."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from penchant.errors import InputError
from penchant.events.attributes import TEXT_NAMES
from penchant.policies.column import Column, fitted
from penchant.registry import nearest

BAR: Final = re.compile(r"\|")


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
                had = fitted(column.count, self.num_items, 0)[list(given)] > 0
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
                self._hidden = fitted(self._hidden, num_items, False)
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
