"""What is chosen follows the times that were measured, and the recall."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from penchant.indexes import AutoIndex, choose_index, choosing, renewing

from .worlds import clustered, full_sort

pytest.importorskip("faiss")


def timed(monkeypatch, **milliseconds: float) -> list[str]:
    """Let searches take the given times, by kind; return what is timed, in order."""
    asked: list[str] = []

    def took(state, queries, timer):
        kind = "lists" if state.lists else type(state.scan).__name__
        asked.append(kind)
        return milliseconds[kind]

    monkeypatch.setattr(renewing, "search_ms", took)
    return asked


@pytest.fixture(scope="module")
def world():
    return clustered(3_000, 8)


@pytest.mark.parametrize(
    ("times", "detail", "asked"),
    [
        ({"FloatScan": 0.4}, "float32", 1),
        ({"FloatScan": 0.6, "Int8Scan": 0.5}, "int8", 2),
        ({"FloatScan": 0.6, "Int8Scan": 0.7, "lists": 0.2}, "lists", 3),
        ({"FloatScan": 3.0, "Int8Scan": 2.0, "lists": 0.8}, "lists", 3),
        ({"FloatScan": 0.6, "Int8Scan": 0.7, "lists": 0.9}, "float32", 3),
        ({"FloatScan": 0.9, "Int8Scan": 0.7, "lists": 0.8}, "int8", 3),
    ],
)
def test_the_first_within_the_budget_or_the_fastest_is_chosen(
    world, monkeypatch, times, detail, asked
) -> None:
    seen = timed(monkeypatch, **times)
    index = AutoIndex(world[0], world[1], budget_ms=0.5)
    index.wait()
    assert index.facts.detail.endswith(detail)
    assert index.facts.search_ms == times[seen[-1]] or len(seen) == 3
    assert len(seen) == asked
    assert index.is_exact == (detail != "lists")


def test_the_reason_tells_all_times(world, monkeypatch) -> None:
    timed(monkeypatch, FloatScan=2.25, Int8Scan=1.5, lists=0.75)
    index = AutoIndex(*world[:2], budget_ms=0.5)
    index.wait()
    told = index.facts.reason
    assert told.startswith("beyond the budget of 0.5 ms: float32 2.250 ms, int8 1.500 ms, ")
    assert told.endswith(" of 109 lists 0.750 ms")  # 2 · sqrt(3,000) = 109.5


def test_lists_that_find_too_little_are_not_chosen(world, monkeypatch) -> None:
    timed(monkeypatch, FloatScan=2.25, Int8Scan=1.5, lists=0.1)
    monkeypatch.setattr(renewing, "tuned", lambda state, queries, least: (state, 0.9375))
    index = AutoIndex(*world[:2])
    index.wait()
    assert (index.facts.kind, index.facts.detail) == ("exact", "int8")
    assert index.facts.reason.endswith("; an approximate one finds 0.938, not 0.95")


def test_it_answers_exactly_at_once_and_changes_over(world, monkeypatch) -> None:
    vectors, bias, queries = world
    go, made = threading.Event(), AutoIndex._made

    def slow(index, rows):
        assert go.wait(60)
        return made(index, rows)

    monkeypatch.setattr(AutoIndex, "_made", slow)
    timed(monkeypatch, FloatScan=9.0, Int8Scan=9.0, lists=0.1)
    with choose_index(vectors, bias, queries=queries) as index:
        facts = index.facts
        assert (facts.kind, facts.is_building, facts.search_ms) == ("exact", True, None)
        assert facts.reason == "it is there at once; what is faster is being measured"
        assert np.array_equal(
            index.search(queries, 10).indices, full_sort(vectors, bias, queries, 10)[0]
        )
        index.put([3_000], queries[:1] * 9)  # what comes meanwhile is not lost
        go.set()
        index.wait()
        facts = index.facts
        assert (facts.kind, facts.is_building, facts.search_ms) == ("approximate", False, 0.1)
        assert facts.recall >= 0.95
        assert index.search(queries[:1], 1).indices.tolist() == [[3_000]]


def test_a_catalogue_that_grows_is_measured_again(monkeypatch) -> None:
    monkeypatch.setattr(renewing, "LEAST_EXTRA", 100)
    vectors, bias, _ = clustered(2_400, 8)

    def took(state, queries, timer):
        return 0.1 if state.lists else len(state.rows.base.item) / 3_000

    monkeypatch.setattr(renewing, "search_ms", took)
    with AutoIndex(vectors[:1_200].copy(), bias[:1_200], budget_ms=0.5) as index:
        index.wait()
        assert index.facts.kind == "exact"  # 1,200 / 3,000 ms
        index.put(np.arange(1_200, 2_400), vectors[1_200:], bias[1_200:])
        index.wait()
        assert index.facts.kind == "approximate"  # 2,400 / 3,000 ms


def test_many_hidden_items_are_no_reason_to_build(monkeypatch) -> None:
    monkeypatch.setattr(renewing, "LEAST_EXTRA", 100)
    vectors, bias, _ = clustered(900, 8)
    with AutoIndex(vectors, bias, budget_ms=1e6) as index:
        index.wait()
        built = []
        monkeypatch.setattr(AutoIndex, "_made", lambda index, rows: built.append(rows))
        index.hide(np.arange(800))
        index.wait()
        assert built == []
        assert index.num_items == 100


def test_the_budget_is_measured_with_the_given_timer() -> None:
    steps = iter(np.cumsum([0.0, *[0.002] * 10_000]))
    index = AutoIndex(np.eye(3), budget_ms=2.5, timer=lambda: float(next(steps)))
    index.wait()
    assert index.facts.search_ms == pytest.approx(2.0)
    assert index.facts.reason == "within the budget of 2.5 ms: float32 2.000 ms"


def test_the_default_budget_is_half_a_millisecond() -> None:
    assert choosing.BUDGET_MS == 0.5
