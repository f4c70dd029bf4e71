"""What comes into an index is checked once, here."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Final

import numpy as np

from penchant.errors import ConfigError, InputError, ShapeError
from penchant.indexes.rows import Rows
from penchant.indexes.scanning import Question, Wanted

MOST_ITEMS: Final = 2**31 - 1


def vectors_in(given: Any, width: int | None = None) -> np.ndarray:
    """Return vectors (n, D) as float32 rows that lie together, copied only where they must be.

    Raises
    ------
    ShapeError
        When they are no table, or not as wide as the index.
    InputError
        When a number is not finite.
    """
    vectors = np.ascontiguousarray(given, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise ShapeError(
            f"vectors of items must be a table (n, D) but have shape {vectors.shape}.",
            "Give one row per item.",
        )
    if width is not None and vectors.shape[1] != width:
        raise ShapeError(
            f"vectors must have the width of the index ({width}) but have {vectors.shape[1]}.",
            "Build another index for vectors of another model.",
        )
    # In float64 a sum of float32 is finite exactly where all of it is.
    if not np.isfinite(vectors.sum(dtype=np.float64)):
        row = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
        raise InputError(
            f"vectors of items must be finite but row {row} holds {_first_bad(vectors[row])}.",
            "Leave items without a vector out with a bias of minus infinity.",
        )
    return vectors


def bias_in(given: Any, num: int) -> np.ndarray:
    """Return biases (n,) float32, zeros when `None`.

    Raises
    ------
    ShapeError
        When there is not one per vector.
    InputError
        When one is neither a number nor minus infinity.
    """
    if given is None:
        return np.zeros(num, np.float32)
    bias = np.array(given, dtype=np.float32)
    if bias.shape != (num,):
        raise ShapeError(
            f"there must be one bias per vector ({num}) but their shape is {bias.shape}.",
            "Give one per item, or none at all.",
        )
    wrong = ~(bias < np.inf)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"biases must be finite, or minus infinity, but that of row {row} is {bias[row]}.",
            "Mend the model that they come from.",
        )
    return bias


def items_in(given: Any) -> np.ndarray:
    """Return the places of items as int64 (n,).

    Raises
    ------
    InputError
        When they are no whole numbers, or out of range.
    """
    items = _places(given)
    least, most = int(items.min(initial=0)), int(items.max(initial=0))
    if least < 0 or most >= MOST_ITEMS:
        wrong = least if least < 0 else most
        raise InputError(
            f"items must be from 0 to {MOST_ITEMS - 1:,} but one is {wrong:,}.",
            "Give their places in the vocabulary.",
        )
    return items


def check_one_each(items: np.ndarray, vectors: np.ndarray) -> None:
    """Refuse vectors that are not one per item.

    Raises
    ------
    ShapeError
        With both numbers.
    """
    if len(items) != len(vectors):
        raise ShapeError(
            f"there must be one vector per item ({len(items)}) but there are {len(vectors)}.",
            "Give one row for each item that is named.",
        )


def question_in(
    rows: Rows, queries: Any, k: int, allowed: Any, excluded: Sequence[np.ndarray] | None
) -> Question:
    """Return a search as the rows at hand understand it.

    Raises
    ------
    ShapeError
        When queries are not (B, D) or (B, K, D), or `excluded` is not one array per user.
    InputError
        When k is below 1 or a query is not finite.
    """
    if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
        raise InputError(f"k must be a whole number from 1 on but is {k!r}.", "Ask for 10.")
    asked = np.ascontiguousarray(queries, dtype=np.float32)
    asked = asked[:, None] if asked.ndim == 2 else asked
    if asked.ndim != 3 or asked.shape[1] == 0 or asked.shape[2] != rows.width:
        raise ShapeError(
            f"queries must be (B, {rows.width}), or (B, K, {rows.width}) with K from 1 on, but "
            f"their shape is {np.shape(queries)}.",
            "Give the interest vectors as the head sees them.",
        )
    if not np.isfinite(asked).all():
        user = int(np.flatnonzero(~np.isfinite(asked).all((1, 2)))[0])
        raise InputError(
            f"queries must be finite but that of user {user} holds {_first_bad(asked[user])}.",
            "Look at that user's history and at the model.",
        )
    out = [np.zeros(0, np.int64)] * len(asked) if excluded is None else excluded
    if len(out) != len(asked):
        raise ShapeError(
            f"there must be one array of excluded items per user ({len(asked)}) but there are "
            f"{len(out)}.",
            "Give an empty one to users who exclude nothing.",
        )
    left_out = [rows.rows(_places(each)) for each in out]
    return Question(asked, int(k), wanted_in(rows, allowed), left_out)


def wanted_in(rows: Rows, allowed: Any) -> Wanted | None:
    """Return what a filter allows, given as a mask (I,) of items or by their places; None for all.

    A mask may be shorter than the catalogue, whose rest is then not allowed, or longer.
    """
    if allowed is None:
        return None
    given = np.asarray(allowed)
    if given.dtype == bool and given.ndim == 1:
        return Wanted(mask=rows.listed_where(given))
    return Wanted(rows=rows.listed(_places(given)), num_rows=rows.num_rows)


def _places(given: Any) -> np.ndarray:
    """Return places of items (n,) int64, those that stand for no item included."""
    items = np.atleast_1d(np.asarray(given))
    if items.size == 0:
        return np.zeros(0, np.int64)
    if items.ndim != 1 or not np.issubdtype(items.dtype, np.integer):
        raise InputError(
            f"items must be a row of whole numbers but are {items.dtype} of shape {items.shape}.",
            "Give their places in the vocabulary.",
        )
    return items.astype(np.int64)


def share_in(name: str, given: float) -> float:
    """Return a share.

    Raises
    ------
    ConfigError
        When it is not from 0 to 1.
    """
    if not 0 <= given <= 1:
        raise ConfigError(f"{name} must be from 0 to 1 but is {given}.", f"Set {name}=0.95.")
    return float(given)


def _first_bad(values: np.ndarray) -> float:
    return float(values[~np.isfinite(values)][0])
