"""For which items a filter holds: one pass over the columns that it names, kept until they change.

An item without a value fulfils no condition but `ne` and `eq null`; `not` is the complement. A
condition on several values holds where one of them fulfils it.
"""

from __future__ import annotations

import math
import operator
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penchant.policies.column import MOST_CHANGES, Column
from penchant.policies.columns import ItemColumns
from penchant.policies.filters import (
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Not,
    Scalar,
    conditions_of,
    filter_key,
)
from penchant.policies.values import NONE, epoch_ms, number_of, time_of

MOST_KEPT: Final = 64
"""Masks that are kept at once; one byte an item each."""

_COMPARE: Final[dict[str, Any]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


class Matcher:
    """Finds the items for which filters hold, and keeps what it found.

    Parameters
    ----------
    columns
        Attributes of the items.
    """

    def __init__(self, columns: ItemColumns) -> None:
        self.columns = columns
        self._kept: OrderedDict[str, tuple[tuple[int, ...], np.ndarray]] = OrderedDict()

    def mask(self, given: Filter) -> np.ndarray:
        """Return (I,) bool, not to be written to: the items for which a filter holds.

        Notes
        -----
        A name that no item has is an attribute without values; `check_filter` refuses it.
        """
        key = filter_key(given)
        with self.columns.lock:
            revisions = self.revisions(given)
            if key not in self._kept or self._kept[key][0] != revisions:
                found = self._renewed(given, *self._kept.get(key, ((), np.zeros(0, bool))))
                found.flags.writeable = False
                self._kept[key] = (revisions, found)
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key][1]

    def _renewed(self, given: Filter, before: tuple[int, ...], mask: np.ndarray) -> np.ndarray:
        """Return a new mask: the one before, worked out anew for what changed if that is little."""
        columns = self.columns
        names = dict.fromkeys(condition.field for condition in conditions_of(given))
        changed = set(range(len(mask), columns.num_items))
        for name, revision in zip(names, before[1:], strict=bool(before)):
            column = columns.column(name)
            more = [] if column is None else column.changed_since(revision)
            if more is None:
                return matching(columns, given)
            changed.update(more)
        if not before or len(changed) > MOST_CHANGES:
            return matching(columns, given)
        items = np.array(sorted(changed), np.int64)
        found = np.concatenate([mask, np.zeros(columns.num_items - len(mask), bool)])
        found[items] = matching(columns, given, items)
        return found

    def revisions(self, given: Filter) -> tuple[int, ...]:
        """Return numbers that change with whatever the filter looks at."""
        names = dict.fromkeys(condition.field for condition in conditions_of(given))
        columns = (self.columns.column(name) for name in names)
        return (self.columns.num_items, *(0 if one is None else one.revision for one in columns))


def check_filter(given: Filter, columns: ItemColumns, place: str = "filter") -> None:
    """Refuse a filter over an attribute that no item has.

    Raises
    ------
    InputError
        Then; the message names the nearest that there is.
    """
    for condition in conditions_of(given):
        columns.check(condition.field, place)


def matching(columns: ItemColumns, given: Filter, items: np.ndarray | None = None) -> np.ndarray:
    """Return (n,) bool, for which items a filter holds: all, or those that are named.

    Examples
    --------
    >>> columns = ItemColumns.of([{"price": 3}, {"price": "12.50"}, {}])
    >>> cheap = Condition("price", "lt", 5)
    >>> matching(columns, cheap).tolist(), matching(columns, Not(cheap)).tolist()
    ([True, False, False], [False, True, True])
    """
    size = columns.num_items if items is None else len(items)
    match given:
        case AllOf(parts):
            found = np.ones(size, bool)
            for part in parts:
                found &= matching(columns, part, items)
            return found
        case AnyOf(parts):
            found = np.zeros(size, bool)
            for part in parts:
                found |= matching(columns, part, items)
            return found
        case Not(part):
            return ~matching(columns, part, items)
        case Condition(field, op, value):
            column = columns.column(field)
            if column is None:
                return _fulfilling(_NO_VALUES, op, value, size)
            return _fulfilling(_Values.of(column, items), op, value, size)


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of some items: of which of them each is, and what it is, (m,) each."""

    rows: np.ndarray
    code: np.ndarray
    number: np.ndarray
    column: Column

    @classmethod
    def of(cls, column: Column, items: np.ndarray | None) -> _Values:
        if items is None:
            used = slice(column.size)
            return cls(column.owner[used], column.code[used], column.number[used], column)
        places, rows = column.places_of(items)
        return cls(rows, column.code[places], column.number[places], column)


_NO_VALUES: Final = _Values.of(Column(None), None)


def _fulfilling(
    values: _Values, op: str, wanted: Scalar | tuple[Scalar, ...], size: int
) -> np.ndarray:
    """Return (n,) bool, the items that fulfil a condition."""
    if op == "ne":
        return ~_fulfilling(values, "eq", wanted, size)
    several = wanted if isinstance(wanted, tuple) else (wanted,)
    found = np.zeros(size, bool)
    if None in several:
        found[values.rows[values.rows >= 0]] = True
        found = ~found
    hits = np.zeros(len(values.rows), bool)
    for one in several:
        if one is not None:
            hits |= _hits(values, "eq" if op == "in" else op, one)
    found[values.rows[hits]] = True  # the dead fulfil no condition
    return found


def _hits(values: _Values, op: str, wanted: Scalar) -> np.ndarray:
    """Return (m,) bool, which values fulfil a condition."""
    if isinstance(wanted, bool):
        return _same_truth(values, wanted)
    if op == "contains":
        if not values.column.holds_lists():
            return _holding(values, str(wanted))
        op = "eq"
    compare, number = _COMPARE[op], number_of(wanted)
    moment = time_of(wanted) if isinstance(wanted, str) else NONE
    hits = np.zeros(len(values.rows), bool)
    if not math.isnan(number):
        hits |= compare(values.number, number)
        moment = float(epoch_ms(np.array([number]))[0])
    elif not math.isnan(moment):
        hits |= compare(epoch_ms(values.number), moment)
    if not math.isnan(moment) and values.column.has_times:
        hits |= compare(values.column.code_times(values.code), moment)
    if op == "eq" and isinstance(wanted, str):
        hits |= values.code == values.column.code_of(wanted)
    return hits


def _same_truth(values: _Values, wanted: bool) -> np.ndarray:
    """Return (m,) bool, which values are true, or false: as such, as a text, or as 1 and 0."""
    word = "true" if wanted else "false"
    hits: np.ndarray = values.number == float(wanted)
    for text in (word, word.upper(), word.title()):
        hits |= values.code == values.column.code_of(text)
    return hits


def _holding(values: _Values, text: str) -> np.ndarray:
    """Return (m,) bool, which texts have another one in them; small and capital letters alike."""
    wanted, texts = text.casefold(), values.column.texts
    codes, places = np.unique(values.code, return_inverse=True)
    holds = [code >= 0 and wanted in texts[code].casefold() for code in codes.tolist()]
    return np.array(holds, bool)[places]
