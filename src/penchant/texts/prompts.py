"""Writes what is known of each item as one text for a model to read.

A template names columns, `{title}. {category}`. What an item lacks leaves no hole: the words and
marks that belong to a missing value go with it.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penchant.errors import ConfigError
from penchant.registry import nearest

SYNONYMS: Final = (
    ("title", "name", "product_title", "item_name", "headline"),
    ("category", "categories", "main_category", "genres", "genre", "topic"),
    ("price",),
    ("text", "description", "abstract", "summary", "overview", "body", "content"),
)
"""Columns of a default prompt, in its order; of each row the first one that is there."""

MOST_CHARACTERS: Final = 1 << 15
"""No value is read to more characters."""

_BORDER: Final = re.compile(r"[^\w\s]*[.,;:!?|/)\]-][^\w\s]*\s+|\s*[|/;]\s*")
_MARKS: Final = " \t\n.,;:|/-–—·•"
_CLOSERS: Final = ")]}>\"'»”’"
_STOPS: Final = ".!?。！？…"


@dataclass(frozen=True, slots=True)
class _Clause:
    """A column, and the words that come and go with its value."""

    before: str
    column: str
    after: str


def prompts(columns: Mapping[str, Sequence[Any]], template: str = "") -> list[str]:
    """Return the text of each item.

    Parameters
    ----------
    columns
        Values by the name of their column, as many in each; None, NaN and blanks are missing.
        Lists, and strings such as `a|b`, are read as `a, b`.
    template
        Columns in braces, with words around them; empty for a default made of whichever of
        title, category, price and text (or a synonym, see `SYNONYMS`) is there.

    Raises
    ------
    ConfigError
        When the template names a column that is not there or cannot be read, or when there is
        none and no column is known to say anything.

    Notes
    -----
    Words between two values belong to the first up to the first mark that is followed by a
    space, else to the second.

    Examples
    --------
    >>> columns = {"title": ["Soap", "Comb"], "price": [2.5, None], "genres": ["Bath|Gift", ""]}
    >>> prompts(columns)
    ['Soap. Bath, Gift. 2.5', 'Comb']
    >>> prompts(columns, "{title} ({genres}), costs {price} dollars.")
    ['Soap (Bath, Gift), costs 2.5 dollars.', 'Comb']
    """
    text = template or default_template(list(columns))
    clauses = _clauses(text)
    for clause in clauses:
        if clause.column not in columns:
            raise ConfigError(
                f'The template "{text}" names the column "{clause.column}", which is not there.',
                nearest(clause.column, list(columns)),
            )
    values = [[written(value) for value in columns[clause.column]] for clause in clauses]
    return [_joined(clauses, row) for row in zip(*values, strict=True)]


def default_template(columns: Sequence[str]) -> str:
    """Return the template for columns of these names.

    Raises
    ------
    ConfigError
        When none of them is known to say what an item is.

    Examples
    --------
    >>> default_template(["item_id", "description", "Name"])
    '{Name}. {description}'
    """
    by_name = {column.lower(): column for column in reversed(columns)}
    found = [
        next(by_name[name] for name in names if name in by_name)
        for names in SYNONYMS
        if any(name in by_name for name in names)
    ]
    if not found:
        raise ConfigError(
            "No column is known to say in words what an item is: looked for "
            f"{', '.join(name for names in SYNONYMS for name in names)}; "
            f"there are {', '.join(columns) or 'none'}.",
            'Give a template that names one: "{my_column}".',
        )
    return ". ".join("{" + column + "}" for column in found)


def written(value: Any) -> str:
    """Return a value in words, empty where there is none.

    Examples
    --------
    >>> [written(value) for value in (12.0, "a|b", ["x", None, "y"], float("nan"), None)]
    ['12', 'a, b', 'x, y', '', '']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        text = value[:MOST_CHARACTERS].replace("\x00", " ")
        parts = text.split("|") if "|" in text else [text]
        return ", ".join(part for part in (part.strip() for part in parts) if part)
    if isinstance(value, float):
        return f"{value:.10g}"
    if hasattr(value, "tolist"):  # a NumPy scalar or array
        return written(value.tolist())
    if isinstance(value, Sequence) or hasattr(value, "to_list"):
        return ", ".join(text for text in map(written, value) if text)
    return str(value)


def _clauses(template: str) -> list[_Clause]:
    """Split a template into its columns, each with its words."""
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise _unreadable(template, str(error)) from error
    words, columns = [""], []
    for literal, column, form, conversion in pieces:
        words[-1] += literal
        if column is None:
            continue
        if not column or form or conversion:
            raise _unreadable(template, f'"{column}:{form}" is no plain name')
        columns.append(column)
        words.append("")
    if not columns:
        raise _unreadable(template, "it names no column")
    befores, afters = [words[0]], []
    for between in words[1:-1]:
        border = _BORDER.search(between)
        cut = border.end() if border else 0
        afters.append(between[:cut])
        befores.append(between[cut:])
    afters.append(words[-1])
    return [_Clause(*parts) for parts in zip(befores, columns, afters, strict=True)]


def _joined(clauses: Sequence[_Clause], values: Sequence[str]) -> str:
    """Return the clauses of the values that are there, without marks that separate nothing."""
    there = [index for index, value in enumerate(values) if value]
    text = ""
    for index in there:
        before, after = clauses[index].before, clauses[index].after
        if index and index == there[0]:
            before = before.lstrip(_MARKS)
        elif text and not (text + before)[-1].isspace() and not values[index - 1]:
            # the border stood behind a value that is missing
            before = (clauses[index - 1].after.lstrip(_CLOSERS) or " ") + before
        if values[index][-1] in _STOPS and after.startswith("."):
            after = after[1:]
        if index == there[-1] and index < len(clauses) - 1:
            after = after.rstrip(_MARKS)
        text += before + values[index] + after
    return text.strip()


def _unreadable(template: str, reason: str) -> ConfigError:
    return ConfigError(
        f'The template "{template}" cannot be read: {reason}.',
        'Write columns in braces, as in "{title}. {category}".',
    )
