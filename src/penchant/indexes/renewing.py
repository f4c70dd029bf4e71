"""Indexes that are built anew in the background, while the old one answers."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any, Final

import numpy as np

from penchant.indexes import door
from penchant.indexes.answering import State
from penchant.indexes.base import Clock, Index
from penchant.indexes.lists import Lists
from penchant.indexes.measuring import Measured, Timer, sample_queries, search_ms, tuned
from penchant.indexes.row_log import compacted
from penchant.indexes.rows import Rows

LEAST_EXTRA: Final = 4_096
EXTRA_SHARE: Final = 100
"""An index is built anew when one row in so many is in no list."""
STALE_SHARE: Final = 5
"""Or when one row in so many may be found no more."""


class BuildEnded(Exception):  # noqa: N818  nothing went wrong
    """Nobody waits any more for what is being built."""


class RenewingIndex(Index):
    """Searches what was built last and, one by one, what came since.

    What changes while another is being built is done again on the new one before it answers.

    Parameters
    ----------
    vectors, bias, clock
        As of `Index`.
    least_recall
        Share of the ten best that is to be found, on queries without filters.
    queries
        (n, D) or (n, K, D) like those to come, to measure it; made of the vectors when left out.
    seed
        Of the lists and the sample.
    timer
        Seconds, to measure a search.
    """

    def __init__(
        self,
        vectors: Any,
        bias: Any,
        least_recall: float,
        queries: Any,
        seed: int,
        clock: Clock = time.time,
        timer: Timer = time.perf_counter,
    ) -> None:
        self.least_recall = door.share_in("least_recall", least_recall)
        self._queries, self._seed, self._timer = queries, seed, timer
        self._builder: threading.Thread | None = None
        self._is_closed = False
        self._failure: Exception | None = None
        super().__init__(vectors, bias, clock)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until nothing is built in the background, or so many seconds.

        Raises
        ------
        Exception
            What a build failed of; the index goes on as it was.
        """
        builder = self._builder
        if builder is not None:
            builder.join(timeout_s)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Let no more be built in the background; searches and changes go on.

        Waits for the next step of what is being built, seconds at most.
        """
        with self._writing:
            self._is_closed = True
            builder = self._builder
        if builder is not None:
            builder.join()

    def _is_overdue(self, state: State) -> bool:
        size = len(state.rows.base.item)
        is_long = state.num_extra > max(LEAST_EXTRA, size // EXTRA_SHARE)
        return is_long or state.num_stale > max(LEAST_EXTRA, size // STALE_SHARE)

    @property
    def _is_building(self) -> bool:
        builder = self._builder
        return builder is not None and builder.is_alive()

    @property
    def _reason(self) -> str:
        failure = self._failure
        return super()._reason if failure is None else f"the last build failed: {failure}"

    def _sample(self, rows: Rows) -> np.ndarray:
        """Return (n, K, D) queries to measure searches by."""
        return sample_queries(rows, self._queries, self._seed)

    def _timed(
        self, state: State, detail: str, recall: float, queries: np.ndarray
    ) -> tuple[State, Measured]:
        """Return a state with what was measured of it."""
        took = search_ms(state, queries, self._timer)
        return state, Measured(detail, recall, took, self._clock())

    def _in_lists(self, state: State, queries: np.ndarray) -> tuple[State, Measured]:
        """Return a state that looks into as many lists as the recall takes.

        Exact where there is nothing to put into lists.
        """
        if state.rows.num_listed == 0:
            return self._timed(state, "nothing to find", 1.0, queries)
        lists = Lists(state.rows, self._seed, self._go_on)
        state, recall = tuned(replace(state, lists=lists), queries, self.least_recall)
        detail = f"{state.num_probes} of {lists.num_lists} lists"
        return self._timed(state, detail, recall, queries)

    def _renew(self) -> None:
        """Begin to build another, unless that is being done, or came to nothing."""
        with self._writing:
            if self._is_closed or self._is_building or self._failure is not None:
                return
            # No daemon: those are torn out of the middle of faiss when the interpreter ends.
            self._builder = threading.Thread(target=self._build, name="penchant-index")
            self._builder.start()

    def _build(self) -> None:
        try:
            while self._built_one():
                pass
        except BuildEnded:
            pass
        except Exception as error:  # told by `wait` and `facts`: nobody waits for a thread
            self._failure = error

    def _built_one(self) -> bool:
        """Build another; say whether so much has changed meanwhile that it is overdue again."""
        before = self._state.rows
        log = compacted(before)
        state, measured = self._made(log.rows)
        with self._writing:
            self._go_on()
            log.catch_up(before, self._log.rows)
            state = state.moved(log.rows)
            self._log, self._now = log, (state, measured)
            return self._is_overdue(state)

    def _go_on(self) -> None:
        """End a build in the background that nobody waits for, when the process ends too."""
        is_behind = threading.current_thread() is self._builder
        if is_behind and (self._is_closed or not threading.main_thread().is_alive()):
            raise BuildEnded
