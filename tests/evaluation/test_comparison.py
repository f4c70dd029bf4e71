import math
from dataclasses import replace

import numpy as np
import pytest

from penchant.baselines import Markov
from penchant.errors import ConfigError, UsageError
from penchant.evaluation import ModelRanker, evaluate, evaluate_model, rank_targets
from penchant.evaluation.intervals import paired_difference
from penchant.evaluation.metrics import ndcg
from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.sequences.ranking import ranks
from penchant.sequences.targets import target_blocks

from .small import Data, Drawn, Fixed, log_of, random_log
from .test_model_ranker import make_model

# user 0: target 1 then 2 · user 1: target 0, seen before · user 2: a cold target, then 3
LOG = log_of([[0, 1, 2], [0, 2, 0], [2, -1, 3]], ["tss", "tts", "tss"])
DATA = Data(LOG, 4)
DOWN, UP = Fixed([4, 3, 2, 1]), Fixed([1, 2, 3, 4])


def test_means_over_events_are_those_computed_by_hand():
    report = evaluate({"down": DOWN, "up": UP}, DATA, "test", ks=(2, 5))
    assert (report.num_users, report.num_targets) == (2, 4)
    # ranks without seen items: down 1, 1, miss, 3 · up 3, 2, miss, 1
    down, up = report.metrics, report.baselines["up"]
    assert down["ndcg@5"].value == pytest.approx((1 + 1 + 0 + 1 / 2) / 4)
    assert down["hit@2"].value == pytest.approx(2 / 4)
    assert up["mrr@5"].value == pytest.approx((1 / 3 + 1 / 2 + 0 + 1) / 4)
    assert up["precision@2"].value == pytest.approx((0 + 1 + 0 + 1) / 2 / 4)
    assert report.differences["up"]["hit@2"].value == pytest.approx(2 / 4 - 2 / 4)


def test_what_no_list_holds_is_a_miss_even_where_lists_are_longer_than_the_catalogue():
    log = log_of([[0, -1], [0, 3], [0, 1]], ["ts"] * 3)
    report = evaluate({"gap": Fixed([4, 3, 2, np.nan])}, Data(log, 4), ks=(50,))
    assert report.metrics["hit@50"].value == pytest.approx((0 + 0 + 1) / 3)
    assert report.unfiltered["gap"]["hit@50"].value == pytest.approx((0 + 0 + 1) / 3)


def test_the_mean_per_user_weighs_users_alike():
    log = log_of([[0, 1, 2, 3], [3, 0]], ["tsss", "ts"])
    report = evaluate({"down": DOWN}, Data(log, 4), ks=(1,))
    assert report.metrics["hit@1"].value == pytest.approx((1 + 1 + 1 + 1) / 4)
    report = evaluate({"up": UP}, Data(log, 4), ks=(1,))
    assert report.metrics["hit@1"].value == pytest.approx((0 + 0 + 1 + 0) / 4)
    assert report.per_user["up"]["hit@1"].value == pytest.approx((1 / 3 + 0) / 2)


def test_the_figures_without_the_filter_stand_beside():
    report = evaluate({"down": DOWN, "up": UP}, DATA, ks=(5,))
    # ranks among all items: down 2, 3, 1, miss, 4
    want = (1 / 2 + 1 / 3 + 1 + 0 + 1 / 4) / 5
    assert report.unfiltered["down"]["mrr@5"].value == pytest.approx(want)
    plain = evaluate({"down": DOWN}, DATA, ks=(5,), exclude_seen=False)
    assert plain.metrics["mrr@5"].value == pytest.approx(want)
    assert (plain.num_targets, plain.protocol["left_out_seen_targets"]) == (5, 0)


def test_the_protocol_says_under_which_rules():
    report = evaluate({"down": DOWN}, DATA)
    assert report.protocol == {
        "split": "leave-one-out",
        "part": "test",
        "candidates": "all",
        "num_candidates": 4,
        "exclude_seen": True,
        "ties": "pessimistic",
        "query_time": None,
        "num_items": 4,
        "data_fingerprint": "f00d",
        "left_out_seen_targets": 1,
        "cold_targets": 1,
    }


def test_only_counting_event_types_are_filtered():
    log = log_of([[0, 1, 0]], ["tts"], types=[[1, 0, 0]])
    report = evaluate({"down": DOWN}, Data(log, 4), ks=(1,), seen_event_types=[0])
    assert (report.num_targets, report.metrics["hit@1"].value) == (1, 1)


def test_intervals_of_differences_are_paired():
    log = random_log(2, num_users=60)
    rankers = {"model": Drawn(17, seed=1), "same": Drawn(17, seed=1), "other": Drawn(17, seed=2)}
    report = evaluate(rankers, Data(log, 17), exclude_seen=False, seed=7)
    assert report.differences["same"]["ndcg@10"].to_dict() == {"value": 0, "low": 0, "high": 0}
    found = report.differences["other"]["ndcg@10"]
    assert found.low < found.value < found.high
    ranking = rank_targets(rankers, log, Part.TEST, np.zeros(17), exclude_seen=False)
    first, second = (ndcg(ranking.by_ranker[name].unfiltered, 10) for name in ("model", "other"))
    want = paired_difference(first, second, ranking.user, seed=7)
    assert (found.value, found.low, found.high) == pytest.approx((want.value, want.low, want.high))


def plain_ndcg(ranker, log: LogArrays) -> tuple[np.ndarray, np.ndarray]:
    """NDCG@10 from raw lists, every line written out; targets that were seen are left out."""
    gains, users = [], []
    for block in target_blocks(log, Part.TEST):
        for place, scores in enumerate(ranker.score(block)):
            history = block.log.item_index[block.starts[place] : block.rows[place]]
            target = block.items[place]
            users.append(block.users[block.owner[place]])
            if target >= 0 and target in history:
                users.pop()
                continue
            left = [item for item in range(len(scores)) if item not in history]
            # among equal scores the target comes last
            order = sorted(left, key=lambda item: (-scores[item], item == target))[:10]
            gains.append(1 / math.log2(order.index(target) + 2) if target in order else 0.0)
    return np.array(gains), np.array(users)


def test_the_evaluator_agrees_with_lists_written_out():
    log = random_log(5, num_users=80)
    gains, _ = plain_ndcg(Drawn(17), log)
    report = evaluate({"drawn": Drawn(17)}, Data(log, 17))
    assert report.num_targets == len(gains)
    assert report.metrics["ndcg@10"].value == pytest.approx(gains.mean(), abs=1e-6)


def test_ties_that_count_as_hits_are_caught(monkeypatch):
    def optimistic(scores, block, exclude_seen, seen):
        return ranks(scores + Drawn(17, 9).score(block) * 1e-6, block, exclude_seen, seen)

    log = random_log(5, num_users=80)
    gains, _ = plain_ndcg(Drawn(17), log)
    monkeypatch.setattr("penchant.evaluation.ranking.ranks", optimistic)
    report = evaluate({"drawn": Drawn(17)}, Data(log, 17))
    assert report.metrics["ndcg@10"].value > gains.mean() + 0.01


def test_equal_scores_for_all_find_nothing():
    log = log_of([[0, 3], [1, 2]], ["ts", "ts"])
    report = evaluate({"constant": Fixed([0, 0, 0, 0])}, Data(log, 4), ks=(1, 2))
    assert report.metrics["ndcg@2"].value == 0


def test_scores_that_are_no_numbers_find_nothing():
    report = evaluate({"broken": Fixed([np.nan] * 4)}, DATA, ks=(3,))
    assert report.metrics["hit@3"].value == 0
    assert report.metrics["coverage@3"].value == 0
    assert report.to_dict()["metrics"]["novelty@3"]["value"] is None


def test_a_figure_without_targets_is_none():
    log = log_of([[0, 0]], ["ts"])
    found = evaluate({"down": DOWN}, Data(log, 4)).to_dict()
    assert (found["num_targets"], found["metrics"]["ndcg@10"]["value"]) == (0, None)


def test_the_settings_of_baselines_are_kept():
    log = random_log(6)
    report = evaluate_model(make_model(), Data(log, 17), "validation")
    assert list(report.baselines) == ["popular", "recent_popular", "markov", "lagged_markov"]
    assert "smoothing" in report.settings["markov"]
    assert report.protocol["part"] == "validation"


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_baselines_are_chosen_under_the_rule_of_the_evaluation(exclude_seen):
    log, kind = random_log(2, num_users=40), "markov"
    report = evaluate_model(make_model(), Data(log, 17), kinds=[kind], exclude_seen=exclude_seen)
    wanted = Markov(exclude_seen=exclude_seen).fit(log, 17)
    other = Markov(exclude_seen=not exclude_seen).fit(log, 17)
    assert report.settings[kind] == wanted.chosen
    assert wanted.chosen != other.chosen  # so that the rule is seen to matter


def test_a_model_stands_beside_itself_without_the_time_of_asking():
    log, model = random_log(7), make_model()
    report = evaluate_model(model, Data(log, 17), kinds=["popular"])
    assert report.protocol["query_time"] is True
    alone = evaluate({"model": ModelRanker(model, query_time=False)}, Data(log, 17))
    found = report.variants["without_query_time"]["ndcg@10"]
    assert found.value == alone.metrics["ndcg@10"].value
    untold = evaluate_model(model, Data(log, 17), kinds=["popular"], query_time=False)
    assert (untold.variants, untold.protocol["query_time"]) == ({}, False)


def test_where_time_plays_no_part_the_protocol_does_not_claim_it():
    log = random_log(7)
    blind = evaluate_model(make_model(query_time=False), Data(log, 17), kinds=["popular"])
    assert (blind.variants, blind.protocol["query_time"]) == ({}, False)
    timeless = replace(log, time_ms=np.full_like(log.time_ms, NO_TIME))
    report = evaluate_model(make_model(), Data(timeless, 17), kinds=["popular"])
    assert (report.variants, report.protocol["query_time"]) == ({}, False)


def test_without_draws_there_are_no_intervals():
    found = evaluate({"down": DOWN}, DATA, num_draws=0).to_dict()["metrics"]["ndcg@10"]
    assert found["value"] is not None
    assert (found["low"], found["high"]) == (None, None)


def test_the_same_seed_gives_the_same_report():
    first, second = (evaluate({"down": DOWN, "up": UP}, DATA, seed=5) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_a_part_of_the_users_can_be_taken_alone():
    report = evaluate({"down": DOWN}, DATA, max_users=1)
    assert (report.num_users, report.num_targets) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"part": "tset"}, UsageError, 'one of train, validation, test but is "tset"'),
        ({"ks": ()}, ConfigError, "list lengths k must be whole numbers from 1"),
        ({"rankers": {}}, UsageError, "evaluation needs at least one ranker but got none"),
        ({"variants": {"down": UP}}, UsageError, 'must have different names but share "down"'),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, error, message):
    with pytest.raises(error) as raised:
        evaluate(**{"rankers": {"down": DOWN}, "data": DATA, **arguments})
    assert message in str(raised.value)
