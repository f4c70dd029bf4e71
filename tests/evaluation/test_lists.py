import numpy as np
import pytest

from penchant.evaluation.lists import Coverage, item_novelty, list_novelty, top_items


def plain_top(scores: np.ndarray, k: int) -> list[int]:
    """Sort (−score, item) and take k; what cannot be listed is -1."""
    listable = [item for item, score in enumerate(scores) if score > -np.inf]
    best = sorted(listable, key=lambda item: (-scores[item], item))[:k]
    return best + [-1] * (k - len(best))


@pytest.mark.parametrize("k", [1, 4, 11, 15])
def test_top_items_are_those_of_a_full_sort(k):
    scores = np.random.default_rng(k).integers(0, 6, (50, 11)).astype(np.float32)
    scores[3:9, 2:9] = np.nan
    scores[7:20, 5] = -np.inf
    scores[12] = -np.inf
    found = top_items(scores, k)
    assert found.shape == (50, k)
    assert found.tolist() == [plain_top(row, k) for row in scores]


@pytest.mark.parametrize("num_items", [79, 80, 163, 1_001])
def test_top_items_of_a_large_catalogue_are_those_of_a_full_sort(num_items):
    draw = np.random.default_rng(num_items)
    scores = draw.normal(size=(40, num_items)).astype(np.float32)
    scores[::3] = np.round(scores[::3])  # many ties
    scores[:, -1] += 2.0
    scores[5, 3:] = -np.inf
    assert top_items(scores, 5).tolist() == [plain_top(row, 5) for row in scores]


def test_scores_are_left_as_they_were():
    scores = np.array([[np.nan, 1.0, 2.0]])
    top_items(scores, 2)
    assert scores.tolist()[0][1:] == [1.0, 2.0]
    assert np.isnan(scores[0, 0])


def test_novelty_is_the_information_of_the_popularity_share():
    novelty = item_novelty(np.array([6, 2, 0]))
    assert novelty == pytest.approx([np.log2(8 / 6), np.log2(8 / 2), np.log2(8 / 1)])


def test_novelty_without_any_training_event_is_zero():
    assert item_novelty(np.array([0, 0])).tolist() == [0, 0]


def test_novelty_of_a_list_is_the_mean_over_what_it_shows():
    lists = np.array([[2, 0, 1], [1, -1, -1], [-1, -1, -1]])
    found = list_novelty(lists, np.array([1.0, 2.0, 4.0]), 2)
    assert found[:2].tolist() == [(4 + 1) / 2, 2]
    assert np.isnan(found[2])


def test_coverage_counts_each_item_once_over_all_blocks():
    coverage = Coverage(num_items=5, k=2)
    coverage.add(np.array([[0, 3, 4], [3, 0, 1]]))
    coverage.add(np.array([[3, 2, 1], [-1, -1, -1]]))
    assert coverage.share == 3 / 5
