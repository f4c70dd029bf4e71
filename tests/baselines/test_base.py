from dataclasses import replace

import numpy as np
import pytest

from penchant.baselines import Baseline, baselines, fit_baselines
from penchant.baselines.base import choose
from penchant.errors import ConfigError, UsageError
from penchant.events.arrays import Part
from penchant.sequences.targets import target_blocks

from ..evaluation.small import log_of, random_log

TEXTS = np.random.default_rng(2).normal(size=(17, 3)) * (np.arange(17) % 5 > 0)[:, None]


def test_the_usual_baselines_are_fitted_by_kind():
    fitted = fit_baselines(random_log(), 17)
    assert list(fitted) == ["popular", "recent_popular", "markov", "lagged_markov"]
    assert all(isinstance(baseline, Baseline) for baseline in fitted.values())


def test_baselines_that_compare_texts_need_vectors():
    fitted = fit_baselines(random_log(), 17, ["mean_text", "popular"], vectors=TEXTS)
    assert list(fitted) == ["mean_text", "popular"]
    with pytest.raises(UsageError, match="mean_text needs the vectors of the items' texts"):
        fit_baselines(random_log(), 17, ["mean_text"])


def test_what_is_chosen_is_the_best_among_the_candidates():
    log = log_of([[0, 2], [1, 2]], ["tv", "tv"])
    # the target 2 stands third or second among all items, first or second among 2 and 3
    scores = {"third": [9, 8, 3, 0], "second": [0, 1, 3, 4]}

    def score(block, setting):
        return np.tile(np.array(scores[setting], dtype=np.float32), (len(block.rows), 1))

    options = {"otherwise": "none", "exclude_seen": False}
    assert choose(list(scores), score, log, 4, **options) == "second"
    only = np.array([False, False, True, True])
    assert choose(list(scores), score, log, 4, **options, candidates=only) == "third"


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean popular"):
        fit_baselines(random_log(), 17, ["populer"])


@pytest.mark.parametrize("kind", list(baselines))
def test_nothing_of_the_test_part_reaches_a_baseline(kind):
    log = random_log(6, num_users=40)
    is_test = log.part == Part.TEST
    other = np.where(is_test, (log.item_index + 5) % 17, log.item_index)
    changed = replace(log, item_index=other)
    fitted = [baselines.build(kind, {}, vectors=TEXTS).fit(each, 17) for each in (log, changed)]
    block = next(target_blocks(log, Part.TEST))
    assert fitted[0].chosen == fitted[1].chosen
    assert fitted[0].score(block).tolist() == fitted[1].score(block).tolist()


@pytest.mark.parametrize("kind", list(baselines))
def test_a_baseline_does_not_look_at_the_target_it_is_asked_for(kind):
    log = random_log(7, num_users=40)
    baseline = baselines.build(kind, {}, vectors=TEXTS).fit(log, 17)
    block = next(target_blocks(log, Part.VALIDATION))
    last = block.rows[np.append(np.diff(block.owner) > 0, True)]
    hidden = block.log.item_index.copy()
    hidden[last] = 16 - hidden[last]
    changed = replace(block, log=replace(block.log, item_index=hidden))
    is_last = np.isin(block.rows, last)
    assert baseline.score(block)[is_last].tolist() == baseline.score(changed)[is_last].tolist()


def test_the_first_of_equally_good_settings_is_chosen():
    log = log_of([[0, 1], [1, 0]], ["tv", "tv"])
    even = np.array([[0.0, 0.0]], dtype=np.float32)
    same = choose([3, 1, 2], lambda block, _: even.repeat(len(block.rows), 0), log, 2, otherwise=9)
    assert same == 3


def test_without_targets_nothing_is_chosen():
    log = log_of([[0, 1]], ["tt"])
    assert choose([3, 1], lambda block, _: np.zeros((0, 2)), log, 2, otherwise=9) == 9


def test_the_better_setting_is_chosen():
    log = log_of([[0, 1], [0, 1]], ["tv", "tv"])
    best = choose(
        [0, 1, 2],
        lambda block, item: np.eye(3, dtype=np.float32)[[item] * len(block.rows)],
        log,
        3,
        otherwise=9,
        exclude_seen=False,
    )
    assert best == 1
