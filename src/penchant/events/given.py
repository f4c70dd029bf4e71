"""Attributes as they are given from outside, one mapping for each user or item, as a table.

A fitted encoder reads the table as it reads the one of the training: what it cannot read counts as
unknown. `check_given` is the door for attributes that somebody types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from penchant.errors import InputError
from penchant.events.attributes import Attribute, BagAttribute, NumericAttribute
from penchant.events.features import FeatureEncoder
from penchant.registry import nearest


def given_table(given: Sequence[Mapping[str, Any]], encoder: FeatureEncoder) -> pl.DataFrame:
    """Return a table, one row for each mapping, with the attributes that an encoder reads.

    Examples
    --------
    >>> users = pl.DataFrame({"age": [20, 40], "langs": ["de|en", "en"]})
    >>> encoder = FeatureEncoder.fit(users)
    >>> table = given_table([{"age": "31", "langs": ["en"]}, {"langs": "en|de"}], encoder)
    >>> table.select("age", "langs").rows()
    [('31', ['en']), (None, ['en', 'de'])]
    """
    columns = {
        each.name: _column(each, [one.get(each.name) for one in given])
        for each in encoder.attributes
    }
    rows = pl.Series([None] * len(given), dtype=pl.Null)  # counts them where nothing is read
    return pl.DataFrame({"": rows, **columns})


def check_given(given: Mapping[str, Any], encoder: FeatureEncoder) -> None:
    """See that attributes are among those of the training, and numbers where numbers are read.

    Raises
    ------
    InputError
        Naming the first that is not.
    """
    by_name = {each.name: each for each in encoder.attributes}
    known = [*by_name, *encoder.left_out]
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f'Attributes must be among those that the model was trained with, but "{name}" is '
                "not.",
                nearest(name, list(by_name)),
            )
        if isinstance(by_name.get(name), NumericAttribute) and not _is_number(value):
            raise InputError(
                f"{name} must be a number but is {value!r}.", f"Say {name}=31, or leave it out."
            )


def _is_number(value: Any) -> bool:
    if value is None or isinstance(value, date):
        return True
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _column(attribute: Attribute, values: list[Any]) -> pl.Series:
    if isinstance(attribute, BagAttribute):
        lists = [_parts(value, attribute.separator) for value in values]
        return pl.Series(attribute.name, lists, dtype=pl.List(pl.String))
    return pl.Series(attribute.name, [_text(value) for value in values], dtype=pl.String)


def _parts(value: Any, separator: str | None) -> list[str] | None:
    if isinstance(value, str) and separator is not None:
        return re.split(separator, value)
    if isinstance(value, list | tuple | set | frozenset):
        return [text for each in value if (text := _text(each)) is not None]
    text = _text(value)
    return None if text is None else [text]


def _text(value: Any) -> str | None:
    """Return a value as the text that a column of such values is read as."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return str(moment.timestamp() / 86_400)
    if isinstance(value, date):
        return str((value - date(1970, 1, 1)).days)
    return str(value)
