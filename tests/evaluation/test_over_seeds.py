import numpy as np
import pytest

from penchant.errors import UsageError
from penchant.evaluation import compare_over_seeds, evaluate
from penchant.evaluation.intervals import paired_difference
from penchant.events.arrays import Part

from .small import Data, Drawn, Fixed, log_of, random_log

# user 0: target 1 then 2 · user 1: target 0, seen before · user 2: a cold target, then 3
LOG = log_of([[0, 1, 2], [0, 2, 0], [2, -1, 3]], ["tss", "tts", "tss"])
DOWN, UP = Fixed([4, 3, 2, 1]), Fixed([1, 2, 3, 4])


def test_seeds_are_averaged_target_by_target_before_the_difference():
    found = compare_over_seeds([DOWN, UP, UP], [UP, DOWN], LOG, 4, ks=(5,))
    assert (found.num_users, found.num_targets) == (2, 4)
    # ranks without seen items: down 1, 1, miss, 3 · up 3, 2, miss, 1
    down, up = (1 + 1 + 0 + 1 / 3) / 4, (1 / 3 + 1 / 2 + 0 + 1) / 4
    assert found.by_seed["mrr@5"] == (pytest.approx([down, up, up]), pytest.approx([up, down]))
    assert found.first["mrr@5"].value == pytest.approx((down + 2 * up) / 3)
    assert found.second["mrr@5"].value == pytest.approx((up + down) / 2)
    assert found.difference["mrr@5"].value == pytest.approx((up - down) / 6)


def test_the_interval_is_that_of_the_paired_mean_over_users():
    log, rankers = random_log(3), [Drawn(17, seed) for seed in range(5)]
    found = compare_over_seeds(rankers[:2], rankers[2:], log, 17, Part.TEST, num_draws=200)
    report = evaluate({str(n): ranker for n, ranker in enumerate(rankers)}, Data(log, 17))
    hits = [report.metrics["hit@10"].value]
    hits += [report.baselines[str(n)]["hit@10"].value for n in range(1, 5)]
    assert found.by_seed["hit@10"] == (pytest.approx(hits[:2]), pytest.approx(hits[2:]))
    difference = found.difference["hit@10"]
    assert difference.value == pytest.approx(np.mean(hits[:2]) - np.mean(hits[2:]))
    assert difference.low < difference.value < difference.high


def test_one_seed_each_gives_the_paired_difference_of_two_rankers():
    log = random_log(4)
    found = compare_over_seeds([Drawn(17, 1)], [Drawn(17, 2)], log, 17, exclude_seen=False)
    report = evaluate({"a": Drawn(17, 1), "b": Drawn(17, 2)}, Data(log, 17), exclude_seen=False)
    assert found.difference["ndcg@10"].to_dict() == pytest.approx(
        report.differences["b"]["ndcg@10"].to_dict()
    )
    same = paired_difference(np.ones(3), np.ones(3), np.arange(3))
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_a_side_without_a_ranker_is_refused():
    with pytest.raises(UsageError, match="for each of its two sides but got 0 and 1"):
        compare_over_seeds([], [DOWN], LOG, 4)
