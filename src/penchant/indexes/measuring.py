"""How long searches take and how much of the best they find, on queries like those to come."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from penchant.errors import ShapeError
from penchant.indexes.answering import DEPTH, State, answer
from penchant.indexes.rows import Rows
from penchant.indexes.scanning import Found, Question, scan
from penchant.seeds import stream

NUM_QUERIES: Final = 400
"""Half of them choose how many lists are looked into, the other half measure it."""
NUM_TIMED: Final = 25

Timer = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a build found out: as of `IndexFacts`."""

    detail: str
    recall: float
    search_ms: float | None
    built_at: float
    reason: str = ""


def sample_queries(rows: Rows, given: Any, seed: int) -> np.ndarray:
    """Return (n, K, D) queries like those to come.

    Some of those given, (n, D) or (n, K, D); where there are none, an item's vector moved by half
    the difference of two others: what lies between items, as an interest does.

    Raises
    ------
    ShapeError
        When those given are not as wide as the index.
    """
    draw = stream(seed, "index queries")
    if given is not None:
        queries = np.asarray(given, np.float32)
        queries = queries[:, None] if queries.ndim == 2 else queries
        if queries.ndim != 3 or queries.shape[2] != rows.width or queries.size == 0:
            raise ShapeError(
                f"sample queries must be (n, {rows.width}) or (n, K, {rows.width}) but their shape "
                f"is {np.shape(given)}.",
                "Give interest vectors as the head sees them, or none.",
            )
        size = min(NUM_QUERIES, len(queries))
        return np.ascontiguousarray(queries[draw.choice(len(queries), size, replace=False)])
    listed = rows.all_listed()
    if len(listed) == 0:
        return np.zeros((1, 1, rows.width), np.float32)
    picks = rows.vectors(draw.choice(listed, 3 * NUM_QUERIES)).reshape(NUM_QUERIES, 3, -1)
    return (picks[:, :1] + (picks[:, 1:2] - picks[:, 2:]) / 2).astype(np.float32)


def asked(queries: np.ndarray, k: int = DEPTH) -> Question:
    """Return a search without filters."""
    return Question(queries, k, None, [np.zeros(0, np.int64)] * len(queries))


def recalls_of(found: Found, best: Found) -> np.ndarray:
    """Return (B,) the share of each user's best that was found; one of equal score is as good.

    Examples
    --------
    >>> best = Found(np.array([[4, 7, 1]]), np.array([[3.0, 2.0, 2.0]]))
    >>> recalls_of(Found(np.array([[4, 9, 8]]), np.array([[3.0, 2.0, 1.0]])), best).round(3)
    array([0.667])
    """
    total = (best.indices >= 0).sum(1)
    least = np.where(best.indices >= 0, best.scores, np.inf).min(1, keepdims=True)
    hits = ((found.indices >= 0) & (found.scores >= least)).sum(1)
    return np.where(total > 0, hits / np.maximum(total, 1), 1.0)


def search_ms(state: State, queries: np.ndarray, timer: Timer) -> float:
    """Return the median time of one user's search."""
    times = []
    for query in [queries[0], *queries[:NUM_TIMED]]:  # the first warms up
        start = timer()
        answer(state, asked(query[None]))
        times.append(1e3 * (timer() - start))
    return statistics.median(times[1:])


def tuned(state: State, queries: np.ndarray, least_recall: float) -> tuple[State, float]:
    """Return a state that looks into as few lists as reach a recall, and what it reaches.

    By one standard error more than that, on half of the queries and then on the other, which
    measures it. All lists are looked into where no number reaches it.
    """
    assert state.lists is not None
    best = scan(state.rows, state.scan, asked(queries))
    half = max(1, len(queries) // 2)
    halves = slice(0, half), slice(min(half, len(queries) - 1), None)
    num_lists = state.lists.num_lists
    for num_probes in _probes(num_lists):
        state = replace(state, num_probes=num_probes)
        is_last = num_probes == num_lists
        for part in halves:
            recalls = recalls_of(
                answer(state, asked(queries[part])), Found(best.indices[part], best.scores[part])
            )
            error = recalls.std() / len(recalls) ** 0.5
            if recalls.mean() - error < least_recall and not is_last:
                break
        else:
            break
    return state, float(recalls.mean())


def _probes(most: int) -> Iterator[int]:
    """Yield 1, 2, 3, 4, 6, 8, 12, … up to `most`."""
    step = 1
    while step < most:
        yield step
        if step > 1 and step * 3 // 2 < most:
            yield step * 3 // 2
        step *= 2
    yield most
