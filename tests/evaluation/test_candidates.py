import json

import numpy as np
import pytest

from penchant.baselines import MeanText
from penchant.errors import InputError, UsageError
from penchant.evaluation import evaluate, evaluate_model
from penchant.events.arrays import Part
from penchant.sequences.candidates import among_candidates, candidate_items

from .small import Data, Drawn, Fixed, log_of, random_log
from .test_model_ranker import make_model

# 0 1 2 have training events, 3 4 5 have none; user 3 met 3 in validation
LOG = log_of([[0, 1, 3], [2, 0, 1], [1, 4], [2, 3, 5]], ["tts", "tts", "ts", "tvs"])
DATA = Data(LOG, 6)
WARM_FIRST, COLD_FIRST = Fixed([9, 8, 7, 1, 2, 3]), Fixed([1, 2, 3, 7, 8, 9])


def test_among_cold_items_only_they_are_listed_and_asked_for():
    report = evaluate(
        {"model": WARM_FIRST, "other": COLD_FIRST}, DATA, ks=(1, 2, 3), candidates="cold"
    )
    # ranks among 3 4 5: 3 is third, 4 second, 5 first (3 was seen); the warm target of user 1 goes
    assert (report.num_users, report.num_targets) == (3, 3)
    assert report.metrics["hit@1"].value == pytest.approx(1 / 3)
    assert report.metrics["mrr@3"].value == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)
    assert report.baselines["other"]["mrr@3"].value == report.metrics["mrr@3"].value
    assert report.metrics["coverage@1"].value == pytest.approx(1 / 3)  # 5 alone, of 3 4 5
    assert report.metrics["coverage@3"].value == pytest.approx(3 / 3)
    assert report.protocol["candidates"] == "cold"
    assert (report.protocol["num_candidates"], report.protocol["num_items"]) == (3, 6)
    assert report.slices == {}


def test_chance_stands_beside_cold_items_exactly():
    report = evaluate({"model": WARM_FIRST}, DATA, ks=(1, 2), candidates="cold")
    chance = report.baselines["random"]
    # lists are drawn from 3 items, from 2 where 3 was seen
    assert chance["hit@2"].value == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert chance["ndcg@1"].value == pytest.approx((1 / 3 + 1 / 3 + 1 / 2) / 3)
    assert chance["mrr@2"].value == pytest.approx((1.5 / 3 + 1.5 / 3 + 1.5 / 2) / 3)
    assert report.unfiltered["random"]["hit@2"].value == pytest.approx(2 / 3)
    found = report.differences["random"]["hit@1"]
    assert found.value == pytest.approx(1 / 3 - (1 / 3 + 1 / 3 + 1 / 2) / 3)
    assert report.to_dict()["baselines"]["random"]["novelty@1"]["value"] is None
    assert "random" in report.render()


def test_chance_is_what_random_scores_come_to():
    log = random_log(4, num_users=300)
    rankers = {f"r{seed}": Drawn(17, seed) for seed in range(2)}
    for ranker in rankers.values():  # without ties, which count against the target
        score = ranker.score
        ranker.score = lambda block, score=score: (
            score(block) + np.random.default_rng(len(block.rows)).random((len(block.rows), 17))
        )
    report = evaluate(rankers, Data(log, 17), chance=True, num_draws=0)
    for name in ("ndcg@10", "hit@10"):
        drawn = (report.metrics[name].value + report.baselines["r1"][name].value) / 2
        assert drawn == pytest.approx(report.baselines["random"][name].value, abs=0.03)


def test_among_warm_items_what_is_cold_or_unknown_is_not_asked_for():
    log = log_of([[0, 1, 3], [2, 0, 1], [1, -1]], ["tts", "tts", "ts"])
    report = evaluate({"model": WARM_FIRST}, Data(log, 6), ks=(1,), candidates="warm")
    assert (report.num_targets, report.protocol["cold_targets"]) == (1, 0)
    assert report.metrics["hit@1"].value == 1  # 0 and 2 were seen
    assert report.unfiltered["model"]["hit@1"].value == 0
    assert list(report.baselines) == []


def test_with_all_candidates_warm_and_cold_targets_have_figures_of_their_own():
    report = evaluate({"model": WARM_FIRST, "other": COLD_FIRST}, DATA, ks=(5,))
    warm, cold = report.slices["warm_items"], report.slices["cold_items"]
    assert (warm.num_targets, cold.num_users, cold.num_targets) == (1, 3, 3)
    assert warm.metrics["mrr@5"].value == pytest.approx(1)
    # before 3 stand 2 4 5, before 4 stand 0 2 5, before 5 stand 0 1
    assert cold.metrics["mrr@5"].value == pytest.approx((1 / 4 + 1 / 4 + 1 / 3) / 3)
    # under the other before 3 stand 4 5, before 4 stands 5, before 5 none
    other = (1 / 3 + 1 / 2 + 1) / 3
    assert cold.baselines["other"]["mrr@5"].value == pytest.approx(other)
    found = cold.differences["other"]["mrr@5"]
    assert found.value == pytest.approx((1 / 4 + 1 / 4 + 1 / 3) / 3 - other)
    assert found.low <= found.value <= found.high
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))["slices"]["cold_items"]
    assert plain["metrics"]["mrr@5"]["value"] == pytest.approx((1 / 4 + 1 / 4 + 1 / 3) / 3)
    assert "coverage@5" not in plain["metrics"]
    text = report.render()
    assert "Targets on items with training events: 1 of 1 users" in text
    assert "Targets on items without training events: 3 of 3 users" in text


def test_a_target_outside_the_vocabulary_is_a_cold_one():
    log = log_of([[0, 1], [1, -1], [1, 0]], ["ts", "ts", "ts"])
    report = evaluate({"model": WARM_FIRST}, Data(log, 6), ks=(9,))
    assert report.slices["cold_items"].num_targets == 1
    assert report.slices["cold_items"].metrics["hit@9"].value == 0
    assert report.slices["warm_items"].metrics["hit@9"].value == 1


def test_without_cold_targets_there_are_no_slices():
    log = log_of([[0, 1], [1, 0]], ["ts", "ts"])
    assert evaluate({"model": WARM_FIRST}, Data(log, 6)).slices == {}


def test_baselines_choose_among_the_same_candidates():
    # both validation targets, 3 and 4, point where the last text does, but 1 points there better
    log = log_of([[2, 0, 3, 4], [2, 0, 4, 1], [5, 1, 2, 0]], ["ttvs", "ttvs", "ttts"])
    texts = np.zeros((17, 2))
    texts[:6] = [[4, 1], [1, 0], [0, 1], [8, 2], [8, 2], [-1, 1]]
    found = {
        which: evaluate_model(
            make_model(),
            Data(log, 17),
            kinds=["mean_text"],
            candidates=which,
            vectors=texts,
            num_draws=0,
        )
        for which in ("all", "cold")
    }
    assert (found["all"].num_targets, found["cold"].num_targets) == (3, 1)
    assert list(found["cold"].baselines) == ["mean_text", "random"]
    for which, report in found.items():
        only = candidate_items(log, 17, which)
        alone = MeanText(texts, candidates=only).fit(among_candidates(log, only), 17)
        assert report.settings == {"mean_text": alone.chosen}


def test_the_usual_baselines_are_joined_by_texts_where_there_are_vectors():
    log = random_log(6)
    texts = np.random.default_rng(0).normal(size=(17, 3))
    report = evaluate_model(make_model(), Data(log, 17), vectors=texts, num_draws=0)
    usual = ["popular", "recent_popular", "markov", "lagged_markov"]
    assert list(report.baselines) == [*usual, "mean_text"]
    asked = evaluate_model(make_model(), Data(log, 17), kinds=["random", "popular"], num_draws=0)
    assert list(asked.baselines) == ["popular", "random"]


def test_the_protocol_tells_which_items_were_held_out():
    told = {"share": 0.1, "seed": 4, "validation": {"items": 1}, "test": {"items": 1}}
    manifest = {"split": {"name": "leave-one-out", "held_out": told}, "fingerprint": "f00d"}
    report = evaluate({"model": WARM_FIRST}, Data(LOG, 6, manifest), num_draws=0)
    assert report.protocol["held_out"] == told


def test_data_without_such_targets_is_refused_with_the_way_out():
    log = log_of([[0, 1, 1], [1, 0, -1]], ["tts", "tts"])
    with pytest.raises(InputError) as raised:
        evaluate({"model": WARM_FIRST}, Data(log, 6), candidates="cold")
    assert str(raised.value) == (
        "evaluation among cold items needs targets on items of the vocabulary without training "
        "events, but none of the 2 targets of the test part is. "
        "Prepare the data with --hold-out-items, or evaluate with --candidates all."
    )
    with pytest.raises(InputError, match="the validation part of the data is empty"):
        evaluate({"model": WARM_FIRST}, Data(log, 6), Part.VALIDATION, candidates="cold")


def test_unknown_candidates_and_a_ranker_called_random_are_refused():
    with pytest.raises(UsageError, match='one of all, warm, cold but is "new"'):
        evaluate({"model": WARM_FIRST}, DATA, candidates="new")
    with pytest.raises(UsageError, match='must have different names but share "random"'):
        evaluate({"model": WARM_FIRST, "random": COLD_FIRST}, DATA, chance=True)
