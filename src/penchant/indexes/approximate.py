"""The index that looks where the best are likely to be."""

from __future__ import annotations

import time
from typing import Any

from penchant.indexes.answering import EXACT_ROWS, State
from penchant.indexes.base import Clock, indexes
from penchant.indexes.measuring import Measured, Timer
from penchant.indexes.renewing import RenewingIndex
from penchant.indexes.rows import Rows
from penchant.indexes.scanning import FloatScan


@indexes.register("approximate")
class ApproximateIndex(RenewingIndex):
    """Looks into the lists nearest to a query, as many as reach the recall that is asked for.

    Parameters
    ----------
    vectors, bias, least_recall, queries, seed, clock, timer
        As of `RenewingIndex`.
    exact_rows
        Where a filter leaves no more items, they are compared one by one.

    Raises
    ------
    MissingExtraError
        When faiss is not installed.
    ConfigError
        When `least_recall` is no share.

    Notes
    -----
    Built before it answers, and again in the background when 1 % of the items are in no list.
    `facts` holds the recall that was reached, on queries that had no part in choosing. What is
    found has the scores of the exact index.

    References
    ----------
    H. Jégou et al., "Product quantization for nearest neighbor search", 2011, for inverted lists;
    Y. Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation
    for inner-product spaces", 2014, for products as distances.
    """

    def __init__(
        self,
        vectors: Any,
        bias: Any = None,
        least_recall: float = 0.95,
        queries: Any = None,
        seed: int = 0,
        exact_rows: int = EXACT_ROWS,
        clock: Clock = time.time,
        timer: Timer = time.perf_counter,
    ) -> None:
        self.exact_rows = exact_rows
        super().__init__(vectors, bias, least_recall, queries, seed, clock, timer)

    def _first(self, rows: Rows) -> tuple[State, Measured]:
        return self._made(rows)

    def _made(self, rows: Rows) -> tuple[State, Measured]:
        plain = State(rows, FloatScan(rows.base), exact_rows=self.exact_rows)
        return self._in_lists(plain, self._sample(rows))
