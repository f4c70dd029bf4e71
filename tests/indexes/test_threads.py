"""Searches stay whole while other threads add, replace, hide and remove, and builds take over."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from penchant.indexes import ApproximateIndex, AutoIndex, ExactIndex, Index

from .worlds import clustered, full_sort

pytest.importorskip("faiss")

NUM_BASE, NUM_NEW, NUM_WRITERS, NUM_READERS = 1_500, 180, 3, 3

KINDS: dict[str, Callable[..., Index]] = {
    "exact": ExactIndex,
    "approximate": ApproximateIndex,
    "auto": lambda vectors, bias: AutoIndex(vectors, bias, budget_ms=1e-9),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_nothing_is_lost_between_writers_readers_and_builds(kind, monkeypatch) -> None:
    monkeypatch.setattr("penchant.indexes.renewing.LEAST_EXTRA", 40)
    monkeypatch.setattr("penchant.indexes.exact.LEAST_TAIL", 40)
    num_items = NUM_BASE + NUM_WRITERS * NUM_NEW
    vectors, bias, queries = clustered(num_items, 8)
    gone = np.arange(5)
    index = KINDS[kind](vectors[:NUM_BASE].copy(), bias[:NUM_BASE])
    index.remove(gone)
    faults: list[str] = []
    done = threading.Event()

    def write(writer: int) -> None:
        start = NUM_BASE + writer * NUM_NEW
        for first in range(start, start + NUM_NEW, 6):
            items = np.arange(first, first + 6)
            index.put(items, vectors[items] * 2, bias[items])  # wrong at first
            index.hide(items[:2])
            index.put(items, vectors[items], bias[items])
            index.show(items[:1])
            index.remove(items[5:])

    def read() -> None:
        while not done.is_set():
            found = index.search(queries[:8], 15, excluded=[np.array([9, 10])] * 8)
            listed = found.indices
            if (listed < 0).any() or np.isin(listed, [*gone, 9, 10]).any():
                faults.append(f"found {listed.min()}, {np.intersect1d(listed, [*gone, 9, 10])}")
            if any(len(set(row)) < 15 for row in listed.tolist()):
                faults.append("an item twice")
            if (np.diff(found.scores) > 0).any():
                faults.append("not in order")

    def caught(work: Callable[..., None], *given: int) -> None:
        try:
            work(*given)
        except Exception as error:
            faults.append(repr(error))

    readers = [threading.Thread(target=caught, args=(read,)) for _ in range(NUM_READERS)]
    writers = [threading.Thread(target=caught, args=(write, i)) for i in range(NUM_WRITERS)]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    index.wait()
    assert faults == []
    hidden, removed = np.arange(NUM_BASE + 1, num_items, 6), np.arange(NUM_BASE + 5, num_items, 6)
    bias[np.concatenate([gone, hidden, removed])] = -np.inf
    assert index.num_items == num_items - 5 - 2 * NUM_WRITERS * NUM_NEW // 6
    # k beyond a tenth of the items is found exactly by every kind
    found = index.search(queries, 600)
    assert np.array_equal(found.indices, full_sort(vectors, bias, queries, 600)[0])
    index.close()
