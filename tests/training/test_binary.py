"""A binary training: what it learns, what it stops by, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from penchant.errors import ConfigError, TrainingInterrupted
from penchant.evaluation import BinarySummary, ModelRanker, binary_targets
from penchant.events import Part, PreparedData
from penchant.heads import LabelRule
from penchant.sequences.loader import TrainingLoader
from penchant.training import Run, train, trainer
from penchant.training.setup import build_objective, fresh_model
from penchant.training.validation import validate

from .small import quick_config, small_data
from .test_sitting import Stopper, assert_equal_runs

BINARY = {"head.kind": "binary", "loss.kind": "binary", "loss.least_value": 4.0}


def binary_config(**training):
    return quick_config().override(BINARY).override({"training": training})


def parity_data(num_users: int = 90) -> PreparedData:
    """Items of an even index are liked, the others are not, but for one event in eight."""
    data = small_data(num_users)
    rng = np.random.default_rng(2)
    liked = (data.log.item_index % 2 == 0) ^ (rng.random(data.log.num_events) < 1 / 8)
    value = np.where(liked, 4 + rng.integers(0, 2, len(liked)), rng.integers(1, 4, len(liked)))
    return replace(data, log=replace(data.log, value=value.astype(np.float32)))


@pytest.fixture(scope="module")
def parity():
    return parity_data()


def test_a_rule_of_likes_is_learned_and_its_probabilities_are_right(parity, tmp_path):
    config = binary_config(metric="log_loss", num_epochs=8, patience=8, learning_rate=0.03)
    config = config.override({"loss.interest_weight": 0.0})
    result = train(parity, config, tmp_path / "b", reporter="none")
    rankers = {"model": ModelRanker(result.bundle.model)}
    targets = binary_targets(rankers, parity.log, Part.TEST, LabelRule(4.0))
    targets = targets.beside_base_rate(parity.log, LabelRule(4.0))
    model, base = (BinarySummary(targets, name) for name in ("model", "base_rate"))
    assert model.figures()["auc"].value > 0.8
    assert model.minus(base)["log_loss"].high < 0
    even = parity.log.item_index[parity.log.part == Part.TEST] % 2 == 0
    found = targets.probability["model"]
    assert found[even].mean() == pytest.approx(7 / 8, abs=0.1)
    assert found[~even].mean() == pytest.approx(1 / 8, abs=0.1)


def test_each_epoch_records_the_binary_figures_beside_those_of_ranking(parity, tmp_path):
    result = train(parity, binary_config(num_epochs=2), tmp_path / "b", reporter="none")
    for record in result.history:
        assert set(record["validation"]) == {
            "ndcg@10", "hit@10", "mrr@10", "auc", "log_loss", "calibration_error"
        }  # fmt: skip
        assert (record["metric"], record["value"]) == ("auc", record["validation"]["auc"])
    best = validate(result.bundle.model, parity, binary_config())
    assert best["auc"] == pytest.approx(result.best_value, abs=1e-9)


def test_of_log_loss_the_lowest_epoch_is_kept(parity, tmp_path, monkeypatch):
    values = iter([0.6, 0.4, 0.5, 0.4, 0.1])
    monkeypatch.setattr(trainer, "validate", lambda *_: {"log_loss": next(values)})
    config = binary_config(metric="log_loss", num_epochs=9, patience=2)
    result = train(parity, config, tmp_path / "b", reporter="none")
    assert (result.reason, result.best_epoch, result.best_value) == ("patience", 2, 0.4)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_resumed_binary_training_equals_an_unbroken_one(parity, tmp_path, metric):
    config = binary_config(metric=metric)
    unbroken = train(parity, config, tmp_path / "a", reporter="none").run
    with pytest.raises(TrainingInterrupted):
        train(parity, config, tmp_path / "b", reporter=Stopper(9))
    assert_equal_runs(
        unbroken, train(parity, None, tmp_path / "b", resume=True, reporter="none").run
    )


def test_a_figure_that_is_no_number_is_no_best_and_leaves_the_history_readable(
    parity, tmp_path, monkeypatch
):
    values = iter([float("nan"), 0.4, float("nan")])
    monkeypatch.setattr(trainer, "validate", lambda *_: {"auc": next(values)})
    result = train(parity, binary_config(), tmp_path / "b", reporter="none")
    assert (result.best_epoch, result.best_value) == (2, 0.4)
    lines = (tmp_path / "b" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [None, 0.4, None]
    assert "NaN" not in "".join(lines)


@pytest.mark.parametrize(
    ("least_value", "said"),
    [
        (None, "were taken (loss.least_value is None, loss.taken_types is [])"),
        (9.0, "were refused (loss.least_value is 9.0, loss.taken_types is [])"),
    ],
)
def test_a_rule_that_tells_nothing_apart_is_refused_before_a_run_is_made(
    parity, tmp_path, least_value, said
):
    rule = {} if least_value is None else {"loss.least_value": least_value}
    config = quick_config().override({"head.kind": "binary", "loss.kind": "binary", **rule})
    num_train = parity.log.train.num_events
    with pytest.raises(ConfigError) as caught:
        train(parity, config, tmp_path / "b", reporter="none")
    assert f"all {num_train} of the training part {said}" in caught.value.message
    assert not (tmp_path / "b").exists()


def test_auc_needs_both_kinds_of_event_on_validation_and_log_loss_does_not(parity, tmp_path):
    value = np.where(parity.log.part == Part.VALIDATION, 5, parity.log.value)
    data = replace(parity, log=replace(parity.log, value=value.astype(np.float32)))
    with pytest.raises(ConfigError, match="all 90 of the validation part were taken"):
        train(data, binary_config(), tmp_path / "b", reporter="none")
    config = binary_config(metric="log_loss", num_epochs=1)
    result = train(data, config, tmp_path / "b", reporter="none")
    assert "auc" not in result.history[0]["validation"]


def test_the_label_of_a_first_event_follows_the_rule(parity):
    """A user of one event, which was refused: nothing but that event is to be predicted."""
    first = replace(
        parity.log,
        item_index=np.array([5]),
        event_type=np.array([0]),
        value=np.array([1.0], dtype=np.float32),
        time_ms=np.array([7]),
        part=np.array([0], dtype=np.int8),
        offsets=np.array([0, 1]),
    )
    torch.manual_seed(0)
    config = binary_config().override({"loss.interest_weight": 0.0})
    model = fresh_model(parity, config).eval()
    with torch.no_grad():
        model.head.bias.fill_(2.0)
        model.items.vectors.weight.zero_()
    [batch] = TrainingLoader(first, 9, 9, seed=0).epoch(0)
    found = float(build_objective(parity, config)(model, batch)[0].sequence.detach())
    assert found == pytest.approx(np.log1p(np.exp(2.0)))  # −log(1 − sigmoid(2))


def test_a_run_from_before_there_was_a_choice_goes_on_by_its_own_metric(parity, tmp_path):
    """Its configuration names ndcg@10, which a binary training no longer takes unasked."""
    config = binary_config(metric="ndcg@10", num_epochs=1)
    train(parity, config, tmp_path / "b", reporter="none")
    assert 'metric = "ndcg@10"' in (tmp_path / "b" / "config.toml").read_text()
    more = Run(tmp_path / "b").config.override({"training.num_epochs": 2})
    result = train(parity, more, tmp_path / "b", resume=True, reporter="none")
    assert [record["metric"] for record in result.history] == ["ndcg@10", "ndcg@10"]
