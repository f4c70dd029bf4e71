"""How many items with the same value of an attribute a list may hold.

A cap counts while a list is being filled and says which candidates it stops. What stands at a fixed
place is counted before the list is begun, so that the others make room for it.
"""

from __future__ import annotations

import copy

import numpy as np

from penchant.policies.settings import Cap


class CapCount:
    """One cap on one board of candidates.

    Parameters
    ----------
    cap
        Attribute, most items, and how many places it reaches.
    rows, groups
        (m,) each: which values the candidates have, ascending by row.
    num_rows
        How many candidates there are.

    Examples
    --------
    >>> count = CapCount(Cap(field="brand", most=1), np.array([0, 1, 2]), np.array([7, 8, 7]), 4)
    >>> count.take(0)
    >>> count.stops.tolist()
    [True, False, True, False]
    """

    def __init__(self, cap: Cap, rows: np.ndarray, groups: np.ndarray, num_rows: int) -> None:
        self.cap = cap
        self.stops = np.zeros(num_rows, bool)  # (n,)
        self._rows = rows
        self._groups = groups
        self._begins = np.searchsorted(rows, np.arange(num_rows + 1)).tolist()
        self._taken: dict[int, int] = {}

    def begun(self) -> CapCount:
        """Return the same cap with nothing counted."""
        fresh = copy.copy(self)
        fresh.stops, fresh._taken = np.zeros_like(self.stops), {}
        return fresh

    @property
    def least_room(self) -> int:
        """How many more items with the most frequent value the list may hold."""
        return self.cap.most - max(self._taken.values(), default=0)

    def reaches(self, position: int) -> bool:
        """Tell whether the cap holds at a place of the list, counted from 1."""
        return self.cap.first == 0 or position <= self.cap.first

    def values(self, row: int) -> list[int]:
        """Return the values of a candidate."""
        found: list[int] = self._groups[self._begins[row] : self._begins[row + 1]].tolist()
        return found

    def room(self, group: int) -> int:
        """Return how many more items with a value the list may hold."""
        return max(self.cap.most - self._taken.get(group, 0), 0)

    def take(self, row: int) -> None:
        """Count a candidate that stands in the list."""
        for group in self.values(row):
            self._taken[group] = self._taken.get(group, 0) + 1
            if self._taken[group] >= self.cap.most:
                self.stops[self._rows[self._groups == group]] = True
