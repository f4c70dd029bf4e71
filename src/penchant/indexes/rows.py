"""What an index holds at one moment, as a value that never changes.

Items stand in rows: a base that was laid once, and a tail that grows by what came since. A row is
written once and read by every later value; a replaced item gets another row. Which row counts is
said by `offset` and `row_of`, which are copied when they change. Writing is `RowLog`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """Rows that lie together: `vectors` (n, D), `bias` (n,) float32, `item` (n,) int32."""

    vectors: np.ndarray
    bias: np.ndarray
    item: np.ndarray

    @property
    def num_bytes(self) -> int:
        """Bytes of the rows."""
        return self.vectors.nbytes + self.bias.nbytes + self.item.nbytes


class Bounds(NamedTuple):
    """The greatest length of a vector and the greatest size of a bias, for bounds on rounding."""

    norm: float
    bias: float

    @classmethod
    def of(cls, vectors: np.ndarray, bias: np.ndarray) -> Bounds:
        """Return those of some rows (n, D), (n,)."""
        finite = np.abs(bias[bias > -np.inf])
        square = np.einsum("nd,nd->n", vectors, vectors)
        return cls(float(np.sqrt(square.max(initial=0.0))), float(finite.max(initial=0.0)))

    def joined(self, other: Bounds) -> Bounds:
        """Return those of both."""
        return Bounds(max(self.norm, other.norm), max(self.bias, other.bias))


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors in R rows, and what they stand for.

    Parameters
    ----------
    base, tail
        The rows, in two blocks; those of the tail come behind those of the base.
    offset
        (R,) the bias of rows that may be found, minus infinity of the others.
    row_of
        (I,) int32 the row of each item, -1 where it has no vector.
    is_hidden
        (I,) bool which items are kept out of lists.
    num_listed
        Rows that may be found.
    bounds
        Of all rows.
    is_plain
        Whether the rows of the base are those of items 0, 1, 2, …
    """

    base: Block
    tail: Block
    offset: np.ndarray
    row_of: np.ndarray
    is_hidden: np.ndarray
    num_listed: int
    bounds: Bounds
    is_plain: bool

    @property
    def num_rows(self) -> int:
        """Rows R, those that count no more included."""
        return len(self.offset)

    @property
    def width(self) -> int:
        """Width D of vectors."""
        return int(self.base.vectors.shape[1])

    @property
    def num_bytes(self) -> int:
        """Bytes of all of it; the base's vectors may be the caller's own."""
        beside = self.offset.nbytes + self.row_of.nbytes + self.is_hidden.nbytes
        return self.base.num_bytes + self.tail.num_bytes + beside

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return (n, D) the vectors of rows (n,)."""
        return _taken(self.base.vectors, self.tail.vectors, rows)

    def biases(self, rows: np.ndarray) -> np.ndarray:
        """Return (n,) the biases of rows (n,), of hidden ones too."""
        return _taken(self.base.bias, self.tail.bias, rows)

    def items(self, rows: np.ndarray) -> np.ndarray:
        """Return (n,) int64 the items that rows (n,) stand for."""
        return _taken(self.base.item, self.tail.item, rows).astype(np.int64)

    def rows(self, items: np.ndarray) -> np.ndarray:
        """Return the rows of items; those that are not known, or have none, are left out."""
        if len(items) == 0:
            return np.zeros(0, np.int32)
        known = items[(items >= 0) & (items < len(self.row_of))]
        found = self.row_of[known]
        return found[found >= 0]

    def listed(self, items: np.ndarray) -> np.ndarray:
        """Return the rows that may be found among those of items, rising, each once."""
        rows = np.unique(self.rows(items))
        return rows[self.offset[rows] > -np.inf]

    def listed_where(self, allowed: np.ndarray) -> np.ndarray:
        """Return (R,) bool which rows may be found and stand for an item of a mask.

        Items behind the end of the mask are not allowed.
        """
        is_listed = self.offset > -np.inf
        size, num = len(self.base.item), len(allowed)
        if self.is_plain:
            is_listed[: min(size, num)] &= allowed[:size]
            is_listed[min(size, num) : size] = False
        else:
            is_listed[:size] &= _where(allowed, self.base.item)
        is_listed[size:] &= _where(allowed, self.tail.item)
        return is_listed

    def all_listed(self) -> np.ndarray:
        """Return all rows that may be found, rising."""
        return np.flatnonzero(self.offset > -np.inf)


def _taken(base: np.ndarray, tail: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows of two arrays, of which the second comes behind the first."""
    if len(tail) == 0:
        return base[rows]
    in_base = rows < len(base)
    found = np.empty((len(rows), *base.shape[1:]), base.dtype)
    found[in_base] = base[rows[in_base]]
    found[~in_base] = tail[rows[~in_base] - len(base)]
    return found


def _where(mask: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return (n,) bool which items a mask names."""
    found = items < len(mask)
    found[found] = mask[items[found]]
    return found
