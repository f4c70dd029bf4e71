import json
import shutil

import polars as pl
import pytest

from penchant.cli import quickstart as module
from penchant.config import Config

from .conftest import QUICK, done, invoke

NUM_ITEMS = 19


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that holds a fetched log already, and a recipe that is over at once."""
    log = tmp_path / "data" / "toy"
    log.mkdir(parents=True)
    rows = [
        (f"u{user}", f"i{(user * 3 + place * 4) % NUM_ITEMS}", 1_000.0 + 600 * place + 11 * user)
        for user in range(26)
        for place in range(9 + user % 5)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    frame.write_parquet(log / "events.parquet")
    pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(NUM_ITEMS)],
            "title": [f"T{i}" for i in range(NUM_ITEMS)],
        }
    ).write_parquet(log / "items.parquet")
    (log / "dataset.json").write_text("{}")
    load = Config.load
    monkeypatch.setattr(Config, "load", lambda name: load(name, QUICK))
    return tmp_path


def quickstart(place, *more):
    return done(
        "quickstart",
        "--dataset",
        "toy",
        "--data-dir",
        place / "data",
        "--out",
        place / "run",
        *more,
    )


def test_quickstart_ends_with_figures_lists_and_commands(place):
    said = quickstart(place).stdout
    assert "model  " in said
    assert "popular  " in said
    assert "markov  " in said
    assert "5/5 Ten recommendations for user" in said
    assert "before" in said
    assert "after (+ is new in the list)" in said
    assert said.count(" ms to take it and list anew)") == 3
    commands = [line for line in said.splitlines() if line.startswith("  penchant ")]
    assert len(commands) == 3
    for command in commands:
        done(*command.split()[1:])


def test_a_second_run_uses_what_stands(place):
    first = json.loads(quickstart(place, "--json").stdout)
    again = quickstart(place, "--json")
    document = json.loads(again.stdout)
    assert "is trained already" in again.stderr
    assert document["evaluation"] == first["evaluation"]
    assert document["live"]["after"] == first["live"]["after"]
    assert json.loads((place / "run" / "run.json").read_text())["test_looks"] == 1
    anew = quickstart(place, "--overwrite")
    assert "epoch 2/2" in anew.stderr


def test_a_run_on_other_data_is_not_mistaken_for_this_one(place, run):
    shutil.copytree(run, place / "run")
    result = invoke("quickstart", "--dataset", "toy", "--data-dir", place / "data", "--out",
                    place / "run")  # fmt: skip
    assert result.exit_code == 1
    assert "was trained on other data" in result.stderr


def test_the_list_before_is_the_list_of_the_bare_history(place):
    live = json.loads(quickstart(place, "--json").stdout)["live"]
    assert [item["item_id"] for item in live["items"]] == live["before"]
    assert not set(live["after"]) & {*live["history"], *live["events"]}
    assert len(live["times_ms"]) == len(live["events"]) == 3


def test_figures_show_what_is_missing_as_a_dash():
    figure = {"value": 0.5, "low": None, "high": None}
    assert module._cell(figure) == "0.5000"
    assert module._cell({**figure, "value": None}) == "–"
    assert module._cell({"value": -0.5, "low": -1.0, "high": 0.0}, "+") == (
        "-0.5000 [-1.0000, +0.0000]"
    )
