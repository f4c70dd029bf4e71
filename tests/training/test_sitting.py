import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from penchant.bundle import Bundle
from penchant.errors import TrainingDivergedError, TrainingInterrupted
from penchant.events import FeatureEncoder
from penchant.training import Objective, Run, SilentReporter, train, trainer
from penchant.training.checkpoints import Checkpoint

from .small import quick_config, small_data

CLOCKED = {"train_s", "validation_s", "targets_per_s"}


def counted(history) -> list[dict]:
    return [{key: record[key] for key in record if key not in CLOCKED} for record in history]


def assert_equal_runs(one: Run, other: Run) -> None:
    mine, theirs = Checkpoint.load(one.last), Checkpoint.load(other.last)
    assert mine.tensors.keys() == theirs.tensors.keys()
    for name, tensor in mine.tensors.items():
        assert torch.equal(tensor, theirs.tensors[name]), name
    assert mine.state["random"] == theirs.state["random"]
    histories = [kept.state["position"]["history"] for kept in (mine, theirs)]
    assert counted(histories[0]) == counted(histories[1])
    assert Bundle.load(one.bundle).id == Bundle.load(other.bundle).id


class Stopper(SilentReporter):
    """Sends a signal to this process after so many steps."""

    def __init__(self, num_steps: int, number: int = signal.SIGINT) -> None:
        self.left, self.number = num_steps, number

    def step(self, num_targets: int, loss: float) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory) -> Run:
    return train(data, quick_config(), tmp_path_factory.mktemp("runs") / "a", reporter="none").run


def test_same_seed_gives_the_same_run(data, unbroken, tmp_path):
    assert_equal_runs(unbroken, train(data, quick_config(), tmp_path / "b", reporter="none").run)


def test_other_seed_gives_another_model(data, unbroken, tmp_path):
    other = train(data, quick_config(seed=6), tmp_path / "b", reporter="none")
    weights = other.bundle.model.items.table()
    assert not torch.equal(weights, Bundle.load(unbroken.bundle).model.items.table())


def test_resumed_training_equals_an_unbroken_one(data, unbroken, tmp_path):
    first = train(data, quick_config(num_epochs=1), tmp_path / "b", reporter="none")
    assert first.reason == "num_epochs"
    assert len(first.history) == 1
    second = train(data, quick_config(), tmp_path / "b", resume=True, reporter="none")
    assert len(second.history) == 3
    assert_equal_runs(unbroken, second.run)


@pytest.mark.parametrize(("num_steps", "number"), [(3, signal.SIGINT), (8, signal.SIGTERM)])
def test_training_interrupted_within_an_epoch_goes_on_where_it_was(
    data, unbroken, tmp_path, num_steps, number
):
    with pytest.raises(TrainingInterrupted) as caught:
        train(data, quick_config(), tmp_path / "b", reporter=Stopper(num_steps, number))
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.exit_code == 130
    assert f"after {num_steps} steps" in caught.value.message
    assert f"--out {tmp_path / 'b'} --resume" in caught.value.hint
    run = Run(tmp_path / "b")
    assert run.manifest["state"] == "interrupted"
    assert Checkpoint.load(run.last).of("carried"), "the test must stop where memories are carried"
    assert_equal_runs(unbroken, train(data, None, run.path, resume=True, reporter="none").run)


class PowerCutError(Exception):
    pass


class Cutter(SilentReporter):
    """Ends everything, as a power cut would, after so many steps."""

    def __init__(self, num_steps: int) -> None:
        self.left = num_steps

    def step(self, num_targets: int, loss: float) -> None:
        self.left -= 1
        if self.left == 0:
            raise PowerCutError


def test_long_epochs_are_kept_step_by_step(data, unbroken, tmp_path):
    config = quick_config(checkpoint_minutes=1e-9)
    with pytest.raises(PowerCutError):
        train(data, config, tmp_path / "b", reporter=Cutter(9))
    run = Run(tmp_path / "b")
    assert Checkpoint.load(run.last).state["position"]["num_steps"] == 8
    assert_equal_runs(
        unbroken, train(data, quick_config(), run.path, resume=True, reporter="none").run
    )


def test_cut_between_the_best_weights_and_the_checkpoint_loses_that_epoch_only(
    data, unbroken, tmp_path, monkeypatch
):
    save, saved = trainer.Trainer._save, []

    def cut(self):
        if len(saved) == 1:
            raise PowerCutError
        saved.append(save(self))

    monkeypatch.setattr(trainer.Trainer, "_save", cut)
    with pytest.raises(PowerCutError):
        train(data, quick_config(), tmp_path / "b", reporter="none")
    monkeypatch.undo()
    run = Run(tmp_path / "b")
    assert Checkpoint.load(run.last).state["position"]["num_epochs"] == 1
    assert_equal_runs(unbroken, train(data, None, run.path, resume=True, reporter="none").run)


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
from training.small import quick_config, small_data
from penchant.training import train
train(small_data(), quick_config(num_epochs=200, patience=200), sys.argv[1], reporter="plain")
"""


def test_killed_training_can_be_resumed(data, tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "b"), str(Path(__file__).parents[1])],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    with child.stderr:
        for text in child.stderr:
            if text.startswith("epoch 2/"):
                break
        child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    run = Run(tmp_path / "b")
    assert run.manifest["state"] == "running"
    epochs = Checkpoint.load(run.last).state["position"]["num_epochs"]
    assert epochs >= 2
    config = run.config.override({"training.num_epochs": epochs + 1})
    resumed = train(data, config, run.path, resume=True, reporter="none").run
    assert_equal_runs(train(data, config, tmp_path / "c", reporter="none").run, resumed)


def test_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    data, tmp_path, monkeypatch
):
    forward = Objective.forward
    calls = []

    def poisoned(self, model, batch, state=None):
        terms, after = forward(self, model, batch, state)
        calls.append(batch)
        if len(calls) == 8:  # an epoch has 5 batches
            terms = terms._replace(sequence=terms.sequence * torch.nan)
        return terms, after

    monkeypatch.setattr(Objective, "forward", poisoned)
    run = Run(tmp_path / "b")
    with pytest.raises(TrainingDivergedError) as caught:
        train(data, quick_config(), run.path, reporter="none")
    assert caught.value.message == (
        "sequence_loss must be a finite number but is nan at step 8 (epoch 2, batch 3). "
        f"Last good checkpoint: {run.last}."
    )
    assert "--set training.learning_rate" in caught.value.hint
    assert run.manifest["state"] == "diverged"
    kept = Checkpoint.load(run.last)
    assert kept.state["position"]["num_epochs"] == 1
    assert all(tensor.isfinite().all() for tensor in kept.of("model").values())
    slower = run.config.override({"training.learning_rate": 0.001})
    assert train(data, slower, run.path, resume=True, reporter="none").reason == "num_epochs"


def test_early_stopping_keeps_the_best_epoch(data, tmp_path, monkeypatch):
    values = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    monkeypatch.setattr(trainer, "validate", lambda *_: {"ndcg@10": next(values)})
    config = quick_config(num_epochs=9, patience=2)
    result = train(data, config, tmp_path / "b", reporter="none")
    assert (result.reason, result.best_epoch, result.best_value) == ("patience", 2, 0.3)
    assert [record["value"] for record in result.history] == [0.1, 0.3, 0.2, 0.3]
    best = Checkpoint.load(result.run.best(2))
    assert [file.name for file in result.run.last.parent.glob("best*")] == ["best-0002.safetensors"]
    for name, tensor in result.bundle.model.state_dict().items():
        assert torch.equal(tensor, best.of("model")[name])


def test_resuming_what_patience_has_ended_needs_more_patience(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "validate", lambda *_: {"ndcg@10": 0.1})
    train(data, quick_config(num_epochs=9, patience=2), tmp_path / "b", reporter="none")
    again = train(data, None, tmp_path / "b", resume=True, reporter="none")
    assert (again.reason, len(again.history)) == ("patience", 3)
    more = again.run.config.override({"training.patience": 4})
    longer = train(data, more, tmp_path / "b", resume=True, reporter="none")
    assert (longer.reason, len(longer.history)) == ("patience", 5)


def test_without_a_validation_part_the_last_epoch_is_kept(tmp_path):
    config = quick_config(num_epochs=3, patience=1)
    result = train(small_data(validation=False), config, tmp_path / "b", reporter="none")
    assert (result.reason, result.best_epoch, result.best_value) == ("num_epochs", 3, None)
    last = Checkpoint.load(result.run.last).of("model")
    assert torch.equal(result.bundle.model.items.vectors.weight, last["items.vectors.weight"])


def test_time_budget_ends_the_training_after_the_epoch_that_spends_it(data, tmp_path):
    config = quick_config(max_minutes=1e-9)
    assert train(data, config, tmp_path / "b", reporter="none").reason == "max_minutes"


def test_training_learns_a_rule(data, tmp_path):
    config = quick_config(num_epochs=13, patience=13, learning_rate=0.05)
    config = config.override({"readout.dropout_rate": 0.0, "evaluation.exclude_seen": False})
    result = train(data, config, tmp_path / "b", reporter="none")
    assert result.history[0]["validation"]["mrr@10"] < 0.5
    assert result.history[-1]["validation"]["mrr@10"] > 0.7


def test_run_is_readable_and_can_be_drawn(data, tmp_path):
    config = quick_config(num_epochs=2, tracker="tensorboard")
    result = train(data, config, tmp_path / "b", data_path=tmp_path / "data", reporter="none")
    manifest = json.loads((tmp_path / "b" / "run.json").read_text())
    assert manifest["state"] == "done"
    assert manifest["data"] == {
        "path": str(tmp_path / "data"),
        "fingerprint": "small 23",
    }
    assert manifest["bundle"] == result.bundle.id
    assert manifest["epoch"] == 2
    lines = (tmp_path / "b" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert result.targets_per_s > 0
    [events] = (tmp_path / "b" / "tensorboard").iterdir()
    drawn = events.read_bytes()
    for name in (b"sequence_loss", b"interest_loss", b"learning_rate", b"validation/ndcg@10"):
        assert name in drawn
    assert b"epoch/targets_per_s" in drawn


def test_a_catalogue_without_attributes_trains_and_resumes_alike(data, tmp_path):
    table = data.item_table.select("item_id")
    bare = replace(data, item_table=table, encoder=FeatureEncoder.fit(table))
    config = quick_config(num_epochs=2).override({"items.kind": "features"})
    whole = train(bare, config, tmp_path / "a", reporter="none")
    train(bare, config.override({"training.num_epochs": 1}), tmp_path / "b", reporter="none")
    resumed = train(bare, config, tmp_path / "b", resume=True, reporter="none")
    assert resumed.bundle.id == whole.bundle.id
