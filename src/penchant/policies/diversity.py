"""What counts beside the score while a list is filled: likeness to the items before, calibration.

Both are costs of every candidate as the next item, and both are told which one was taken.
"""

from __future__ import annotations

import copy
from typing import Final

import numpy as np

SMOOTHING: Final = 0.01
"""The share of the history's categories that is mixed into the list's, so that none is missing."""


def relevance_of(scores: np.ndarray, is_free: np.ndarray) -> np.ndarray:
    """Return (n,) scores between 0, the worst free candidate, and 1, the best.

    Examples
    --------
    >>> is_free = np.array([True, True, True, False])
    >>> relevance_of(np.array([9.0, 6.0, 5.0, np.nan]), is_free).tolist()
    [1.0, 0.25, 0.0, 0.0]
    """
    free = scores[is_free]
    if not len(free) or free.max() == free.min():
        return is_free.astype(float)
    scaled = (scores - free.min()) / (free.max() - free.min())
    return np.where(is_free, scaled, 0.0)


class Likeness:
    """The largest cosine of each candidate with an item before it.

    Parameters
    ----------
    vectors
        (n, D) of the candidates.
    middle
        How many of them, the first ones, the vectors are seen from the middle of.

    Notes
    -----
    Vectors of a trained table share a direction, by which all would be alike; hence the middle.

    References
    ----------
    Carbonell and Goldstein, "The use of MMR, diversity-based reranking", 1998.

    Examples
    --------
    >>> likeness = Likeness(np.array([[1.0, 0.0], [1.0, 0.1], [-2.0, -0.1]]), 3)
    >>> likeness.take(0)
    >>> likeness.costs().round(2).tolist()
    [1.0, 1.0, -1.0]
    """

    def __init__(self, vectors: np.ndarray, middle: int) -> None:
        around = vectors - vectors[:middle].mean(0) if middle else vectors
        length = np.linalg.norm(around, axis=1, keepdims=True)
        self._directions = around / np.maximum(length, 1e-12)  # (n, D)
        self._costs = np.full(len(vectors), -1.0)

    def begun(self) -> Likeness:
        """Return the same with nothing looked at."""
        fresh = copy.copy(self)
        fresh._costs = np.full(len(self._costs), -1.0)
        return fresh

    def costs(self) -> np.ndarray:
        """Return (n,) the largest cosine with an item before, -1 where there is none."""
        return self._costs

    def take(self, row: int) -> None:
        """Look at one more item of the list."""
        cosine = self._directions @ self._directions[row]
        self._costs = np.maximum(self._costs, cosine)


class Calibration:
    """How far a list's categories would lie from those of the history, for each next candidate.

    Parameters
    ----------
    rows, groups
        (m,) each: the categories of the user's history and, after it, of the candidates, by row.
    num_history
        How many of the rows are the history.
    num_rows
        How many rows there are.

    Notes
    -----
    p is the mean over the history of an item's categories, each of which has an equal part of the
    item; q the same over the list. Items without a category count in neither. The cost is KL(p, q')
    with q' = (1 − α) q + α p; only the categories of a candidate change it, so that a step costs
    O(categories of the history + values of the candidates).

    References
    ----------
    Steck, "Calibrated recommendations", 2018, equations 2 to 7.

    Examples
    --------
    >>> history, candidates = [5, 5, 6], [5, 6]
    >>> calibration = Calibration(np.arange(5), np.array(history + candidates), 3, 5)
    >>> calibration.take(0)  # a list of the first alone: 2/3 log(1/(.99 · 3/2 + .01)) + …
    >>> by_hand = 2/3 * np.log(1 / (.99 * 3/2 + .01)) + 1/3 * np.log(1 / .01)
    >>> bool(np.isclose(calibration.divergence(), by_hand))
    True
    """

    def __init__(
        self, rows: np.ndarray, groups: np.ndarray, num_history: int, num_rows: int
    ) -> None:
        shares = 1.0 / np.maximum(np.bincount(rows, minlength=num_rows), 1)[rows]  # (m,)
        split = int(np.searchsorted(rows, num_history))
        self._known, of_history = np.unique(groups[:split], return_inverse=True)
        total = np.bincount(of_history, shares[:split], len(self._known))
        self._wanted = total / max(total.sum(), 1e-300)  # (G,) p
        self._num_rows = num_rows - num_history
        self._has = np.zeros(self._num_rows, bool)
        self._has[rows[split:] - num_history] = True
        self._all_have = bool(self._has.all())
        at = np.searchsorted(self._known, groups[split:])
        is_wanted = np.append(self._known, -1)[at] == groups[split:]
        self._rows = rows[split:][is_wanted] - num_history  # (w,), by row
        self._groups = at[is_wanted]
        self._shares = shares[split:][is_wanted]
        self._wanted_of = self._wanted[self._groups]
        self._begins = np.searchsorted(self._rows, np.arange(self._num_rows + 1)).tolist()
        self._sums = np.zeros(len(self._known))  # (G,) of the list so far
        self._count = 0

    @property
    def is_empty(self) -> bool:
        """Whether the history has no category, so that there is nothing to keep to."""
        return not len(self._known)

    def begun(self) -> Calibration:
        """Return the same with nothing looked at."""
        fresh = copy.copy(self)
        fresh._sums, fresh._count = np.zeros_like(self._sums), 0
        return fresh

    def divergence(self) -> float:
        """Return KL(p, q') of the list so far."""
        return float(self._wanted @ np.log(self._wanted / self._mixed(self._count)))

    def costs(self) -> np.ndarray:
        """Return (n,) KL(p, q') of the list with each candidate as its next item."""
        count = self._count + 1
        mixed = self._mixed(count)  # (G,)
        base = float(self._wanted @ np.log(self._wanted / mixed))
        added = self._shares * ((1 - SMOOTHING) / count)  # (w,)
        gains = self._wanted_of * np.log1p(added / mixed[self._groups])
        found = base - np.bincount(self._rows, gains, self._num_rows)
        return found if self._all_have else np.where(self._has, found, self.divergence())

    def take(self, row: int) -> None:
        """Look at one more item of the list."""
        self._count += bool(self._has[row])
        its = slice(self._begins[row], self._begins[row + 1])
        self._sums[self._groups[its]] += self._shares[its]  # each category once in an item

    def _mixed(self, count: int) -> np.ndarray:
        return self._sums * ((1 - SMOOTHING) / max(count, 1)) + SMOOTHING * self._wanted
