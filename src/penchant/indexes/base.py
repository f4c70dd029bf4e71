"""What every index is: vectors of items, searched by one or several queries of each user.

A search reads one value of the index and takes no lock. Writers make the next value, one after
another, and put it in place in one step. So what is found is always of one moment.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from penchant.indexes import door
from penchant.indexes.answering import State, answer
from penchant.indexes.facts import IndexFacts
from penchant.indexes.measuring import Measured
from penchant.indexes.row_log import RowLog, compacted
from penchant.indexes.rows import Rows
from penchant.indexes.scanning import Found
from penchant.registry import Registry

Clock = Callable[[], float]


class Index(ABC):
    """Finds the items with the greatest scores: max over K of q_k · e_i, plus b_i.

    Parameters
    ----------
    vectors
        (I, D) of items 0, 1, 2, …; used as they are where they are float32 and lie together, and
        then not to be changed.
    bias
        (I,) what an item adds to its scores; none when left out. Minus infinity keeps it out of
        lists.
    clock
        Seconds since 1970, for `facts`.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    InputError
        When a number is not finite.

    Notes
    -----
    Scores are float32, computed in float64 and rounded once. Of equal scores the lower item comes
    first. Filters work inside the search: k items come back wherever so many may be found.

    Safe to use from threads: searches run side by side and beside a writer, writers one after
    another.

    Relations
    ---------
    Equals the scores of a model, to float32 rounding, whose head takes a maximum of dot products
    plus a bias (`head.is_product`: `dot`, `several`, `binary`): vectors are the head's `keys`, with
    what stands beside them in the table; `bias` the head's `biases`; queries the vectors of
    `model.read`. A sum of dot products is one of longer vectors. A head of another kind finds
    candidates only, to be scored again.
    """

    kind: str

    def __init__(self, vectors: Any, bias: Any = None, clock: Clock = time.time) -> None:
        table = door.vectors_in(vectors)
        self._clock = clock
        self._writing = threading.RLock()
        self._log = RowLog(table, door.bias_in(bias, len(table)))
        self._now = self._first(self._log.rows)

    @abstractmethod
    def _first(self, rows: Rows) -> tuple[State, Measured]:
        """Return what answers at first."""

    @abstractmethod
    def _made(self, rows: Rows) -> tuple[State, Measured]:
        """Return what is to answer from rows that have no tail, built anew."""

    @abstractmethod
    def _is_overdue(self, state: State) -> bool:
        """Say whether so much has changed that it should be built anew."""

    def search(
        self,
        queries: Any,
        k: int,
        allowed: Any = None,
        excluded: Sequence[np.ndarray] | None = None,
    ) -> Found:
        """Return the k best items of each user.

        Parameters
        ----------
        queries
            (B, D), or (B, K, D) where users have K interests: the best of them counts.
        k
            Length of the lists.
        allowed
            A mask (I,) of the items that may be found, or their places; all when left out.
        excluded
            For each user, items that are left out, such as those seen.

        Raises
        ------
        ShapeError
            When queries are not as wide as the index, or not one per array of `excluded`.
        InputError
            When k is below 1 or a query is not finite.

        Examples
        --------
        >>> from penchant.indexes import ExactIndex
        >>> index = ExactIndex([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
        >>> found = index.search([[1.0, 0.5]], k=2, excluded=[np.array([2])])
        >>> found.indices.tolist(), found.scores.tolist()
        ([[0, 1]], [[1.0, 1.0]])
        """
        state = self._state
        return answer(state, door.question_in(state.rows, queries, k, allowed, excluded))

    def put(self, items: Any, vectors: Any, bias: Any = None) -> None:
        """Add items, or replace them, all in one step.

        Parameters
        ----------
        items
            (n,) their places; places in between that nobody puts stay empty.
        vectors, bias
            (n, D) and (n,). Of an item that is named twice the last counts.

        Raises
        ------
        ShapeError, InputError
            As of the index.
        """
        at = door.items_in(items)
        given = door.vectors_in(vectors, self._state.rows.width)
        door.check_one_each(at, given)
        biases = door.bias_in(bias, len(at))
        self._write(lambda log: log.put(at, given, biases))

    def remove(self, items: Any) -> None:
        """Take items out, their vectors with them; those that are not there are passed over."""
        at = door.items_in(items)
        self._write(lambda log: log.remove(at))

    def hide(self, items: Any) -> None:
        """Keep items out of lists until they are shown again, replaced or not."""
        at = door.items_in(items)
        self._write(lambda log: log.hide(at))

    def show(self, items: Any) -> None:
        """Let hidden items into lists again."""
        at = door.items_in(items)
        self._write(lambda log: log.hide(at, False))

    @property
    def _state(self) -> State:
        return self._now[0]

    @property
    def num_items(self) -> int:
        """Items that may be found."""
        return self._state.rows.num_listed

    @property
    def width(self) -> int:
        """Width D of vectors."""
        return self._state.rows.width

    @property
    def is_exact(self) -> bool:
        """Whether the best items are found for certain, as it is now."""
        return self._state.lists is None

    @property
    def facts(self) -> IndexFacts:
        """What was measured at the last build, and what holds now."""
        state, measured = self._now
        return IndexFacts(
            kind="exact" if state.lists is None else "approximate",
            detail=measured.detail,
            recall=measured.recall,
            search_ms=measured.search_ms,
            num_items=state.rows.num_listed,
            num_extra=state.num_extra,
            num_bytes=state.num_bytes,
            built_at=measured.built_at,
            is_building=self._is_building,
            reason=self._reason,
        )

    @property
    def _is_building(self) -> bool:
        return False

    @property
    def _reason(self) -> str:
        return self._now[1].reason

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until nothing is built in the background, or so many seconds."""
        assert timeout_s is None or timeout_s >= 0

    def close(self) -> None:
        """Let no more be built in the background; searches and changes go on."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, change: Callable[[RowLog], None]) -> None:
        with self._writing:
            change(self._log)
            state, measured = self._now
            state = state.moved(self._log.rows)
            self._now = state, measured
            if self._is_overdue(state):
                self._renew()

    def _renew(self) -> None:
        """Build anew what answers, at once; called by a writer."""
        log = compacted(self._log.rows)
        made = self._made(log.rows)
        self._log, self._now = log, made


indexes: Registry[Index] = Registry("indexes")
