"""The index that compares every item."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from penchant.errors import ConfigError
from penchant.indexes.answering import State
from penchant.indexes.base import Clock, Index, indexes
from penchant.indexes.measuring import Measured, Timer, sample_queries, search_ms
from penchant.indexes.rows import Block, Rows
from penchant.indexes.scanning import FloatScan, Scan
from penchant.registry import nearest

Precision = Literal["float32", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "int8")

LEAST_TAIL: Final = 4_096
TAIL_SHARE: Final = 8
"""The base is laid anew when the tail has grown to one row in so many."""


@indexes.register("exact")
class ExactIndex(Index):
    """Compares every item: the reference of all others.

    Parameters
    ----------
    vectors, bias, clock
        As of `Index`.
    precision
        `float32`, or `int8`: one byte a number finds those that may be among the best, which are
        then compared in full. Its bound on the error is certain, so that both find the same.
    timer
        Seconds, to measure a search.

    Raises
    ------
    ConfigError
        When there is no such precision.

    Notes
    -----
    `int8` holds D + 4 bytes an item more, and pays where the processor multiplies bytes.
    """

    def __init__(
        self,
        vectors: Any,
        bias: Any = None,
        precision: Precision = "float32",
        clock: Clock = time.time,
        timer: Timer = time.perf_counter,
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(
                f'indexes "exact" has no precision "{precision}".',
                nearest(precision, list(PRECISIONS)),
            )
        self.precision = precision
        self._timer = timer
        super().__init__(vectors, bias, clock)

    def _first(self, rows: Rows) -> tuple[State, Measured]:
        return self._made(rows)

    def _made(self, rows: Rows) -> tuple[State, Measured]:
        state = State(rows, scan_of(self.precision, rows.base))
        took = search_ms(state, sample_queries(rows, None, 0)[:5], self._timer)
        return state, Measured(self.precision, 1.0, took, self._clock())

    def _is_overdue(self, state: State) -> bool:
        size = len(state.rows.base.item)
        return len(state.rows.tail.item) > max(LEAST_TAIL, size // TAIL_SHARE)


def scan_of(precision: Precision, base: Block) -> Scan:
    """Return what scores a base in a precision."""
    if precision == "int8":
        from penchant.indexes.int8_scan import Int8Scan  # torch, where it is asked for

        return Int8Scan(base)
    return FloatScan(base)
