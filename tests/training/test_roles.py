"""A training under roles: what it reads, what it predicts, what it records and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from penchant.clock import elapsed_bucket
from penchant.errors import ConfigError, TrainingInterrupted
from penchant.evaluation import ModelRanker, evaluate_model
from penchant.events import LogArrays, Part
from penchant.sequences.roles import EventRoles
from penchant.sequences.targets import target_blocks
from penchant.training import train
from penchant.training.setup import build_objective, fit_inputs, fresh_model
from penchant.training.validation import validate

from .small import TYPES, quick_config, small_data, typed_data
from .test_sitting import Stopper, assert_equal_runs

VIEW, BUY, SKIP = range(3)
SHOP = {
    "events.history_types": ["view", "buy"],
    "events.negative_types": ["skip"],
    "objectives.click.types": ["view", "buy"],
    "objectives.buy.types": ["buy"],
    "objectives.buy.weight": 2.0,
    "evaluation.seen_types": ["buy"],
    "behaviour.use_elapsed": True,
    "behaviour.use_calendar": True,
    "readout.query_calendar": True,
}


def shop_config(**training):
    return quick_config().override(SHOP).override({"training": training})


@pytest.fixture(scope="module")
def typed():
    return typed_data()


@pytest.mark.parametrize("value_as", ["none", "weight", "target"])
def test_resumed_training_of_several_objectives_equals_an_unbroken_one(typed, tmp_path, value_as):
    config = shop_config().override({"events.value_as": value_as})
    unbroken = train(typed, config, tmp_path / "a", reporter="none").run
    with pytest.raises(TrainingInterrupted):
        train(typed, config, tmp_path / "b", reporter=Stopper(9))
    assert_equal_runs(
        unbroken, train(typed, None, tmp_path / "b", resume=True, reporter="none").run
    )


def test_validation_records_each_objective_on_its_own_targets(typed, tmp_path):
    result = train(typed, shop_config(num_epochs=1), tmp_path / "a", reporter="none")
    found = result.history[0]["validation"]
    assert set(found) == {
        "ndcg@10", "hit@10", "mrr@10", "buy/ndcg@10", "buy/hit@10", "buy/mrr@10"
    }  # fmt: skip
    assert found == validate(result.bundle.model, typed, shop_config())
    report = evaluate_model(
        result.bundle.model,
        typed,
        "validation",
        roles=EventRoles((VIEW, BUY), (BUY,), ((1.0, 1.0, -1.0), (0.0, 1.0, -1.0))),
        objective="buy",
    )
    assert report.metrics["mrr@10"].value == pytest.approx(found["buy/mrr@10"])
    is_target = (typed.log.part == Part.VALIDATION) & (typed.log.event_type == BUY)
    left_out = report.protocol["left_out_seen_targets"]
    assert report.num_targets == is_target.sum() - left_out


def test_events_that_are_no_history_move_nothing(typed):
    model = fresh_model(typed, shop_config()).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    roles = EventRoles((VIEW, BUY), target_weights=((1.0, 1.0, 0.0),))
    skips = typed.log.event_type == SKIP
    without = typed.log.where(~skips)
    found = validation_scores(ModelRanker(model, roles=roles), roles.with_targets(typed.log))
    wanted = validation_scores(ModelRanker(model), without)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    other = validation_scores(ModelRanker(model), roles.with_targets(typed.log))
    assert np.abs(found - other).max() > 1e-2


def validation_scores(ranker: ModelRanker, log) -> np.ndarray:
    [block] = target_blocks(log, Part.VALIDATION)
    return ranker.score(block)


def test_the_first_objective_decides_whether_there_is_anything_to_validate(typed, tmp_path):
    part = np.where(
        (typed.log.part == Part.VALIDATION) & (typed.log.event_type == BUY),
        Part.TRAIN,
        typed.log.part,
    ).astype(np.int8)
    data = replace(typed, log=replace(typed.log, part=part))
    config = quick_config(num_epochs=1).override({"events.target_types": ["buy"]})
    result = train(data, config, tmp_path / "a", reporter="none")
    assert (result.best_value, result.best_epoch) == (None, 1)


def test_gaps_are_those_between_history_and_up_to_each_target(typed):
    kinds, times = np.array([VIEW, VIEW, BUY, VIEW]), np.array([0, 7_000, 500_000, 10**9])
    offsets = np.array([0, 3, 4])
    log = LogArrays(kinds, kinds, times / 9, times, np.zeros(4, np.int8), offsets)
    model = fresh_model(typed, shop_config())
    fit_inputs(model, log, EventRoles((VIEW,), target_weights=((0.0, 1.0, 0.0),)))
    first, second = elapsed_bucket(torch.tensor([7_000, 493_000])).tolist()
    for part, bucket in ((model.behaviour, first), (model.readout_layers, second)):
        assert (part.elapsed.lowest, part.elapsed.highest) == (bucket, bucket)


def test_values_are_learned_from_targets_of_the_first_objective(typed):
    config = shop_config().override(
        {"events.value_as": "target", "objectives.click.types": ["buy"]}
    )
    model = fresh_model(typed, config)
    train_log = typed.log.train
    values = train_log.value[train_log.event_type == BUY]
    assert model.value.mean.item() == pytest.approx(values.mean())
    assert model.value.scale.item() == pytest.approx(values.std())


def test_the_objective_knows_shares_and_how_many_targets_a_full_batch_holds(typed):
    objective = build_objective(typed, shop_config())
    kind, lengths = typed.log.train.event_type, typed.log.train.lengths
    first, second = objective.terms
    assert (first.name, first.weight, first.share) == ("click", 1.0, (kind != SKIP).mean())
    assert (second.name, second.weight, second.share) == ("buy", 2.0, (kind == BUY).mean())
    assert len(kind) == lengths.sum()
    assert objective.nominal_targets > 60  # skips are targets too, and no inputs


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["events.target_types=['bye']"], 'events.target_types names "bye", which no event has'),
        (["events.history_types=['vew']"], r"Did you mean view\?"),
        (["events.type_weights.by=2"], 'events.type_weights names "by"'),
        (["events.negative_types=['dislike']"], 'events.negative_types names "dislike"'),
        (["evaluation.seen_types=['like']"], 'evaluation.seen_types names "like"'),
        (["objectives.a.types=['x']"], 'objectives.a.types names "x"'),
        (
            ["events.target_types=['rare']"],
            r"must have events of events\.target_types to be predicted but has none",
        ),
        (
            ["objectives.a.types=['buy']", "objectives.b.types=['rare']"],
            r"must have events of objectives\.b\.types to be predicted but has none",
        ),
        (
            ["events.history_types=['rare']"],
            r"must have events of events\.history_types before its targets but has none",
        ),
    ],
)
def test_roles_that_the_data_cannot_fill_are_refused_before_a_run_is_made(
    typed, tmp_path, changes, said
):
    data = replace(typed, event_types=(*TYPES, "rare"))
    with pytest.raises(ConfigError, match=said):
        train(data, quick_config().override(changes), tmp_path / "a", reporter="none")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("values", "changes", "said"),
    [
        (np.nan, {}, r'"target" needs values but none of the training part\'s \d+ targets has one'),
        (-1.0, {"events.log_value": True}, "needs values above -1 but the least .* is -1"),
    ],
)
def test_values_that_cannot_be_learned_are_refused(tmp_path, values, changes, said):
    data = small_data()
    data = replace(data, log=replace(data.log, value=np.full_like(data.log.value, values)))
    config = quick_config().override({"events.value_as": "target", **changes})
    with pytest.raises(ConfigError, match=said):
        train(data, config, tmp_path / "a", reporter="none")
    assert not (tmp_path / "a").exists()
