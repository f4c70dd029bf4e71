"""`penchant adapt-text` says how well histories are told before and after."""

from __future__ import annotations

import json

import pytest

from tests.training.test_text_pretraining import QUICK, save_decoder
from tests.training.words import word_data

from .conftest import done, invoke

pytest.importorskip("transformers")
pytest.importorskip("peft")

CHOSEN = [
    part for key, value in {**QUICK, "num_steps": 3}.items() for part in ("--set", f"{key}={value}")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapting")
    word_data(num_users=30).save(folder / "data")
    save_decoder(folder / "model")
    return folder


def test_figures_are_told_and_written(place, tmp_path):
    command = ("adapt-text", place / "data", "--model", place / "model", *CHOSEN)
    document = json.loads(done(*command, "--out", tmp_path / "new", "--json").stdout)
    assert document["perplexity"]["before"] > document["perplexity"]["after"] > 1
    assert document["settings"]["num_steps"] == 3
    said = done(*command, "--out", tmp_path / "again").stdout
    assert f"{document['perplexity']['after']:,.2f} after" in said
    assert "of 9 held-out users" in said
    assert said.splitlines()[-1].endswith(f"--set text.model={tmp_path / 'again'}")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("num_stepz=3", 'adapt-text has no setting "num_stepz" (from --set num_stepz=3)'),
        ("num_steps=many", 'adapt-text.num_steps must be a whole number but is "many"'),
    ],
)
def test_a_bad_setting_is_refused(place, tmp_path, setting, said):
    result = invoke("adapt-text", place / "data", "--out", tmp_path / "new", "--set", setting)
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (tmp_path / "new").exists()
