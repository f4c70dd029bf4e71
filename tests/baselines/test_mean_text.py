import numpy as np
import pytest

from penchant.baselines import MeanText
from penchant.baselines.mean_text import LAST
from penchant.errors import ShapeError, UsageError
from penchant.events.arrays import Part
from penchant.sequences.targets import target_blocks

from ..evaluation.small import log_of, random_log

# two directions, one between them, an item without a text, one that points away
TEXTS = np.array([[2.0, 0.0], [0.0, 5.0], [3.0, 3.0], [0.0, 0.0], [-1.0, 0.0]])
HALF = 1 / np.sqrt(2)


def scores_of(baseline, log):
    fitted = baseline.fit(log, len(TEXTS))
    return np.concatenate([fitted.score(block) for block in target_blocks(log, Part.TEST)])


def test_items_stand_by_the_cosine_to_the_mean_of_all_texts():
    log = log_of([[0, 0, 1, 2], [1, 4]], ["ttts", "ts"])
    found = scores_of(MeanText(TEXTS, last=100), log)
    mean = np.array([2 / 3, 1 / 3]) / np.sqrt(4 / 9 + 1 / 9)  # of (1, 0), (1, 0) and (0, 1)
    assert found[0] == pytest.approx([mean[0], mean[1], mean.sum() * HALF, 0, -mean[0]])
    assert found[1] == pytest.approx([0, 1, HALF, 0, 0])


def test_only_the_last_texts_count():
    log = log_of([[0, 0, 1, 2]], ["ttts"])
    assert scores_of(MeanText(TEXTS, last=1), log)[0] == pytest.approx([0, 1, HALF, 0, 0])
    two = scores_of(MeanText(TEXTS, last=2), log)[0]
    assert two == pytest.approx([HALF, HALF, 1, 0, -HALF])


def test_unknown_items_and_items_without_a_text_are_passed_over():
    log = log_of([[4, 1, 3, -1, 2]], ["tttts"])
    assert scores_of(MeanText(TEXTS, last=1), log)[0] == pytest.approx([0, 1, HALF, 0, 0])


def test_a_history_without_a_text_leaves_all_items_tied():
    log = log_of([[1, 3], [3, -1, 3, 0], [2]], ["ts", "ttts", "s"])
    found = scores_of(MeanText(TEXTS, last=3), log)
    assert found[1:].tolist() == [[0] * 5] * 2


def test_the_validation_event_is_history_of_the_test_target():
    log = log_of([[0, 1, 2]], ["tvs"])
    assert scores_of(MeanText(TEXTS, last=1), log)[0] == pytest.approx([0, 1, HALF, 0, 0])


def test_each_target_of_a_user_has_its_own_history():
    log = log_of([[0], [0, 1, 2]], ["t", "tss"])
    found = scores_of(MeanText(TEXTS, last=1), log)
    assert found == pytest.approx(np.array([[1, 0, HALF, 0, -1], [0, 1, HALF, 0, 0]]))


def test_how_many_texts_count_is_chosen_on_validation():
    # after 0 1 comes 2: the mean of both points at it, the last alone at 1 (not filtered here)
    log = log_of([[0, 1, 2], [0, 1, 2]], ["ttv", "ttv"])
    chosen = MeanText(TEXTS, exclude_seen=False).fit(log, 5).chosen
    assert chosen == {"last": 2}
    assert MeanText(TEXTS).fit(log_of([[0, 1]], ["tt"]), 5).chosen == {"last": "all"}
    assert MeanText(TEXTS, last=7).fit(log, 5).chosen == {"last": 7}


def test_the_choice_is_made_among_the_candidates():
    # after 4 0 comes 2: the last alone puts it above 1 and 4, the mean of both leaves all tied
    log = log_of([[4, 0, 2], [4, 0, 2]], ["ttv", "ttv"])
    only = np.array([False, True, True, False, True])
    fitted = MeanText(TEXTS, candidates=only, exclude_seen=False).fit(log, 5)
    assert fitted.chosen == {"last": 1}


@pytest.mark.parametrize("last", [*LAST, 4])
def test_means_agree_with_histories_written_out(last):
    log = random_log(3, num_users=40)
    texts = np.random.default_rng(1).normal(size=(17, 4))
    texts[[2, 9]] = 0
    fitted = MeanText(texts, last=last).fit(log, 17)
    units = texts / np.maximum(np.linalg.norm(texts, axis=1, keepdims=True), 1e-12)
    for block in target_blocks(log, Part.TEST):
        for row, start, scores in zip(block.rows, block.starts, fitted.score(block), strict=True):
            history = [i for i in block.log.item_index[start:row] if i >= 0 and units[i].any()]
            if not history:
                assert not scores.any()
                continue
            mean = units[history[-last:]].mean(0)
            assert scores == pytest.approx(units @ mean / np.linalg.norm(mean), abs=1e-5)


def test_without_vectors_or_with_those_of_other_items_it_is_refused():
    with pytest.raises(UsageError, match="needs the vectors of the items' texts"):
        MeanText()
    with pytest.raises(ShapeError) as raised:
        MeanText(TEXTS).fit(random_log(), 17)
    assert "one vector for each of the 17 items, but has 5" in str(raised.value)
