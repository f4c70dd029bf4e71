"""For which items a filter holds: one pass over the columns that it names, kept until they change.

An item without a value fulfils no condition but `ne` and `eq null`; `not` is the complement. A
condition on several values holds where one of them fulfils it.
"""

from __future__ import annotations

import math
import operator
from collections import OrderedDict
from typing import Any, Final

import numpy as np

from penchant.policies.columns import Column, ItemColumns
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
            if key in self._kept and self._kept[key][0] == revisions:
                self._kept.move_to_end(key)
                return self._kept[key][1]
            found = matching(self.columns, given)
            found.flags.writeable = False
            self._kept[key] = (revisions, found)
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
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


def matching(columns: ItemColumns, given: Filter) -> np.ndarray:
    """Return (I,) bool, the items for which a filter holds.

    Examples
    --------
    >>> columns = ItemColumns.of([{"price": 3}, {"price": "12.50"}, {}])
    >>> cheap = Condition("price", "lt", 5)
    >>> matching(columns, cheap).tolist(), matching(columns, Not(cheap)).tolist()
    ([True, False, False], [False, True, True])
    """
    match given:
        case AllOf(parts):
            found = np.ones(columns.num_items, bool)
            for part in parts:
                found &= matching(columns, part)
            return found
        case AnyOf(parts):
            found = np.zeros(columns.num_items, bool)
            for part in parts:
                found |= matching(columns, part)
            return found
        case Not(part):
            return ~matching(columns, part)
        case Condition(field, op, value):
            return _fulfilling(columns.column(field), op, value, columns.num_items)


def _fulfilling(
    column: Column | None, op: str, value: Scalar | tuple[Scalar, ...], num_items: int
) -> np.ndarray:
    """Return (I,) bool, the items that fulfil a condition."""
    if op == "ne":
        return ~_fulfilling(column, "eq", value, num_items)
    values = value if isinstance(value, tuple) else (value,)
    has = np.zeros(num_items, bool) if column is None else column.has_value(num_items)
    found = ~has if None in values else np.zeros(num_items, bool)
    if column is not None:
        hits = np.zeros(column.size, bool)
        for one in values:
            if one is not None:
                hits |= _hits(column, "eq" if op == "in" else op, one)
        found[column.owner[: column.size][hits]] = True  # the dead fulfil no condition
    return found


def _hits(column: Column, op: str, value: Scalar) -> np.ndarray:
    """Return (E,) bool, which values of a column fulfil a condition."""
    code, number = column.code[: column.size], column.number[: column.size]
    if isinstance(value, bool):
        return _same_truth(column, value)
    if op == "contains":
        if not column.holds_lists():
            return _holding(column, str(value))
        op = "eq"
    compare = _COMPARE[op]
    wanted = number_of(value)
    moment = time_of(value) if isinstance(value, str) else NONE
    hits = np.zeros(column.size, bool)
    if not math.isnan(wanted):
        hits |= compare(number, wanted)
        moment = float(epoch_ms(np.array([wanted]))[0])
    elif not math.isnan(moment):
        hits |= compare(epoch_ms(number), moment)
    if not math.isnan(moment) and column.has_times():
        hits |= _of_codes(compare(column.code_times(), moment), code)
    if op == "eq" and isinstance(value, str):
        hits |= code == column.code_of(value)
    return hits


def _same_truth(column: Column, value: bool) -> np.ndarray:
    """Return (E,) bool, which values are true, or false: as such, as a text, or as 1 and 0."""
    word = "true" if value else "false"
    hits = column.number[: column.size] == float(value)
    for text in (word, word.upper(), word.title()):
        hits |= column.code[: column.size] == column.code_of(text)
    return hits


def _holding(column: Column, text: str) -> np.ndarray:
    """Return (E,) bool, which texts have another one in them; small and capital letters alike."""
    wanted = text.casefold()
    holds = np.array([wanted in one.casefold() for one in column.texts], bool)
    return _of_codes(holds, column.code[: column.size])


def _of_codes(holds: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Return (E,) what holds of the text of each value, False for those that are no texts."""
    return np.append(holds, False)[code]  # the code of what is no text, -1, reads the last
