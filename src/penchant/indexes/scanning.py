"""The exact search: all rows are scored roughly, those that may be among the best exactly.

Rough scores are a matrix product's, with a bound on their error. Rows that the bound does not rule
out are scored again in float64 and rounded once, so that a score depends on the item and the query
alone, never on where a row lies, how many users ask, or which kind of index is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

import numpy as np

from penchant.indexes.rows import Block, Rows

BLOCK_CELLS: Final = 2**22
"""Rough scores held at once: 16 MiB."""

LEAST_GROUPS: Final = 1_024
"""Groups of rows whose best rough scores are compared first."""

GATHERED_SHARE: Final = 4
"""Where fewer than one row in so many is wanted, they are gathered; otherwise all are scored."""


class Found(NamedTuple):
    """Lists of B users, the best first: `indices` (B, k) int64 and `scores` (B, k) float32.

    Where fewer than k items may be found, the rest is -1 and minus infinity.
    """

    indices: np.ndarray
    scores: np.ndarray

    def of(self, user: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what was found for one user, without the padding."""
        size = int((self.indices[user] >= 0).sum())
        return self.indices[user, :size], self.scores[user, :size]


class Wanted:
    """The rows that a filter allows and that may be found, as a mask or by number.

    Parameters
    ----------
    mask
        (R,) bool.
    rows
        (n,) rising, where there is no mask.
    num_rows
        Rows R in all.
    """

    def __init__(
        self, mask: np.ndarray | None = None, rows: np.ndarray | None = None, num_rows: int = 0
    ) -> None:
        assert (mask is None) != (rows is None)
        self._mask, self._rows, self._num_rows = mask, rows, num_rows
        self._size = int(np.count_nonzero(self.mask)) if rows is None else len(rows)

    def __len__(self) -> int:
        return self._size

    @property
    def mask(self) -> np.ndarray:
        """(R,) bool, not to be changed."""
        if self._mask is None:
            self._mask = np.zeros(self._num_rows, bool)
            self._mask[self._rows] = True
        return self._mask

    @property
    def rows(self) -> np.ndarray:
        """(n,) rising."""
        if self._rows is None:
            assert self._mask is not None
            self._rows = np.flatnonzero(self._mask)
        return self._rows


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for, in rows.

    Parameters
    ----------
    queries
        (B, K, D) float32, K interests of each user.
    k
        Length of the lists.
    wanted
        The rows that are allowed and may be found; all that may when `None`.
    excluded
        Rows that are left out, for each user.
    """

    queries: np.ndarray
    k: int
    wanted: Wanted | None
    excluded: Sequence[np.ndarray]

    def users(self, users: Sequence[int]) -> Question:
        """Return what some of the users ask."""
        out = [self.excluded[user] for user in users]
        return replace(self, queries=self.queries[list(users)], excluded=out)

    def answer(self, best: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> Found:
        """Return lists of which `best` gives the items and scores, user by user."""
        shape = len(self.queries), self.k
        found = Found(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
        for user in range(len(self.queries)):
            items, scores = best(user)
            found.indices[user, : len(items)] = items
            found.scores[user, : len(items)] = scores
        return found


class Scan(Protocol):
    """How the rows of a base are scored roughly."""

    def scores(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (U, n) float32 products, the best of K, and (U,) bounds on their error.

        For queries (U, K, D). What float32 itself may be wrong by is not in the bound.
        """

    @property
    def num_bytes(self) -> int:
        """Bytes held beside the rows."""


class FloatScan:
    """One product in float32."""

    def __init__(self, base: Block) -> None:
        self.base = base

    @property
    def num_bytes(self) -> int:
        """Nothing."""
        return 0

    def scores(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (U, n) products and no error of its own."""
        return products(self.base.vectors, queries), np.zeros(len(queries))


def products(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return (U, n) the best dot product of K queries (U, K, D) with each vector (n, D).

    Notes
    -----
    One query is no matrix product: BLAS would spread it over all cores, and wait for the busiest
    (measured: 1 ms becomes 11 beside other work).
    """
    num_users, num_interests, width = queries.shape
    flat = queries.reshape(-1, width)
    # (U · K, n)
    found = np.vecdot(vectors, flat[0])[None] if len(flat) == 1 else flat @ vectors.T
    if num_interests == 1:
        return found
    return found.reshape(num_users, num_interests, -1).max(1)


def scan(rows: Rows, how: Scan, question: Question) -> Found:
    """Return the exact lists of all users."""
    wanted = question.wanted
    if wanted is not None and len(wanted) * GATHERED_SHARE < rows.num_rows:
        return _gathered(rows, question)
    num_users, num_interests, _ = question.queries.shape
    block = max(1, BLOCK_CELLS // max(1, rows.num_rows * num_interests))
    if block >= num_users:
        return _scanned(rows, how, question)
    every = range(num_users)
    cuts = (every[start : start + block] for start in range(0, num_users, block))
    parts = [_scanned(rows, how, question.users(users)) for users in cuts]
    return Found(*(np.concatenate(leaves) for leaves in zip(*parts, strict=True)))


def _scanned(rows: Rows, how: Scan, question: Question) -> Found:
    """Return the lists of users whose rough scores of all rows fit into memory."""
    rough, error = how.scores(question.queries)
    if len(rows.tail.item):
        rough = np.concatenate([rough, products(rows.tail.vectors, question.queries)], axis=1)
    rough += rows.offset
    margins = error + rounding(rows, question.queries)

    def best(user: int) -> tuple[np.ndarray, np.ndarray]:
        scores = rough[user]
        if question.wanted is not None:
            scores = np.where(question.wanted.mask, scores, np.float32(-np.inf))
        scores[question.excluded[user]] = -np.inf
        chosen = contenders(scores, float(margins[user]), question.k)
        return judged(rows, chosen, question.queries[user], question.k)

    return question.answer(best)


def _gathered(rows: Rows, question: Question) -> Found:
    """Return the lists of users of whom few rows are wanted."""
    assert question.wanted is not None
    wanted = question.wanted.rows
    vectors, offset = rows.vectors(wanted), rows.offset[wanted]
    margins = rounding(rows, question.queries)

    def best(user: int) -> tuple[np.ndarray, np.ndarray]:
        query = question.queries[user]
        scores = products(vectors, query[None])[0] + offset
        out = question.excluded[user]
        if len(out):
            scores[np.isin(wanted, out)] = -np.inf
        chosen = wanted[contenders(scores, float(margins[user]), question.k)]
        return judged(rows, chosen, query, question.k)

    return question.answer(best)


def rounding(rows: Rows, queries: np.ndarray) -> np.ndarray:
    """Return (U,) what rough scores in float32 may be wrong by.

    Notes
    -----
    A sum of D products in any order is wrong by at most D · 2^-24 times the product of the lengths,
    and by little more; here twice that.
    """
    lengths = np.sqrt(np.square(queries, dtype=np.float64).sum(2)).max(1)  # (U,)
    product = lengths * rows.bounds.norm
    return (rows.width + 8) * 2.0**-23 * product + 2.0**-22 * (rows.bounds.bias + product)


def contenders(scores: np.ndarray, margin: float, k: int) -> np.ndarray:
    """Return where scores (n,) may be among the k best, when each is wrong by `margin` at most.

    Examples
    --------
    >>> scores = np.array([5.0, -np.inf, 7.0, 4.9, 1.0], np.float32)
    >>> contenders(scores, 0.1, 2).tolist(), contenders(scores, 0.0, 2).tolist()
    ([0, 2, 3], [0, 2])
    """
    least = _kth(scores, k)
    # The k-th best true score is least - margin or more, and no other is above its own + margin.
    return np.flatnonzero((scores >= least - 2 * margin) & (scores > -np.inf))


def _kth(scores: np.ndarray, k: int) -> float:
    """Return a number that k of the scores reach at least; minus infinity if there are fewer."""
    if k >= len(scores):
        return -np.inf
    num_groups = max(LEAST_GROUPS, 8 * k)
    if len(scores) >= 4 * num_groups:  # the best of each group, of which k reach it
        height = len(scores) // num_groups
        scores = scores[: height * num_groups].reshape(height, num_groups).max(0)
    return float(np.partition(scores, len(scores) - k)[len(scores) - k])


def judged(
    rows: Rows, chosen: np.ndarray, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the items and scores of the k best of some rows, for one user's queries (K, D).

    The lower item first among equals.
    """
    vectors = rows.vectors(chosen).astype(np.float64)  # (n, D)
    exact = (vectors @ queries.astype(np.float64).T).max(1) if len(chosen) else np.zeros(0)
    scores = (exact + rows.offset[chosen]).astype(np.float32)
    items = rows.items(chosen)
    order = np.lexsort((items, -scores))[:k]
    return items[order], scores[order]
