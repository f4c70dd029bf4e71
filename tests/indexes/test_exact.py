"""The exact index finds what can be seen by hand, and what a full sort finds."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import ConfigError
from penchant.indexes import ExactIndex, indexes
from penchant.serving.ranking import best_first

from .worlds import clustered, full_sort

VECTORS = [[1.0, 0.0], [0.0, 2.0], [3.0, -1.0], [1.0, 0.0], [-2.0, 0.5]]
BIAS = [0.5, 0.0, -0.25, 0.5, 4.0]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_scores_are_dot_products_plus_bias(precision) -> None:
    index = indexes.build("exact", {"precision": precision}, vectors=VECTORS, bias=BIAS)
    found = index.search([[2.0, 1.0]], k=3)
    # 2+.5, 2, 6-1-.25, 2+.5, -4+.5+4
    assert found.indices.tolist() == [[2, 0, 3]]
    assert found.scores.tolist() == [[4.75, 2.5, 2.5]]


def test_the_best_of_several_interests_counts() -> None:
    index = ExactIndex(VECTORS, BIAS)
    found = index.search([[[0.0, 1.0], [-1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]], k=2)
    # by the first: .5, 2, -1.25, .5, 4.5; by the second: -.5, 0, -3.25, -.5, 6
    assert found.indices.tolist() == [[4, 1], [4, 1]]
    assert found.scores.tolist() == [[6.0, 2.0], [4.5, 2.0]]


def test_fewer_items_than_k_are_padded() -> None:
    found = ExactIndex(VECTORS, BIAS).search([[1.0, 0.0]], k=7, excluded=[[4, 0, 77, -1]])
    assert found.indices.tolist() == [[2, 3, 1, -1, -1, -1, -1]]
    assert found.scores.tolist() == [[2.75, 1.5, 0.0] + [-np.inf] * 4]
    assert [leaf.tolist() for leaf in found.of(0)] == [[2, 3, 1], [2.75, 1.5, 0.0]]


def test_a_mask_may_be_shorter_or_longer_than_the_catalogue() -> None:
    index = ExactIndex(VECTORS, BIAS)
    short, long = np.array([True, False, True]), np.array([False] * 4 + [True] * 4)
    assert index.search([[1.0, 0.0]], 3, short).indices.tolist() == [[2, 0, -1]]
    assert index.search([[1.0, 0.0]], 3, long).indices.tolist() == [[4, -1, -1]]


def test_an_index_may_be_empty_and_filled_later() -> None:
    index = ExactIndex(np.zeros((0, 2)))
    assert index.search([[1.0, 0.0]], 2).indices.tolist() == [[-1, -1]]
    index.put([3], [[2.0, 0.0]])
    assert index.search([[1.0, 0.0]], 2).indices.tolist() == [[3, -1]]
    assert index.num_items == 1


def test_nobody_asks_and_nothing_is_found() -> None:
    assert ExactIndex(VECTORS).search(np.zeros((0, 2)), 3).indices.shape == (0, 3)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("width", [7, 64])
def test_both_precisions_equal_a_full_sort(precision, width) -> None:
    vectors, bias, queries = clustered(9_001, width)
    found = ExactIndex(vectors, bias, precision).search(queries, 25)
    items, scores = full_sort(vectors, bias, queries, 25)
    assert np.array_equal(found.indices, items)
    assert np.array_equal(found.scores, scores)


def test_rough_vectors_cost_time_and_no_items() -> None:
    """One number a hundred times the others leaves them two or three codes of int8 each."""
    vectors, bias, queries = clustered(5_000, 16)
    vectors[:, 3] = 200 + vectors[:, 3]
    found = ExactIndex(vectors, bias, "int8").search(queries, 10)
    assert np.array_equal(found.indices, full_sort(vectors, bias, queries, 10)[0])


def test_the_order_is_that_of_ranked_lists() -> None:
    draw = np.random.default_rng(3)
    vectors = draw.integers(-2, 3, (300, 4)).astype(np.float32)
    query, out = np.array([[1.0, -2.0, 0.5, 1.0]], np.float32), np.array([5, 17, 80])
    found = ExactIndex(vectors).search(query, 50, excluded=[out])
    wanted = best_first((query @ vectors.T)[0], 50, out)
    assert found.indices[0].tolist() == wanted.tolist()


def test_many_users_are_searched_in_blocks(monkeypatch) -> None:
    monkeypatch.setattr("penchant.indexes.scanning.BLOCK_CELLS", 2_500)
    vectors, bias, queries = clustered(800, 8, num_users=11)
    out = [np.arange(user) for user in range(11)]
    found = ExactIndex(vectors, bias).search(queries, 5, excluded=out)
    for user in range(11):
        alone = ExactIndex(vectors, bias).search(queries[[user]], 5, excluded=[out[user]])
        assert np.array_equal(found.indices[user], alone.indices[0])


def test_a_long_tail_is_laid_into_the_base(monkeypatch) -> None:
    monkeypatch.setattr("penchant.indexes.exact.LEAST_TAIL", 30)
    vectors, bias, queries = clustered(210, 6)
    index = ExactIndex(vectors[:100].copy(), bias[:100])
    index.hide([7, 101])  # 101 is not there yet, and is passed over
    for start in range(100, 210, 10):
        index.put(np.arange(start, start + 10), vectors[start : start + 10], bias[start:][:10])
    index.remove([3, 150])
    assert index.facts.num_extra <= 30
    assert index.num_items == 210 - 3
    bias[[3, 7, 150]] = -np.inf
    assert np.array_equal(
        index.search(queries, 12).indices, full_sort(vectors, bias, queries, 12)[0]
    )
    index.show([7])
    assert index.num_items == 208


def test_filters_name_items_wherever_their_rows_lie(monkeypatch) -> None:
    """Masks and places mean the same before and after the base is laid anew, with gaps in it."""
    monkeypatch.setattr("penchant.indexes.exact.LEAST_TAIL", 10)
    vectors, bias, queries = clustered(90, 6)
    index = ExactIndex(vectors[:80].copy(), bias[:80])
    bias[[2, 40]] = -np.inf
    index.remove([2, 40])
    allowed = np.arange(83) % 3 != 0
    there = set(range(80)) - {2, 40}
    for item in [5, 81, 6, 85, 7, 82, 83, 84, 80, 86, 87, 8, 9]:
        index.put([item], vectors[item][None], bias[[item]])
        there.add(item)
        known = [each for each in there if each < len(allowed) and allowed[each]]
        wanted = np.full(90, -np.inf, np.float32)
        wanted[known] = bias[known]
        items, _ = full_sort(vectors, wanted, queries, 7)
        for given in (allowed, np.flatnonzero(allowed)):
            assert np.array_equal(index.search(queries, 7, given).indices, items)
    assert not index._state.rows.is_plain  # two items have no row any more


def test_facts_tell_what_there_is() -> None:
    times = iter(np.arange(0.0, 100.0, 0.25))
    index = ExactIndex(VECTORS, BIAS, clock=lambda: 1_700.5, timer=lambda: float(next(times)))
    index.put([5, 1], [[1.0, 1.0], [2.0, 2.0]])
    facts = index.facts
    assert (facts.kind, facts.detail, facts.recall) == ("exact", "float32", 1.0)
    assert (facts.num_items, facts.num_extra) == (6, 2)
    assert (facts.search_ms, facts.built_at, facts.is_building) == (250.0, 1_700.5, False)
    # 5 rows of 2 numbers, bias, item; 2 more; 7 offsets; 6 places; 6 flags
    assert facts.num_bytes == 5 * 16 + 2 * 16 + 7 * 4 + 6 * 4 + 6
    assert facts.to_dict()["num_items"] == 6


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'has no precision "int4"\. Did you mean int8\?'):
        ExactIndex(VECTORS, BIAS, "int4")
