"""The lists themselves: which items reach the top, how much they cover, how novel they are.

Needs no targets. Lists are built block by block; only a flag per item and a number per list is
kept.
"""

from __future__ import annotations

import numpy as np


def top_items(scores: np.ndarray, k: int) -> np.ndarray:
    """Return (M, k) the items with the highest scores, best first, -1 where fewer can be listed.

    Parameters
    ----------
    scores
        (M, I); minus infinity and NaN keep an item off the list.
    k
        Length of the lists.

    Notes
    -----
    Among equal scores the smaller index comes first, on every machine. O(M · I) for the selection
    of the k-th score.

    Examples
    --------
    >>> top_items(np.array([[.1, .9, .5, .5], [-np.inf, 0., np.nan, -np.inf]]), 2).tolist()
    [[1, 2], [1, -1]]
    """
    num_lists, num_items = scores.shape
    if np.isnan(scores).any():
        scores = np.where(np.isnan(scores), -np.inf, scores)
    bound = _bound(scores, min(k, num_items))
    flat = np.flatnonzero((scores >= bound[:, None]) & (scores > -np.inf))
    row, item = flat // num_items, flat % num_items
    order = np.lexsort((item, -scores.reshape(-1)[flat], row))
    row, item = row[order], item[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # 0 for the best of each list
    lists = np.full((num_lists, k), -1, dtype=np.int64)
    listed = place < k
    lists[row[listed], place[listed]] = item[listed]
    return lists


def _bound(scores: np.ndarray, k: int) -> np.ndarray:
    """Return (M,) a score that at least k items of each row reach, and few more.

    The k-th highest of the maxima of groups of items: k groups reach it, so k items do. One pass of
    maxima instead of a selection over all items.
    """
    num_lists, num_items = scores.shape
    group = max(1, num_items // (8 * k))
    whole = num_items // group * group
    maxima = scores[:, :whole].reshape(num_lists, group, -1).max(axis=1)  # (M, I / group)
    kth = maxima.shape[1] - k
    return np.partition(maxima, kth, axis=1)[:, kth]


def item_novelty(counts: np.ndarray) -> np.ndarray:
    """Return (I,) −log2 of each item's share of the training events, in bits.

    An item without training events counts as one with a single event, so that its novelty is
    finite.

    Examples
    --------
    >>> item_novelty(np.array([4, 2, 1, 1, 0])).tolist()
    [1.0, 2.0, 3.0, 3.0, 3.0]
    """
    total = max(counts.sum(), 1)
    return np.log2(total) - np.log2(np.maximum(counts, 1))


def list_novelty(lists: np.ndarray, novelty: np.ndarray, k: int) -> np.ndarray:
    """Return (M,) Novelty@k: the mean novelty of each list's first k items, NaN for none.

    Examples
    --------
    >>> list_novelty(np.array([[0, 2], [1, -1], [-1, -1]]), np.array([1., 2., 3.]), 2).tolist()
    [2.0, 2.0, nan]
    """
    shown = lists[:, :k]
    listed = shown >= 0
    num_listed = listed.sum(1)
    total = np.where(listed, novelty[shown], 0.0).sum(1)
    return np.where(num_listed > 0, total / np.maximum(num_listed, 1), np.nan)


class Coverage:
    """Coverage@k: the share of the catalogue that stands in at least one list of length k.

    Parameters
    ----------
    num_items
        Size of the catalogue.
    k
        Length of the lists.
    num_candidates
        Items that can be listed at all; all when None.

    Examples
    --------
    >>> coverage = Coverage(num_items=4, k=2)
    >>> coverage.add(np.array([[0, 2], [2, -1]]))
    >>> coverage.share
    0.5
    """

    def __init__(self, num_items: int, k: int, num_candidates: int | None = None) -> None:
        self.k = k
        self._num_candidates = num_items if num_candidates is None else num_candidates
        self._is_listed = np.zeros(num_items, dtype=bool)

    def add(self, lists: np.ndarray) -> None:
        """Take in (M, at least k) lists."""
        shown = lists[:, : self.k]
        self._is_listed[shown[shown >= 0]] = True

    @property
    def share(self) -> float:
        """Share of the items listed so far."""
        return float(self._is_listed.sum() / self._num_candidates)
