import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from penchant.errors import ConfigError
from penchant.evaluation import (
    BinarySummary,
    BinaryTargets,
    ModelRanker,
    auc,
    binary_targets,
    calibration_error,
    evaluate_model,
    log_loss,
)
from penchant.evaluation.binary import taken_probability
from penchant.events.arrays import LogArrays, Part
from penchant.heads import BinaryHead, LabelRule
from penchant.model import InterestModel, Query
from penchant.seeds import stream
from penchant.sequences.targets import target_blocks

from .small import Data, log_of, random_log
from .test_model_ranker import NUM_ITEMS, make_model, packed

LIKES = LabelRule(least_value=4.0)


def with_values(log: LogArrays, values: list[float]) -> LogArrays:
    return replace(log, value=np.array(values, dtype=np.float32))


def rated(seed: int = 3, num_users: int = 23) -> LogArrays:
    log = random_log(seed, num_users)
    return with_values(log, np.random.default_rng(seed).integers(1, 6, log.num_events).tolist())


def binary_model() -> InterestModel:
    model = make_model()
    model.head = BinaryHead(NUM_ITEMS).double()
    draw = torch.Generator().manual_seed(8)
    with torch.no_grad():
        model.head.bias.copy_(torch.randn(NUM_ITEMS, generator=draw))
        model.head.log_scale.fill_(math.log(1.5))
        model.head.offset.fill_(-0.25)
    return model


def of(probability: list[float], label: list[int], user: list[int]) -> BinaryTargets:
    return BinaryTargets(np.array(user), np.array(label), {"model": np.array(probability)})


def test_figures_are_those_computed_by_hand():
    found = BinarySummary(of([0.8, 0.4, 0.4, 0.1], [1, 1, 0, 0], [5, 5, 2, 2]), "model").figures()
    assert found["auc"].value == (1 + 1 + 1 / 2 + 1) / 4
    surprise = math.log(0.8) + math.log(0.4) + math.log(0.6) + math.log(0.9)
    assert found["log_loss"].value == pytest.approx(-surprise / 4)
    # four bins of one event each; the two of 0.4 share the one that was taken
    want = (abs(0.8 - 1) + 2 * abs(0.4 - 1 / 2) + abs(0.1 - 0)) / 4
    assert found["calibration_error"].value == pytest.approx(want)


def test_the_base_rate_is_that_of_the_training_part_and_orders_nothing():
    log = with_values(log_of([[0, 1, 2], [3, -1, 4]], ["tts", "tts"]), [4, 2, 5, 3, 5, 1])
    # known training events: 4, 2, 3, of which one is liked
    targets = of([0.7, 0.2], [1, 0], [0, 1]).beside_base_rate(log, LIKES)
    found = BinarySummary(targets, "base_rate").figures()
    assert found["auc"].value == 1 / 2
    assert found["log_loss"].value == pytest.approx(-(math.log(1 / 3) + math.log(2 / 3)) / 2)
    assert found["calibration_error"].value == pytest.approx(abs(1 / 3 - 1 / 2))


def test_the_probability_is_that_of_the_history_folded_alone():
    model = binary_model().eval()
    ranker, head = ModelRanker(model), model.head
    for block in target_blocks(log_of([[3, 1, 16, 5], [-1, 2]], ["tsss", "ts"]), Part.TEST):
        found = taken_probability(ranker, block)
        for place, row in enumerate(block.rows):
            with torch.inference_mode():
                state = model.initial_state(1)
                for each in range(int(block.starts[place]), int(row)):
                    if block.log.item_index[each] >= 0:
                        state = model.step(packed(block.log, [each]), state)
                vector = model.read(state, Query(block_times(block, place))).vectors[0, 0]
                item = int(block.items[place])
                score = float(vector @ model.table()[item] + head.bias[item])
            assert found[place] == pytest.approx(1 / (1 + math.exp(-(1.5 * score - 0.25))))


def block_times(block, place: int) -> torch.Tensor:
    return torch.as_tensor(block.times_ms[place : place + 1])


def test_the_targets_own_value_and_type_are_not_looked_at():
    log, ranker = rated(), ModelRanker(binary_model())
    before = binary_targets({"model": ranker}, log, Part.TEST, LIKES)
    is_last = np.append(np.diff(log.user) > 0, True)
    changed = replace(log, value=np.where(is_last, 6 - log.value, log.value))
    after = binary_targets({"model": ranker}, changed, Part.TEST, LIKES)
    of_last = np.append(np.diff(before.user) > 0, True)
    assert before.label[of_last].tolist() != after.label[of_last].tolist()
    assert before.probability["model"] == pytest.approx(after.probability["model"], abs=1e-12)


def test_targets_are_those_with_a_known_item_seen_or_not():
    log = with_values(log_of([[0, 1, 0, -1], [2, 2]], ["tsss", "ts"]), [5, 1, 4, 5, 1, np.nan])
    found = binary_targets({"model": ModelRanker(binary_model())}, log, Part.TEST, LIKES)
    assert found.user.tolist() == [0, 0, 1]
    assert found.label.tolist() == [0, 1, 1]  # an unknown value is no refusal
    one = binary_targets({"model": ModelRanker(binary_model())}, log, Part.TEST, LIKES, max_users=1)
    assert one.user.tolist() == [1]  # drawn by chance, always the same


def test_blocks_change_no_probability():
    log, ranker = rated(), ModelRanker(binary_model())
    whole = binary_targets({"model": ranker}, log, Part.TEST, LIKES)
    cut = binary_targets({"model": ranker}, log, Part.TEST, LIKES, block_events=10)
    assert whole.user.tolist() == cut.user.tolist()
    assert whole.probability["model"] == pytest.approx(cut.probability["model"], abs=1e-12)


def test_draws_are_figures_of_users_taken_several_times_with_all_their_events():
    draw = np.random.default_rng(4)
    user = np.sort(draw.integers(0, 7, 60)) * 3
    probability, label = draw.integers(1, 20, 60) / 20, draw.integers(0, 2, 60)
    found = BinarySummary(
        of(probability.tolist(), label.tolist(), user.tolist()), "model", num_draws=9, seed=2
    )
    picks = stream(2, "bootstrap")
    users, place = np.unique(user, return_inverse=True)
    for row in found._draws:
        times = np.bincount(picks.integers(len(users), size=len(users)), minlength=len(users))
        rows = np.repeat(np.arange(60), times[place])
        drawn = [each(probability[rows], label[rows]) for each in (auc, log_loss)]
        drawn.append(calibration_error(probability[rows], label[rows]))
        assert row.tolist() == pytest.approx(drawn)


def test_intervals_of_differences_are_paired():
    log = rated(num_users=60)
    data = Data(log, NUM_ITEMS)
    report = evaluate_model(binary_model(), data, kinds=["popular"], labels=LIKES, seed=7)
    for name in ("auc", "log_loss", "calibration_error"):
        value, low, high = (report.metrics[name].to_dict()[end] for end in ("value", "low", "high"))
        assert None not in (value, low, high)
        difference = report.differences["base_rate"][name]
        assert difference.value == pytest.approx(value - report.baselines["base_rate"][name].value)
        assert difference.low < difference.high
    targets = binary_targets({"a": ModelRanker(binary_model())}, log, Part.TEST, LIKES)
    one, same = (BinarySummary(targets, "a", seed=7) for _ in "ab")
    zero = {"value": 0, "low": 0, "high": 0}
    assert {name: figure.to_dict() for name, figure in one.minus(same).items()} == {
        "auc": zero, "log_loss": zero, "calibration_error": zero
    }  # fmt: skip
    assert one.figures()["log_loss"].to_dict() == report.metrics["log_loss"].to_dict()


def test_the_report_says_of_how_many_targets_and_shows_a_table_of_their_own():
    log = rated()
    report = evaluate_model(binary_model(), Data(log, NUM_ITEMS), kinds=["popular"], labels=LIKES)
    known = (log.part == Part.TEST) & (log.item_index >= 0)
    assert report.protocol["labelled_targets"] == known.sum()
    assert report.protocol["taken_targets"] == (log.value[known] >= 4).sum()
    assert set(report.baselines["base_rate"]) == {"auc", "log_loss", "calibration_error"}
    assert "auc" in report.variants["without_query_time"]
    lines = [line.split() for line in report.render().splitlines()]
    assert ["model", "without_query_time", "popular"] in lines
    assert ["model", "without_query_time", "base_rate"] in lines
    assert ["model", "−", "base_rate"] in lines
    [row, difference] = [line for line in lines if line[:1] == ["auc"]]
    assert row[1] == f"{report.metrics['auc'].value:.4f}"
    assert difference[1] == f"{report.metrics['auc'].value - 1 / 2:+.4f}"
    assert f"Probabilities: {known.sum()} targets with a known item" in report.render()


def test_a_report_without_labels_is_as_it_was():
    data = Data(rated(), NUM_ITEMS)
    report = evaluate_model(binary_model(), data, kinds=["popular"])
    assert "auc" not in report.metrics
    assert "base_rate" not in report.render()


def test_one_class_alone_has_no_auc():
    report = evaluate_model(
        binary_model(), Data(rated(), NUM_ITEMS), kinds=["popular"], labels=LabelRule()
    )
    assert report.to_dict()["metrics"]["auc"] == {"value": None, "low": None, "high": None}
    assert report.protocol["taken_targets"] == report.protocol["labelled_targets"]


def test_where_no_target_is_known_there_are_no_figures():
    log = log_of([[0, -1], [1, -1]], ["ts", "ts"])
    report = evaluate_model(
        binary_model(), Data(log, NUM_ITEMS), kinds=["popular"], labels=LabelRule()
    )
    assert report.protocol["labelled_targets"] == 0
    assert report.to_dict()["metrics"]["log_loss"]["value"] is None


def test_without_draws_there_are_no_intervals():
    data = Data(rated(), NUM_ITEMS)
    report = evaluate_model(binary_model(), data, kinds=["popular"], labels=LIKES, num_draws=0)
    found = report.to_dict()["metrics"]["log_loss"]
    assert found["value"] is not None
    assert (found["low"], found["high"]) == (None, None)


def test_a_head_without_probabilities_is_refused():
    with pytest.raises(ConfigError, match='need a head of kind "binary" but it is "dot"'):
        evaluate_model(make_model(), Data(rated(), NUM_ITEMS), kinds=["popular"], labels=LIKES)


def test_the_area_of_a_hundred_thousand_targets_is_the_integral():
    draw = np.random.default_rng(0)
    probability, user = draw.random(100_000), np.sort(draw.integers(0, 6_000, 100_000))
    label = draw.random(100_000) < probability
    targets = BinaryTargets(user, label.astype(float), {"model": probability})
    found = BinarySummary(targets, "model").figures()
    true = 4 / 3 - 2 / 4  # ∫ 2p · (2p − p²) dp, the liked have density 2p and the others 2(1 − q)
    assert found["auc"].low < true < found["auc"].high
    assert found["calibration_error"].value < 0.01
