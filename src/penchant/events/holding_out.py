"""Items held out of training altogether: the only honest test of what is said of new items.

Two disjoint sets of items are drawn, one for validation and one for testing. An item of either is
met as a target of its own part and nowhere else; no other event changes its part or its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import InputError, UsageError
from penchant.events.arrays import LogArrays, Part
from penchant.seeds import stream


@dataclass(frozen=True)
class HoldOut:
    """How many items are held out, and by which draw.

    Parameters
    ----------
    share
        Of the items with events, for validation, and as many again for testing.
    seed
        Of the draw.

    Raises
    ------
    UsageError
        When the share leaves nothing to hold out, or nothing to train on.
    """

    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 0.5:
            raise UsageError(
                f"The share of items to hold out must lie between 0 and 0.5, but is {self.share}: "
                "so many for validation and as many for testing.",
                "Say for example 0.1.",
            )
        if self.seed < 0:
            raise UsageError(f"The seed of held-out items must not be below 0 but is {self.seed}.")

    def draw(self, item_ids: pl.Series, has_events: np.ndarray) -> HeldOutItems:
        """Draw the two sets.

        Parameters
        ----------
        item_ids
            Ids of all items, by code.
        has_events
            (I,) bool; only these are drawn from.

        Raises
        ------
        InputError
            When the share of the items is not even one.

        Notes
        -----
        Drawn in the order of the ids, so that the same log in another order of rows holds out the
        same items.
        """
        codes = np.flatnonzero(has_events)
        size = round(self.share * len(codes))
        if size == 0:
            raise InputError(
                f"Items to hold out must be at least one, but a share of {self.share:g} of "
                f"{len(codes)} items is none.",
                f"Hold out {1 / max(len(codes), 1):.2g} or more.",
            )
        by_id = codes[item_ids.gather(codes).arg_sort().to_numpy()]
        drawn = stream(self.seed, "held-out items").permutation(by_id)
        return HeldOutItems(np.sort(drawn[:size]), np.sort(drawn[size : 2 * size]))


@dataclass(frozen=True)
class HeldOutItems:
    """Codes of the items that are held out, rising.

    Parameters
    ----------
    validation, test
        The part in which they may be targets.

    Examples
    --------
    >>> item, part = np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 2])
    >>> log = LogArrays(item, item, item, item, part, offsets=np.array([0, 5]))
    >>> HeldOutItems(np.array([0]), np.array([2])).keeps(log).tolist()
    [False, True, False, True, True]
    """

    validation: np.ndarray
    test: np.ndarray

    def keeps(self, log: LogArrays) -> np.ndarray:
        """Return (N,) whether an event stays: of an item not held out, or a target of its part."""
        keep = ~np.isin(log.item_index, np.concatenate([self.validation, self.test]))
        return keep | self.targets(log, Part.VALIDATION) | self.targets(log, Part.TEST)

    def targets(self, log: LogArrays, part: Part) -> np.ndarray:
        """Return (N,) whether an event is a target of `part` on an item held out for it."""
        items = self.validation if part is Part.VALIDATION else self.test
        return (log.part == part) & np.isin(log.item_index, items)

    def to_dict(self, log: LogArrays) -> dict[str, Any]:
        """Return how many items there are for each part, and how many targets on them."""
        return {
            part.name.lower(): {
                "items": len(items),
                "targets": int(self.targets(log, part).sum()),
            }
            for part, items in ((Part.VALIDATION, self.validation), (Part.TEST, self.test))
        }
