"""A decoder through a whole training: resumed alike, kept without its base, described, refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from penchant.bundle import Bundle
from penchant.cli import app
from penchant.config import Config
from penchant.errors import InputError, MissingFileError, TrainingInterrupted
from penchant.packed import PackedEvents
from penchant.training import Run, train
from penchant.training.checkpoints import Checkpoint
from penchant.training.trainer import Trainer

from ..decoders import small_decoder
from .small import quick_config
from .test_sitting import Stopper, assert_equal_runs

RANK = 2


def language_model(folder: Path, **encoder) -> Config:
    chosen = {
        "kind": "language_model",
        "model": str(folder),
        "num_layers": 2,
        "lora_rank": RANK,
        "window": 4,
        **encoder,
    }
    head = {"normalised": True, "temperature": 0.07, "learn_temperature": True}
    loss = {"kind": "sampled_softmax", "num_negatives": 5, "mask_above": 0.99}
    return quick_config().override({"encoder": chosen, "head": head, "loss": loss})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    into = tmp_path_factory.mktemp("models") / "decoder"
    shutil.copytree(small_decoder(), into)
    return into


@pytest.fixture(scope="module")
def unbroken(data, folder, tmp_path_factory) -> Run:
    directory = tmp_path_factory.mktemp("runs") / "a"
    return train(data, language_model(folder), directory, reporter="none").run


def test_an_interrupted_training_goes_on_to_the_same_numbers(data, folder, unbroken, tmp_path):
    with pytest.raises(TrainingInterrupted):
        train(data, language_model(folder), tmp_path / "b", reporter=Stopper(3))
    kept = Checkpoint.load(Run(tmp_path / "b").last)
    assert not any("base_layer" in name for name in kept.tensors)
    second = train(data, language_model(folder), tmp_path / "b", resume=True, reporter="none")
    assert_equal_runs(unbroken, second.run)


def test_a_bundle_holds_what_is_trained_and_no_weight_of_the_base(unbroken):
    kept = load_file(unbroken.bundle / "weights.safetensors")
    inside = {name for name in kept if name.startswith("model.encoder.decoder.")}
    # Of two layers, queries and values with two factors each; and the fingerprint.
    assert len(inside) == 2 * 2 * 2 + 1
    assert {name.rpartition("lora_")[1] for name in inside} == {"", "lora_"}
    log_temperature = kept["model.head.scale.log_temperature"].item()
    assert log_temperature != pytest.approx(torch.tensor(0.07).log().item(), abs=1e-4)


def test_scores_before_saving_are_those_after_loading(data, folder, tmp_path, monkeypatch):
    made = []
    original = Trainer.fit

    def fit(self, tracker):
        reason = original(self, tracker)
        made.append(self.model)
        return reason

    monkeypatch.setattr(Trainer, "fit", fit)
    done = train(data, language_model(folder), tmp_path / "run", reporter="none")
    events = PackedEvents.from_lists([[3, 1, 4, 1, 5, 9, 2], [6]])
    found = []
    with torch.inference_mode():
        for model in (made[0], Bundle.load(done.run.bundle).model):
            trace, _ = model(events)
            found.append(model.scores(trace.hidden))
    assert torch.equal(*found)


def test_a_bundle_is_refused_where_its_base_is_another_or_gone(unbroken, folder):
    Bundle.load(unbroken.bundle)
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        with pytest.raises(MissingFileError, match=r"decoder must be a folder"):
            Bundle.load(unbroken.bundle)
        shutil.copytree(small_decoder(seed=8), folder)
        with pytest.raises(InputError, match=r"on top of the weights that it was trained on"):
            Bundle.load(unbroken.bundle)
    finally:
        shutil.rmtree(folder)
        aside.rename(folder)


def test_describe_tells_the_base_and_what_is_trained_of_it(unbroken):
    result = CliRunner().invoke(app, ["describe", str(unbroken.path), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    [base] = told["bases"]
    # Rank 2 beside queries (16 by 16) and values (8 by 16) of two layers.
    assert base["num_trained"] == 2 * RANK * ((16 + 16) + (16 + 8))
    assert told["num_trained_parameters"] < told["num_parameters"]
    assert base["name"].endswith("decoder")
    said = CliRunner().invoke(app, ["describe", str(unbroken.path)]).output
    assert f"(fingerprint {base['fingerprint']}), which is not in the bundle" in said


@pytest.mark.parametrize("adapt", ["frozen", "full", "scratch"])
def test_other_ways_to_train_it_come_back_from_their_bundles(data, folder, adapt, tmp_path):
    config = language_model(folder, adaptation=adapt).override({"training.num_epochs": 1})
    run = train(data, config, tmp_path / "run", reporter="none").run
    kept = load_file(run.bundle / "weights.safetensors")
    whole = 2 * 9 + 1  # nine weights a layer, and the last norm
    inside = sum(name.startswith("model.encoder.decoder.") for name in kept)
    assert inside == (1 if adapt == "frozen" else whole)
    loaded = Bundle.load(run.bundle).model
    best = Checkpoint.load(run.best(1)).of("model")
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, best[name]), name
