import numpy as np
import pytest

from penchant.baselines import LaggedMarkov, Markov
from penchant.baselines.markov import SMOOTHINGS, last_known_items
from penchant.errors import ConfigError
from penchant.events.arrays import Part
from penchant.sequences.targets import target_blocks

from ..evaluation.small import block_of, log_of, random_log


def scores_of(baseline, log):
    return np.concatenate([baseline.score(block) for block in target_blocks(log, Part.TEST)])


def test_transitions_are_counted_within_users_and_backed_off_to_popularity():
    log = log_of([[0, 1, 0, 2, 1], [1, 0]], ["tttts", "ts"])
    scores = scores_of(Markov(smoothing=2.0).fit(log, 3), log)
    popular = np.array([2, 2, 1]) / 5
    after_2 = popular  # 2 was the last training event of its user: nothing is known
    after_1 = (np.array([1, 0, 0]) + 2 * popular) / (1 + 2)
    assert scores[0] == pytest.approx(after_2)
    assert scores[1] == pytest.approx(after_1)


def test_probabilities_sum_to_one():
    log = random_log(2)
    for baseline in (Markov(), LaggedMarkov()):
        assert scores_of(baseline.fit(log, 17), log).sum(1) == pytest.approx(1.0, abs=1e-5)


def test_without_a_known_item_before_it_a_target_gets_popularity():
    log = log_of([[0, 1, 1], [2], [-1, 2]], ["ttt", "s", "ts"])
    for baseline in (Markov(smoothing=1.0), LaggedMarkov(decay=0.5)):
        scores = scores_of(baseline.fit(log, 3), log)
        assert scores[0] == pytest.approx([1 / 3, 2 / 3, 0])
        assert scores[1] == pytest.approx([1 / 3, 2 / 3, 0])


def test_the_last_item_may_come_from_the_validation_part_but_is_not_counted():
    log = log_of([[0, 1, 0, 1, 2, 1]], ["ttttvs"])
    scores = scores_of(Markov(smoothing=1.0).fit(log, 3), log)
    assert scores[0] == pytest.approx([2 / 4, 2 / 4, 0])  # nothing follows 2, nothing led to it


def test_a_pair_further_apart_counts_less():
    log = log_of([[0, 1, 2], [0, 1]], ["ttt", "ts"])
    lagged = LaggedMarkov(smoothing=1.0, decay=1.0, num_lags=2).fit(log, 3)
    popular = np.array([2, 1, 1]) / 4
    after_0 = (np.array([0, 1, 1 / 2]) + popular) / (1 + 1 / 2 + 1)
    assert scores_of(lagged, log)[0] == pytest.approx(after_0)


def test_earlier_items_speak_with_less_weight():
    log = log_of([[0, 1, 2], [0, 1, 0]], ["ttt", "tts"])
    lagged = LaggedMarkov(smoothing=1.0, decay=0.5, num_lags=2).fit(log, 3)
    popular = np.array([2, 2, 1]) / 5
    after_1 = (np.array([0, 0, 1]) + popular) / (1 + 1)
    after_0 = (np.array([0, 2, 1 / 2]) + popular) / (2 + 1 / 2 + 1)
    assert scores_of(lagged, log)[0] == pytest.approx(2 / 3 * after_1 + 1 / 3 * after_0)


def test_with_one_lag_the_mixture_is_the_plain_chain():
    log = random_log(4)
    mixed = scores_of(LaggedMarkov(smoothing=3.0, decay=0.7, num_lags=1).fit(log, 17), log)
    assert mixed == pytest.approx(scores_of(Markov(smoothing=3.0).fit(log, 17), log))


def test_settings_are_chosen_on_validation():
    log = random_log(5)
    assert Markov().fit(log, 17).chosen["smoothing"] in SMOOTHINGS
    assert Markov(smoothing=7.5).fit(log, 17).chosen == {"smoothing": 7.5}
    assert LaggedMarkov(decay=0.3).fit(log, 17).chosen == {"smoothing": 30.0, "decay": 0.3}


def test_without_a_validation_part_settings_have_a_default():
    log = log_of([[0, 1, 2]], ["tts"])
    assert Markov().fit(log, 3).chosen == {"smoothing": 10.0}
    assert LaggedMarkov().fit(log, 3).chosen == {"smoothing": 30.0, "decay": 0.8}


@pytest.mark.parametrize("kind", [Markov, LaggedMarkov])
def test_smoothing_that_divides_by_zero_is_refused(kind):
    with pytest.raises(ConfigError) as raised:
        kind(smoothing=0.0)
    assert str(raised.value) == (
        "smoothing of a Markov baseline must be above 0 but is 0.0. "
        "Leave it out, or give for example 10."
    )


def test_last_items_skip_unknown_ones_and_stop_at_the_user():
    block = block_of([[4, 5], [-1, 6, -1, 7, 8], [9]], [3, 5, 6, 7])
    assert last_known_items(block, 2).tolist() == [[-1, -1], [6, -1], [7, 6], [-1, -1]]
