"""The approximate index states its recall, and finds k wherever there are k."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from penchant.errors import MissingExtraError
from penchant.indexes import ApproximateIndex, AutoIndex, ExactIndex, indexes
from penchant.indexes import lists as lists_file

from .worlds import clustered

pytest.importorskip("faiss")


def recall(found: np.ndarray, best: np.ndarray) -> float:
    return float(np.mean([np.isin(best[user], found[user]).mean() for user in range(len(best))]))


@pytest.fixture(scope="module")
def world():
    return clustered(12_000, 24, num_users=300)


@pytest.fixture(scope="module")
def pair(world):
    vectors, bias, queries = world
    return ExactIndex(vectors, bias), ApproximateIndex(vectors, bias, queries=queries[:150])


@pytest.mark.parametrize("least", [0.8, 0.95])
def test_fresh_queries_reach_the_recall_that_was_asked_for(world, least) -> None:
    vectors, bias, queries = world
    index = ApproximateIndex(vectors, bias, least, queries=queries[:150])
    best = ExactIndex(vectors, bias).search(queries[150:], 10).indices
    reached = recall(index.search(queries[150:], 10).indices, best)
    assert index.facts.recall >= least
    assert reached >= least - 0.02
    assert reached < 1  # not all lists were looked into


def test_what_is_found_has_the_scores_of_the_exact_index(world, pair) -> None:
    exact, near = pair
    best, found = exact.search(world[2], 50), near.search(world[2], 10)
    for user in range(0, 300, 17):
        scores = dict(zip(best.indices[user], best.scores[user], strict=True))
        both = [item for item in found.indices[user] if item in scores]
        kept = found.scores[user][np.isin(found.indices[user], both)]
        assert [scores[item] for item in both] == kept.tolist()


@pytest.mark.parametrize("k", [1, 10, 100, 1_000])
def test_longer_lists_are_found_as_well(world, pair, k) -> None:
    exact, near = pair
    queries = world[2][150:200]
    found = near.search(queries, k)
    assert (found.indices >= 0).all()
    assert recall(found.indices, exact.search(queries, k).indices) > 0.93


@pytest.mark.parametrize("num", [5, 63, 64, 65, 3_000])
def test_what_is_nearest_may_be_excluded(world, pair, num) -> None:
    exact, near = pair
    queries = world[2][150:200]
    out = list(exact.search(queries, num).indices)
    found = near.search(queries, 10, excluded=out)
    assert not any(np.isin(found.indices[user], out[user]).any() for user in range(50))
    assert recall(found.indices, exact.search(queries, 10, excluded=out).indices) > 0.93


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
def test_filters_by_chance_and_against_the_query_lose_little(world, share) -> None:
    vectors, bias, queries = world
    exact = ExactIndex(vectors, bias)
    near = ApproximateIndex(vectors, bias, queries=queries[:150], exact_rows=20)
    by_chance = np.random.default_rng(1).random(len(vectors)) < share
    against = vectors @ queries[151] + bias
    for allowed in (by_chance, against < np.quantile(against, share)):
        best = exact.search(queries[150:200], 10, allowed)
        found = near.search(queries[150:200], 10, allowed)
        assert allowed[found.indices].all()
        assert recall(found.indices, best.indices) > 0.93


def test_several_interests_are_merged(world, pair) -> None:
    exact, near = pair
    queries = world[2][150:210].reshape(20, 3, 24)
    found, best = near.search(queries, 10), exact.search(queries, 10)
    assert recall(found.indices, best.indices) > 0.93


def test_hidden_lists_are_searched_past(world) -> None:
    """The best hundred of a user are hidden after the lists were made: the next ones come."""
    vectors, bias, queries = world
    exact, near = ExactIndex(vectors, bias), ApproximateIndex(vectors, bias)
    gone = exact.search(queries[:1], 100).indices[0]
    for index in (exact, near):
        index.hide(gone)
    best, found = exact.search(queries[:1], 10), near.search(queries[:1], 10)
    assert not np.isin(found.indices, gone).any()
    assert recall(found.indices, best.indices) >= 0.9


def test_the_same_seed_gives_the_same_lists(world) -> None:
    vectors, bias, queries = world
    one, two, other = (ApproximateIndex(vectors, bias, 0.7, seed=seed) for seed in (3, 3, 4))
    found = [index.search(queries, 10).indices for index in (one, two, other)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    assert one.facts.detail == two.facts.detail
    assert one.facts.recall == two.facts.recall


def test_a_table_of_equal_or_no_vectors_is_searched() -> None:
    same = ApproximateIndex(np.ones((500, 4)))
    assert same.search(np.ones((2, 4)), 3).indices.tolist() == [[0, 1, 2]] * 2
    none = ApproximateIndex(np.zeros((0, 4)))
    assert none.search(np.ones((1, 4)), 2).indices.tolist() == [[-1, -1]]
    one = ApproximateIndex(np.zeros((1, 4)), [-np.inf])
    assert one.search(np.ones((1, 4)), 2).indices.tolist() == [[-1, -1]]
    one.put([0, 6], np.eye(4)[:2])
    assert one.search(np.ones((1, 4)), 2).indices.tolist() == [[0, 6]]


def test_lists_are_made_anew_when_much_has_come(world, monkeypatch) -> None:
    monkeypatch.setattr("penchant.indexes.renewing.LEAST_EXTRA", 100)
    vectors, bias, queries = world
    start = vectors[:6_000].copy()
    with ApproximateIndex(start, bias[:6_000]) as index:
        detail = index.facts.detail
        index.hide(np.arange(0, 300, 3))
        for first in range(6_000, 12_000, 500):
            items = np.arange(first, first + 500)
            index.put(items, vectors[items], bias[items])
        index.remove([9, 11_999])
        index.wait()
        assert index.facts.num_extra <= 120
        assert index.facts.detail != detail
        assert index.num_items == 12_000 - 100 - 1  # 9 is hidden already
        bias = bias.copy()
        bias[np.append(np.arange(0, 300, 3), 11_999)] = -np.inf
        best = ExactIndex(vectors, bias).search(queries, 10).indices
        assert recall(index.search(queries, 10).indices, best) > 0.93


def test_what_changes_during_a_build_is_done_again(monkeypatch) -> None:
    monkeypatch.setattr("penchant.indexes.renewing.LEAST_EXTRA", 50)
    vectors, bias, queries = clustered(3_000, 8)
    made = ApproximateIndex._made
    late = clustered(40, 8, seed=5)[0] * 2

    def meddled(index, rows):
        found = made(index, rows)
        if len(rows.base.item) > 2_940:
            index.put(np.append(np.arange(20), np.arange(4_000, 4_020)), late)
            index.hide([21, 22, 4_001])
            index.remove([23, 4_002])
            index.show([24])
        return found

    monkeypatch.setattr(ApproximateIndex, "_made", meddled)
    with ApproximateIndex(vectors[:2_940].copy(), bias[:2_940]) as index:
        index.hide([24])
        index.put(np.arange(2_940, 3_000), vectors[2_940:], bias[2_940:])
        index.wait()
        assert len(index._state.rows.base.item) == 3_000
        every = index.search(queries[:1], 5_000)
        listed = set(every.of(0)[0].tolist())
    assert listed == set(range(3_000)) - {21, 22, 23} | set(range(4_000, 4_020)) - {4_001, 4_002}
    scores = dict(zip(*every.of(0), strict=True))
    assert scores[7] == np.float32(late[7].astype(float) @ queries[0].astype(float))
    assert scores[24] == np.float32(vectors[24].astype(float) @ queries[0].astype(float) + bias[24])


def test_a_build_that_fails_is_told_and_the_old_one_answers(monkeypatch) -> None:
    monkeypatch.setattr("penchant.indexes.renewing.LEAST_EXTRA", 10)
    vectors, bias, queries = clustered(900, 8)
    with ApproximateIndex(vectors, bias) as index:
        monkeypatch.setattr(
            lists_file, "_library", lambda: (_ for _ in ()).throw(MemoryError("no room"))
        )
        index.put(np.arange(900, 920), vectors[:20] * 3, bias[:20])
        with pytest.raises(MemoryError, match="no room"):
            index.wait()
        assert index.facts.reason == "the last build failed: no room"
        assert (index.search(queries, 3).indices >= 0).all()


def test_a_process_may_end_while_an_index_is_built() -> None:
    script = (
        "import numpy as np\n"
        "from penchant.indexes import AutoIndex\n"
        "table = np.random.default_rng(0).standard_normal((60_000, 32), dtype=np.float32)\n"
        "index = AutoIndex(table, budget_ms=1e-9)\n"
        "print(index.facts.is_building)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")


def test_without_faiss_the_error_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penchant\[ann\]'"):
        indexes.build("approximate", {}, vectors=np.eye(4))
    index = AutoIndex(np.eye(4), budget_ms=1e-9)
    index.wait()
    assert index.facts.kind == "exact"
    assert "needs faiss, which is not installed" in index.facts.reason
