"""The index that is chosen by what searches take on the machine at hand."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

from penchant.errors import ConfigError, MissingExtraError
from penchant.indexes.answering import State
from penchant.indexes.base import Clock, indexes
from penchant.indexes.exact import PRECISIONS, scan_of
from penchant.indexes.measuring import Measured, Timer
from penchant.indexes.renewing import RenewingIndex
from penchant.indexes.rows import Rows
from penchant.indexes.scanning import FloatScan

BUDGET_MS: Final = 0.5


@indexes.register("auto")
class AutoIndex(RenewingIndex):
    """Compares every item at once; what is faster is measured in the background, and takes over.

    Parameters
    ----------
    vectors, bias, least_recall, queries, seed, clock, timer
        As of `RenewingIndex`.
    budget_ms
        Median time that a search for one user's ten best may take.

    Raises
    ------
    ConfigError
        When `least_recall` is no share or the budget is not above 0.

    Notes
    -----
    The first of these that keeps to the budget: exact in float32, exact in int8, approximate with
    the recall that is asked for. Where none does, the fastest. `facts.reason` says which and why.
    The sample and the lists follow the seed; times are those of the machine.
    """

    def __init__(
        self,
        vectors: Any,
        bias: Any = None,
        budget_ms: float = BUDGET_MS,
        least_recall: float = 0.95,
        queries: Any = None,
        seed: int = 0,
        clock: Clock = time.time,
        timer: Timer = time.perf_counter,
    ) -> None:
        if not budget_ms > 0:
            raise ConfigError(f"budget_ms must be above 0 but is {budget_ms}.", "Set it to 0.5.")
        self.budget_ms = float(budget_ms)
        super().__init__(vectors, bias, least_recall, queries, seed, clock, timer)
        self._renew()

    def _first(self, rows: Rows) -> tuple[State, Measured]:
        reason = "it is there at once; what is faster is being measured"
        state = State(rows, FloatScan(rows.base))
        return state, Measured("float32", 1.0, None, self._clock(), reason)

    def _made(self, rows: Rows) -> tuple[State, Measured]:
        queries = self._sample(rows)
        tried: list[tuple[State, Measured]] = []
        for precision in PRECISIONS:
            state = State(rows, scan_of(precision, rows.base))
            tried.append(self._timed(state, precision, 1.0, queries))
            if self._keeps_to_budget(tried[-1]):
                return self._with_reason(tried[-1], tried, "")
        fastest = min(tried, key=_time_of)
        try:
            near = self._in_lists(fastest[0], queries)
        except MissingExtraError as error:
            return self._with_reason(fastest, tried, str(error))
        tried.append(near)
        if near[1].recall < self.least_recall:
            told = f"an approximate one finds {near[1].recall:.3f}, not {self.least_recall:g}"
            return self._with_reason(fastest, tried, told)
        return self._with_reason(min(fastest, near, key=_time_of), tried, "")

    def _keeps_to_budget(self, one: tuple[State, Measured]) -> bool:
        return _time_of(one) <= self.budget_ms

    def _with_reason(
        self, chosen: tuple[State, Measured], tried: list[tuple[State, Measured]], told: str
    ) -> tuple[State, Measured]:
        """Return what was chosen, with the times of all that was tried."""
        times = ", ".join(f"{each.detail} {each.search_ms:.3f} ms" for _, each in tried)
        within = "within" if self._keeps_to_budget(chosen) else "beyond"
        reason = f"{within} the budget of {self.budget_ms:g} ms: {times}"
        return chosen[0], replace(chosen[1], reason=f"{reason}; {told}" if told else reason)


def choose_index(
    vectors: Any,
    bias: Any = None,
    *,
    budget_ms: float = BUDGET_MS,
    least_recall: float = 0.95,
    queries: Any = None,
    seed: int = 0,
) -> AutoIndex:
    """Return an index that answers at once, exactly, and grows faster when that was measured.

    Examples
    --------
    >>> index = choose_index([[1, 0, 0], [0, 1, 0], [0, 0, 1]], budget_ms=50.0)
    >>> index.wait()
    >>> index.search([[0.0, 0.5, 0.7]], k=2).indices.tolist(), index.facts.kind
    ([[2, 1]], 'exact')
    """
    return AutoIndex(vectors, bias, budget_ms, least_recall, queries, seed)


def _time_of(one: tuple[State, Measured]) -> float:
    took = one[1].search_ms
    assert took is not None
    return took
