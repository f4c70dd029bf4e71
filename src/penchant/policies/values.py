"""How one value of an item or of a filter is read: as a text, a number, a time.

Numbers written as texts are numbers, ISO 8601 texts are times, numbers are times where they are
held against one. What is empty is missing.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from numbers import Real
from typing import Any, Final

import numpy as np

NONE: Final = float("nan")
"""A number or a time that a value is not."""

_NUMBER: Final = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")

_UNITS: Final = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (np.inf, 1e-6))
"""Below which size a number stands for a time in which unit, as factors to milliseconds."""


def number_of(value: Any) -> float:
    """Return a value as a number, NaN where it is none.

    Examples
    --------
    >>> [number_of(value) for value in (3, "4.5", "00501", "soon", True, float("inf"))]
    [3.0, 4.5, nan, nan, nan, nan]
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else NONE
    if isinstance(value, str):
        return number_of(float(value)) if _NUMBER.fullmatch(value) else NONE
    is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    return float(value) if is_number and math.isfinite(value) else NONE


def time_of(text: str) -> float:
    """Return the epoch milliseconds of an ISO 8601 text, NaN where it is none.

    Examples
    --------
    >>> time_of("1970-01-02"), time_of("1970-01-01T02:00:00+02:00"), time_of("1970")
    (86400000.0, 0.0, nan)
    """
    if not _TIME.fullmatch(text):
        return NONE
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return NONE
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


def epoch_ms(numbers: np.ndarray) -> np.ndarray:
    """Return (n,) milliseconds since 1970 for numbers in a unit that is guessed from their size.

    Examples
    --------
    >>> epoch_ms(np.array([1.7e9, 1.7e12, np.nan])).tolist()
    [1700000000000.0, 1700000000000.0, nan]
    """
    size = np.abs(numbers)
    return numbers * np.select([size < bound for bound, _ in _UNITS], [f for _, f in _UNITS], NONE)


def members_of(value: Any, separator: re.Pattern[str] | None) -> tuple[list[Any], bool]:
    """Return the single values that an attribute holds, each once, and whether it is a list.

    Parameters
    ----------
    value
        A scalar, or a list of scalars.
    separator
        What stands between the values of a text that holds several; None: it holds one.

    Notes
    -----
    Texts lose the space around them, times become ISO texts, true and false the texts "true" and
    "false". Empty texts, NaN, None and what is nested deeper are left out.

    Examples
    --------
    >>> members_of("Drama| War|Drama", re.compile(r"\\|"))
    (['Drama', 'War'], True)
    >>> members_of(True, None), members_of([3, None], None), members_of({"a": 1}, None)
    ((['true'], False), ([3.0], True), ([], False))
    """
    is_list = isinstance(value, list | tuple | set | frozenset | np.ndarray)
    parts = value if is_list else (value,)
    if separator is not None:
        parts = [
            part
            for one in parts
            for part in (separator.split(one) if isinstance(one, str) else (one,))
        ]
        is_list = is_list or len(parts) > 1
    if len(parts) == 1:  # the usual case
        known = _member(parts[0])
        return [] if known is None else [known], is_list
    members = dict.fromkeys(map(_member, parts))
    members.pop(None, None)
    return list(members), is_list


def _member(one: Any) -> str | float | None:
    """Return a single value as it is kept, None where there is none."""
    if isinstance(one, str):
        return one.strip() or None
    if isinstance(one, bool | np.bool_):
        return "true" if one else "false"
    if isinstance(one, date):
        return one.isoformat()
    number = number_of(one)
    return None if math.isnan(number) else number
