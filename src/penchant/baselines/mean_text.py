"""Nearest texts: items whose text is most like the mean text of a user's history.

The plainest answer to items that nobody has taken yet. Where the vectors come from is not its
business.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Final, Self

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from penchant.baselines.base import Baseline, baselines, choose
from penchant.errors import ShapeError, UsageError
from penchant.events.arrays import LogArrays, ranges
from penchant.sequences.targets import TargetBlock

ALL: Final = sys.maxsize
LAST: Final = (1, 2, 3, 5, 10, 20, 50, ALL)


@baselines.register("mean_text")
class MeanText(Baseline):
    """Items by the cosine of their text and the mean of the last texts of the history.

    Parameters
    ----------
    vectors
        (I, E) of the items' texts; zeros where an item has none. Their lengths play no part.
    last
        How many last items with a text are averaged; chosen on validation when None.
    exclude_seen, seen_types, candidates
        How the choice ranks.

    Raises
    ------
    UsageError
        When there are no vectors.

    Notes
    -----
    An item without a text scores 0, and so does every item for a user whose history has no text.

    Examples
    --------
    >>> item, part = np.array([0, 1, 2]), np.array([0, 0, 2])
    >>> log = LogArrays(item, item, item, item, part, np.array([0, 3]))
    >>> texts = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    >>> block = TargetBlock(log, np.array([0]), np.array([2]))
    >>> MeanText(texts, last=2).fit(log, 3).score(block).round(2).astype(str).tolist()
    [['0.71', '0.71', '1.0']]
    """

    reads_history = True

    def __init__(
        self,
        vectors: np.ndarray | None = None,
        last: int | None = None,
        exclude_seen: bool = True,
        seen_types: Collection[int] | None = None,
        candidates: np.ndarray | None = None,
    ) -> None:
        if vectors is None:
            raise UsageError(
                "The baseline mean_text needs the vectors of the items' texts, but there are none.",
                "Give vectors=…, or leave mean_text out of the baselines.",
            )
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._units = (vectors / np.where(length > 0, length, 1)).astype(np.float32)  # (I, E)
        self._has_text = length[:, 0] > 0
        self.last = last
        self.exclude_seen = exclude_seen
        self.seen_types = seen_types
        self.candidates = candidates

    def fit(self, log: LogArrays, num_items: int) -> Self:
        """Choose how many texts are averaged.

        Raises
        ------
        ShapeError
            When there is not one vector per item.
        """
        if len(self._units) != num_items:
            raise ShapeError(
                f"mean_text needs one vector for each of the {num_items:,} items, but has "
                f"{len(self._units):,}.",
                "Make the vectors from the table of items of this data.",
            )
        self._last = self.last or choose(
            LAST,
            self._scores,
            log,
            num_items,
            otherwise=ALL,
            exclude_seen=self.exclude_seen,
            seen_types=self.seen_types,
            candidates=self.candidates,
        )
        return self

    @property
    def chosen(self) -> dict[str, float | str]:
        """How many texts are averaged."""
        return {"last": "all" if self._last == ALL else self._last}

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return the cosines."""
        return self._scores(block, self._last)

    def _scores(self, block: TargetBlock, last: int) -> np.ndarray:
        mean = self._mean_texts(block, last)  # (M, E)
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        return (mean / np.where(length > 0, length, 1)) @ self._units.T  # (M, I)

    def _mean_texts(self, block: TargetBlock, last: int) -> np.ndarray:
        """Return (M, E) the mean of the last texts before each target, zeros where there is none.

        Notes
        -----
        The texts of a history are never written out; all are added up where they stand.
        """
        items = block.log.item_index
        usable = np.flatnonzero(np.append(self._has_text, False)[items])  # rows, rising
        end = np.searchsorted(usable, block.rows)
        begin = np.maximum(np.searchsorted(usable, block.starts), end - last)
        size = end - begin  # (M,)
        place = ranges(begin, size)[1]
        bags = torch.from_numpy(items[usable[place]]), torch.from_numpy(np.cumsum(size) - size)
        return embedding_bag(bags[0], torch.from_numpy(self._units), bags[1], mode="mean").numpy()
