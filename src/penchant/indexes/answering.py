"""One search of one moment of an index, by its lists where it has some, by all rows otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from penchant.indexes.lists import Lists
from penchant.indexes.rows import Rows
from penchant.indexes.scanning import (
    Found,
    Question,
    Scan,
    contenders,
    judged,
    products,
    rounding,
    scan,
)

EXACT_ROWS: Final = 20_000
"""Where a filter leaves no more rows, they are compared one by one."""

FEW_EXCLUDED: Final = 64
"""So many rows are fetched on top of what is needed, in place of those excluded."""

FETCHED_PER_PLACE: Final = 4
LEAST_FETCHED: Final = 40
"""Rows that the lists give and that are scored again, as one byte a number is rough."""

DEPTH_POWER: Final = 0.4
"""How the lists to be looked into grow with the place of an item.

Measured, for the same recall: the 100th best takes 1.4 times the lists of the ten best, the 1,000th
four times.
"""

DEEPEST_SHARE: Final = 10
"""What lies behind one row in so many is looked for among all rows."""

DEPTH: Final = 10
"""The length of lists whose recall is measured."""


@dataclass(frozen=True, slots=True)
class State:
    """All that a search reads.

    Parameters
    ----------
    rows
        The items.
    scan
        How the base is scored, where all of it is.
    lists
        The base in lists, if any.
    num_probes
        Lists that a search looks into.
    exact_rows
        Where a filter leaves no more, they are compared one by one.
    shown
        Rows of the base that may be found and are in no list: shown again since.
    """

    rows: Rows
    scan: Scan
    lists: Lists | None = None
    num_probes: int = 0
    exact_rows: int = EXACT_ROWS
    shown: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def moved(self, rows: Rows) -> State:
        """Return the state after a change of the rows, the base being the same."""
        if self.lists is None:
            return replace(self, rows=rows)
        listed = rows.offset[: len(rows.base.item)] > -np.inf
        return replace(self, rows=rows, shown=np.flatnonzero(listed & ~self.lists.is_in))

    @property
    def num_extra(self) -> int:
        """Rows that are compared one by one."""
        return len(self.rows.tail.item) + len(self.shown)

    @property
    def num_stale(self) -> int:
        """Rows of the lists that may be found no more; without lists, of the base, for good."""
        size = len(self.rows.base.item)
        if self.lists is None:
            row_of = self.rows.row_of
            return size - int(np.count_nonzero((row_of >= 0) & (row_of < size)))
        listed = int(np.count_nonzero(self.rows.offset[:size] > -np.inf))
        return self.lists.num_rows - (listed - len(self.shown))

    @property
    def num_bytes(self) -> int:
        """Bytes of rows, codes and lists."""
        lists = 0 if self.lists is None else self.lists.num_bytes
        return self.rows.num_bytes + self.scan.num_bytes + lists


def answer(state: State, question: Question) -> Found:
    """Return the lists of all users; k items each, wherever so many may be found."""
    wanted = question.wanted
    is_few = wanted is not None and len(wanted) <= state.exact_rows
    if state.lists is None or is_few or _is_deep(state, question.k):
        return scan(state.rows, state.scan, question)
    near = _near(state, question)

    def best(user: int) -> tuple[np.ndarray, np.ndarray]:
        is_wanted = _is_wanted(state.rows, question, user, near[user])
        nearest = near[user][:, : 2 * question.k] >= 0, is_wanted[:, : 2 * question.k]
        num_near, num_kept = int(nearest[0].sum()), int(nearest[1].sum())
        if 2 * num_kept >= num_near and num_kept >= question.k:
            kept: np.ndarray | None = _each_once(near[user][is_wanted], len(near[user]))
        else:
            # Half of the nearest is not wanted: the lists are told of the filter.
            kept = _near_and_wanted(state, question, user, num_near, num_kept)
        if kept is not None:
            found = _best_of(state, question, user, kept)
            if len(found[0]) == question.k:
                return found
        return scan(state.rows, state.scan, question.users([user])).of(0)

    return question.answer(best)


def _near(state: State, question: Question) -> np.ndarray:
    """Return (B, K, n) rows near each query, the nearest first, wanted or not; -1 for none."""
    assert state.lists is not None
    num_users, num_interests, width = question.queries.shape
    out = max((len(each) for each in question.excluded), default=0)
    num = _num_fetched(question.k) + min(out, FEW_EXCLUDED)
    flat = question.queries.reshape(-1, width)
    found = state.lists.near(flat, num, _num_probes(state, question.k))
    return found.reshape(num_users, num_interests, num)


def _each_once(rows: np.ndarray, num_interests: int) -> np.ndarray:
    """Return rows that are near several queries once; one query gives no row twice."""
    return rows if num_interests == 1 else np.unique(rows)


def _is_wanted(rows: Rows, question: Question, user: int, near: np.ndarray) -> np.ndarray:
    """Return (K, n) bool which of the rows nearby a user may be shown."""
    out = question.excluded[user]
    if question.wanted is not None or len(out) > FEW_EXCLUDED:
        is_wanted: np.ndarray = _mask(rows, question, user)[near]
    else:
        is_wanted = rows.offset[near] > -np.inf
        if len(out):
            is_wanted &= np.isin(near, out, invert=True)
    return is_wanted & (near >= 0)


def _mask(rows: Rows, question: Question, user: int) -> np.ndarray:
    """Return (R,) bool which rows a user may be shown; not to be changed."""
    out = question.excluded[user]
    if question.wanted is None:
        is_wanted = rows.offset > -np.inf
    elif len(out):
        is_wanted = question.wanted.mask.copy()
    else:
        return question.wanted.mask
    is_wanted[out] = False
    return is_wanted


def _near_and_wanted(
    state: State, question: Question, user: int, num_near: int, num_kept: int
) -> np.ndarray | None:
    """Return rows near one user's queries that are wanted, where many nearby are not.

    They are looked for as deep as if unwanted rows were everywhere as frequent as nearby. Where
    nothing nearby is wanted, all that is not may lie before. None at all where that is too deep.
    """
    assert state.lists is not None
    is_wanted = _mask(state.rows, question, user)
    num_wanted = int(np.count_nonzero(is_wanted[: len(state.lists.is_in)]))
    depth: float = question.k + max(0, state.lists.num_rows - num_wanted)
    if num_kept:
        share = min(num_kept / num_near, num_wanted / state.lists.num_rows)
        depth = min(depth, question.k / max(share, 1e-9))
    if _is_deep(state, depth):
        return None
    num_probes = _num_probes(state, depth)
    num = _num_fetched(question.k)
    found = np.unique(state.lists.near(question.queries[user], num, num_probes, is_wanted))
    return found[found >= 0]


def _is_deep(state: State, depth: float) -> bool:
    assert state.lists is not None
    return depth * DEEPEST_SHARE > state.lists.num_rows


def _num_fetched(k: int) -> int:
    return max(LEAST_FETCHED, FETCHED_PER_PLACE * k)


def _num_probes(state: State, depth: float) -> int:
    """Return how many lists are looked into for items that are the `depth`-th best of all."""
    assert state.lists is not None
    num_probes = int(np.ceil(state.num_probes * max(1.0, depth / DEPTH) ** DEPTH_POWER))
    return min(num_probes, state.lists.num_lists)


def _best_of(
    state: State, question: Question, user: int, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the items and scores of a user's best among rows near by, and those in no list."""
    if state.num_extra:
        near = np.concatenate([near, _extra(state, question, user)])
    return judged(state.rows, near, question.queries[user], question.k)


def _extra(state: State, question: Question, user: int) -> np.ndarray:
    """Return the rows that may be among a user's best of those that are in no list."""
    rows, query = state.rows, question.queries[user][None]
    size = len(rows.base.item)
    scores = products(rows.tail.vectors, query)[0] + rows.offset[size:]
    out, wanted = question.excluded[user], question.wanted
    scores[out[out >= size] - size] = -np.inf
    if wanted is not None:
        scores[~wanted.mask[size:]] = -np.inf
    margin = float(rounding(rows, query)[0])
    found = size + contenders(scores, margin, question.k)
    if len(state.shown) == 0:
        return found
    shown = state.shown if wanted is None else state.shown[wanted.mask[state.shown]]
    return np.concatenate([found, np.setdiff1d(shown, out)])
