"""A run is made for another catalogue, looked at, and trained on from there."""

from __future__ import annotations

import json

import pytest

from tests.training.words import KITCHEN, word_data

from .conftest import done, invoke

SMALL = [
    *("items.kind=mixture", 'items.sources=["text"]', "text.model=hashing", "width=8"),
    *("text.num_directions=8", "training.num_epochs=1", "training.tracker=none"),
    *("training.num_threads=1", "loss.interest_weight=0.0"),
]


def chosen(*lines: str) -> list[str]:
    return [part for line in (*SMALL, *lines) for part in ("--set", line)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    word_data(split="none", num_users=20).save(folder / "garden")
    word_data(KITCHEN, num_users=20).save(folder / "kitchen")
    done("train", folder / "garden", "--out", folder / "run", *chosen())
    return folder


def test_a_log_without_labels_is_enough_and_has_nothing_to_evaluate_on(place):
    result = invoke("evaluate", place / "run")
    assert result.exit_code == 1
    assert "the test part of the data is empty" in result.stderr


def test_a_transferred_run_is_evaluated_and_described(place, tmp_path):
    made = done("transfer", place / "run", place / "kitchen", "--out", tmp_path / "run", "--json")
    document = json.loads(made.stdout)
    assert document["num_items"] == 25
    assert document["transferred_from"]["path"] == str(place / "run")
    assert document["text"]["model"] == "hashing"
    report = json.loads(done("evaluate", tmp_path / "run", "--json").stdout)
    assert report["num_targets"] > 0
    said = done("describe", tmp_path / "run").stdout
    source = document["transferred_from"]
    assert f"transferred from {source['path']} (bundle {source['bundle']})" in said
    result = invoke("transfer", place / "run", place / "kitchen", "--out", tmp_path / "run")
    assert result.exit_code == 1
    done("transfer", place / "run", place / "kitchen", "--out", tmp_path / "run", "--overwrite")


def test_the_next_step_is_told(place, tmp_path):
    said = done("transfer", place / "run", place / "kitchen", "--out", tmp_path / "run").stdout
    assert "texts of 25 items by hashing" in said
    assert said.splitlines()[-1] == f"Next: penchant evaluate {tmp_path / 'run'}"


def test_a_training_starts_from_a_transferred_run_with_its_settings(place, tmp_path):
    done("transfer", place / "run", place / "kitchen", "--out", tmp_path / "zero")
    start = ("--warm-start", tmp_path / "zero", "--set", "training.num_epochs=2")
    made = done("train", place / "kitchen", "--out", tmp_path / "few", *start, "--json")
    assert json.loads(made.stdout)["num_epochs"] == 2
    assert "25 of 25 items are known by their ids" in made.stderr
    assert f"started from {tmp_path / 'zero'}" in done("describe", tmp_path / "few").stdout
    result = invoke("train", place / "kitchen", "--out", tmp_path / "few", "--resume", *start)
    assert result.exit_code == 2
    assert "--resume and --warm-start exclude each other" in result.stderr


def test_a_start_from_nothing_is_refused(place, tmp_path):
    result = invoke("train", place / "kitchen", "--out", tmp_path / "x", "--warm-start", tmp_path)
    assert result.exit_code == 1
    assert not (tmp_path / "x").exists()


def test_another_model_cannot_be_started_from(place, tmp_path):
    start = ("--warm-start", place / "run", "--set", "encoder.kind=lstm")
    result = invoke("train", place / "kitchen", "--out", tmp_path / "x", *start)
    assert result.exit_code == 1
    assert "encoder.kind (lstm here, gru there)" in result.stderr
    assert not (tmp_path / "x").exists()
