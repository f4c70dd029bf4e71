import numpy as np
import pytest

from penchant.errors import InputError
from penchant.packed import NO_TIME
from penchant.serving.histories import HistoryEvent
from penchant.serving.ranking import Ranker, best_first, check_k

from .world import ITEMS, TYPES, make_bundle


def test_the_best_come_first_and_equals_by_index():
    scores = np.array([0.5, 2.0, 0.5, np.nan, -np.inf, 1.0, 0.5])
    nothing = np.array([], int)
    assert best_first(scores, 4, nothing).tolist() == [1, 5, 0, 2]
    assert best_first(scores, 99, nothing).tolist() == [1, 5, 0, 2, 6]
    assert best_first(scores, 2, np.array([1, 0])).tolist() == [5, 2]
    assert best_first(np.array([]), 3, nothing).tolist() == []


def test_scores_that_were_read_are_not_changed():
    scores = np.array([0.5, 2.0])
    best_first(scores, 1, np.array([1]))
    assert scores.tolist() == [0.5, 2.0]


def test_histories_become_arrays():
    ranker = Ranker(make_bundle())
    log = ranker.arrays(
        [
            [HistoryEvent("rum", 5_000, "buy", 2.5), HistoryEvent("what", 6_000, "stare")],
            [],
            [HistoryEvent("tea")],
        ]
    )
    assert log.item_index.tolist() == [2, -1, 0]
    assert log.event_type.tolist() == [TYPES.index("buy"), 0, 0]
    assert log.value[0] == 2.5
    assert np.isnan(log.value[1:]).all()
    assert log.time_ms.tolist() == [5_000, 6_000, NO_TIME]
    assert log.offsets.tolist() == [0, 2, 2, 3]


def test_users_do_not_mix():
    ranker = Ranker(make_bundle())
    histories = [[HistoryEvent("rum", 5_000)], [], [HistoryEvent("tea"), HistoryEvent("leek")]]
    together = ranker.scores(ranker.fold(ranker.arrays(histories)), [9_000, None, None])
    for place, (history, at_ms) in enumerate(zip(histories, [9_000, None, None], strict=True)):
        alone = ranker.scores(ranker.fold(ranker.arrays([history])), [at_ms])
        np.testing.assert_allclose(together[place], alone[0], rtol=1e-6)


def test_a_history_of_unknown_items_is_no_history():
    ranker = Ranker(make_bundle())
    unknown = ranker.scores(ranker.fold(ranker.arrays([[HistoryEvent("what", 1)]])), [None])
    assert unknown.tolist() == ranker.scores(ranker.model.initial_state(1), [None]).tolist()


def test_lists_are_shorter_than_k_where_items_run_out():
    ranker = Ranker(make_bundle())
    [items] = ranker.lists(ranker.model.initial_state(1), [None], 50, [np.array([3])])
    assert sorted(item.item_id for item in items) == sorted(set(ITEMS) - {ITEMS[3]})
    scores = [item.score for item in items]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("k", [0, -3, 1.0, "10", None, True])
def test_a_length_that_is_none_is_refused(k):
    with pytest.raises(InputError, match="k must be a whole number from 1 on but is"):
        check_k(k)
