"""Attributes as they are given from outside, one mapping for each user or item.

They are read as the table of the training was: what cannot be read counts as unknown. `read_given`
does for a few what a table does for many; `check_given` is the door for what somebody types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import InputError
from penchant.events.attributes import Attribute, BagAttribute, NumericAttribute
from penchant.events.features import Encoded, FeatureEncoder, ItemFeatures
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


def read_given(given: Sequence[Mapping[str, Any]], encoder: FeatureEncoder) -> ItemFeatures:
    """Return what an encoder makes of attributes, without a table.

    Notes
    -----
    Some ten microseconds for each attribute, where the first row of a table takes milliseconds.

    Relations
    ---------
    Equals `encoder.transform(given_table(given, encoder))`.
    """
    read = Encoded()
    for each in encoder.attributes:
        values = [one.get(each.name) for one in given]
        if isinstance(each, NumericAttribute):
            read.numbers.append((each, np.array([_number(value) for value in values], float)))
            continue
        place = encoder.places[each.name]
        if isinstance(each, BagAttribute):
            found = [
                sorted({place[part] for part in _known(_parts(value, each.separator), place)})
                for value in values
            ]
            row = np.repeat(np.arange(len(given)), [len(indices) for indices in found])
            index = np.array([one for indices in found for one in indices], np.int64)
            read.bags.append((each, row, index))
        else:
            texts = [_stripped(_text(value)) for value in values]
            index = np.array([place.get(text, -1) + 1 for text in texts], np.int64)
            read.categories.append((each, index))
    return read.features(len(given))


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
    return value is None or math.isfinite(_number(value))


def _number(value: Any) -> float:
    """Return a number, NaN where the value is none."""
    try:
        number = float(_text(value) or "nan")
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _stripped(text: str | None) -> str:
    return "" if text is None else text.strip()


def _known(parts: list[str] | None, place: Mapping[str, int]) -> list[str]:
    return [text for part in parts or () if (text := part.strip()) in place]


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
