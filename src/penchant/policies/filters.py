"""The filter language: conditions on attributes of items, joined by all, any and not.

A filter comes in as JSON or TOML, is checked here once, and is a frozen value from then on. Which
items it holds for is found in `matching`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penchant.errors import InputError
from penchant.policies.values import number_of, time_of
from penchant.registry import nearest

OPS: Final = ("eq", "ne", "in", "lt", "le", "gt", "ge", "contains")
ORDERED: Final = frozenset({"lt", "le", "gt", "ge"})
JOINS: Final = ("all", "any", "not")

MOST_DEPTH: Final = 8
MOST_CONDITIONS: Final = 64
MOST_VALUES: Final = 1_000
MOST_LETTERS: Final = 1_000

Scalar = str | float | int | bool | None

_EXAMPLE: Final = 'Say {"field": "category", "op": "eq", "value": "Drama"}.'


@dataclass(frozen=True, slots=True)
class Condition:
    """One attribute held against a value, or against several for `in`."""

    field: str
    op: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds where every part does; without parts everywhere."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where one part does; without parts nowhere."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where its part does not."""

    part: Filter


Filter = Condition | AllOf | AnyOf | Not


def parse_filter(given: Any, place: str = "filter") -> Filter:
    """Check a filter and return it as a value.

    Parameters
    ----------
    given
        What JSON or TOML holds.
    place
        Where it stands, for messages.

    Raises
    ------
    InputError
        When it is no filter, or too deep or too large a one.

    Relations
    ---------
    `parse_filter(filter_to_dict(one))` equals `one`.

    Examples
    --------
    >>> parse_filter({"not": {"field": "price", "op": "lt", "value": 5}})
    Not(part=Condition(field='price', op='lt', value=5))
    """
    found = _parsed(given, place, 1)
    if (size := len(conditions_of(found))) > MOST_CONDITIONS:
        raise InputError(
            f"{place} must have at most {MOST_CONDITIONS} conditions but has {size}.",
            'Join values of one field by "in".',
        )
    return found


def filter_to_dict(given: Filter) -> dict[str, Any]:
    """Return a filter as JSON holds it."""
    match given:
        case AllOf(parts):
            return {"all": [filter_to_dict(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [filter_to_dict(part) for part in parts]}
        case Not(part):
            return {"not": filter_to_dict(part)}
        case Condition(field, op, value):
            plain = list(value) if isinstance(value, tuple) else value
            return {"field": field, "op": op, "value": plain}


def filter_key(given: Filter) -> str:
    """Return a text that two filters share only if they are written alike.

    Python holds 1, 1.0 and true to be equal; a filter does not.
    """
    return json.dumps(filter_to_dict(given))


def conditions_of(given: Filter) -> list[Condition]:
    """Return the conditions of a filter, in the order in which they stand."""
    match given:
        case AllOf(parts) | AnyOf(parts):
            return [condition for part in parts for condition in conditions_of(part)]
        case Not(part):
            return conditions_of(part)
        case Condition():
            return [given]


def _parsed(given: Any, place: str, depth: int) -> Filter:
    if not isinstance(given, Mapping):
        raise InputError(f"{place} must be a table but is {_told(given)}.", _EXAMPLE)
    if depth > MOST_DEPTH:
        raise InputError(f"{place} lies deeper than {MOST_DEPTH} levels.", "Write it flatter.")
    joins = [word for word in JOINS if word in given]
    if not joins:
        return _condition(given, place)
    if len(given) > 1:
        others = ", ".join(str(key) for key in given if key != joins[0])
        raise InputError(
            f'{place} must hold "{joins[0]}" alone but also holds {others}.',
            'Put all of it in one "all".',
        )
    inside, below = given[joins[0]], f"{place}.{joins[0]}"
    if joins[0] == "not":
        return Not(_parsed(inside, below, depth + 1))
    if not isinstance(inside, list | tuple):
        raise InputError(f"{below} must be a list but is {_told(inside)}.", _EXAMPLE)
    parts = (_parsed(part, f"{below}[{at}]", depth + 1) for at, part in enumerate(inside))
    join: Callable[[tuple[Filter, ...]], Filter] = AllOf if joins[0] == "all" else AnyOf
    return join(tuple(parts))


def _condition(given: Mapping[Any, Any], place: str) -> Condition:
    known = ("field", "op", "value")
    for key in given:
        if key not in known:
            raise InputError(f'{place} has no "{key}".', nearest(str(key), [*known, *JOINS]))
    for key in known:
        if key not in given:
            raise InputError(f"{place} must say its {key}.", _EXAMPLE)
    field, op, value = (given[key] for key in known)
    if not isinstance(field, str) or not 1 <= len(field) <= MOST_LETTERS:
        raise InputError(f"{place}.field must be a name but is {_told(field)}.", _EXAMPLE)
    if op not in OPS:
        raise InputError(f"{place}.op is none: {_told(op)}.", nearest(str(op), list(OPS)))
    return Condition(field, op, _value(value, op, f"{place}.value"))


def _value(value: Any, op: str, place: str) -> Scalar | tuple[Scalar, ...]:
    if op == "in":
        if not isinstance(value, list | tuple):
            raise InputError(f"{place} must be a list but is {_told(value)}.", 'Or say "eq".')
        if len(value) > MOST_VALUES:
            raise InputError(
                f"{place} must have at most {MOST_VALUES} values but has {len(value)}.",
                "Give candidates by their ids where they are many.",
            )
        return tuple(_scalar(one, f"{place}[{at}]") for at, one in enumerate(value))
    scalar = _scalar(value, place)
    if op in ORDERED and not _is_ordered(scalar):
        raise InputError(
            f"{place} must be a number or a time for {op} but is {_told(value)}.",
            'Write a time as "2026-05-01".',
        )
    if op == "contains" and (scalar is None or isinstance(scalar, bool)):
        raise InputError(
            f"{place} must be a text or a number for contains but is {_told(value)}.",
            'Or say "eq".',
        )
    return scalar


def _scalar(value: Any, place: str) -> Scalar:
    if isinstance(value, str):
        if len(value) > MOST_LETTERS:
            raise InputError(
                f"{place} must have at most {MOST_LETTERS} letters but has {len(value)}.",
                "Shorten it.",
            )
        return value.strip()
    is_plain = value is None or isinstance(value, bool | int | float)
    if is_plain and (not isinstance(value, float) or math.isfinite(value)):
        return value
    if hasattr(value, "isoformat"):  # TOML has times
        return str(value.isoformat())
    raise InputError(
        f"{place} must be a text, a finite number, true, false or null but is {_told(value)}.",
        'Several values go with "in".',
    )


def _is_ordered(value: Scalar) -> bool:
    is_time = isinstance(value, str) and not math.isnan(time_of(value))
    return is_time or not math.isnan(number_of(value))


def _told(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
