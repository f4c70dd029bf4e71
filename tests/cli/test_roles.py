"""A shop with two objectives, from the log to its lists, on the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest

from penchant import EventLog, Recommender
from penchant.errors import InputError

from .conftest import done, invoke, settings

NUM_USERS, NUM_ITEMS = 24, 11
SHOP = settings(
    "training.num_epochs=1",
    "events.history_types=['view','buy']",
    "objectives.click.types=['view','buy']",
    "objectives.buy.types=['buy']",
    "evaluation.seen_types=['buy']",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    kinds = ("view", "view", "buy", "skip", "view", "buy", "buy")
    rows = [
        f"u{user},i{(user * 3 + place * place) % NUM_ITEMS},{1_000 + 700 * place},"
        f"{kinds[(user + place) % 7]}"
        for user in range(NUM_USERS)
        for place in range(6 + user % 5)
    ]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,timestamp,event_type", *rows]))
    done("prepare", folder / "events.csv", "--split", "time:0.8", "--out", folder / "data")
    done("train", folder / "data", "--out", folder / "run", *SHOP)
    return folder


def evaluated(shop, *options) -> dict:
    return json.loads(done("evaluate", shop / "run", "--json", *options).stdout)


def test_each_objective_is_evaluated_on_its_own_targets(shop):
    usual, click, buy = (
        evaluated(shop, *options)
        for options in ((), ("--objective", "click"), ("--objective", "buy"))
    )
    assert usual["metrics"] == click["metrics"]
    assert usual["protocol"]["objective"] == "click"
    assert buy["protocol"]["target_types"] == ["buy"]
    assert buy["protocol"]["seen_types"] == ["buy"]
    counts = [found["num_targets"] + left_out(found) for found in (usual, buy)]
    data = EventLog.read(shop / "events.csv").prepare(split="time:0.8")
    tested = [data.event_types[kind] for kind in data.log.event_type[data.log.part == 2]]
    assert counts == [len([kind for kind in tested if kind != "skip"]), tested.count("buy")]
    kept = json.loads((shop / "run" / "metrics-test-buy.json").read_text())
    assert kept["metrics"] == buy["metrics"]
    text = done("evaluate", shop / "run", "--objective", "buy").stdout
    assert text.startswith("test part, targets buy, split time:0.8, seen items filtered")


def left_out(document: dict) -> int:
    return document["protocol"]["left_out_seen_targets"]


def test_a_list_is_that_of_the_objective(shop):
    options = ("recommend", shop / "run", "--user", "u3", "--json")
    usual, click, buy = (
        json.loads(done(*options, *more).stdout)["items"]
        for more in ((), ("--objective", "click"), ("--objective", "buy"))
    )
    assert usual == click
    assert [item["score"] for item in buy] != [item["score"] for item in click]


@pytest.mark.parametrize("command", ["evaluate", "recommend"])
def test_an_objective_that_is_not_there_is_a_usage_error(shop, command):
    more = () if command == "evaluate" else ("--user", "u3")
    result = invoke(command, shop / "run", *more, "--objective", "bye")
    assert result.exit_code == 2
    assert 'has no "bye".\nDid you mean buy? Known: buy, click.' in result.stderr


def test_a_part_without_targets_is_refused(shop):
    rec = Recommender.load(shop / "run")
    data = rec.data()
    is_buy = data.log.event_type == data.event_types.index("buy")
    part = np.where(is_buy, 0, data.log.part).astype(np.int8)
    data = replace(data, log=replace(data.log, part=part))
    with pytest.raises(InputError, match=r"none of the \d+ events of the test part has a"):
        rec.evaluate(data, objective="buy")


def test_values_are_learned_told_and_evaluated(tmp_path):
    rows = [
        f"u{user},i{(user * 3 + place) % 7},{1_000 + 700 * place},{(user * 3 + place) % 7 + 0.5}"
        for user in range(20)
        for place in range(6 + user % 5)
    ]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,item_id,timestamp,value", *rows]))
    done("prepare", tmp_path / "events.csv", "--split", "leave-one-out", "--out", tmp_path / "data")
    told = settings("events.value_as=target", "training.num_epochs=30")
    told += settings("training.learning_rate=0.02")
    done("train", tmp_path / "data", "--out", tmp_path / "run", *told)
    options = ("recommend", tmp_path / "run", "--history", "i3", "-k", 7, "--include-seen")
    items = json.loads(done(*options, "--json").stdout)["items"]
    by_item = {item["item_id"]: item["value"] for item in items}
    assert by_item["i0"] < by_item["i3"] < by_item["i6"]
    assert "value" in done(*options).stdout.splitlines()[0]
    found = json.loads(done("evaluate", tmp_path / "run", "--include-seen", "--json").stdout)
    assert found["protocol"]["valued_targets"] == 20
    assert found["differences"]["mean_value"]["value_error"]["high"] < 0
