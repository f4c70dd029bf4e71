"""A head that says how likely an item is taken, from `prepare` to `evaluate`."""

import json
import random

import pytest

from penchant.recommender import Recommender

from .conftest import NUM_ITEMS, NUM_USERS, done, invoke, settings

LIKES = ("head.kind=binary", "loss.kind=binary", "loss.least_value=4")
FIGURES = ("auc", "log_loss", "calibration_error")


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """Ratings of 5 for items of an even number and of 2 for the others, but for strays."""
    folder = tmp_path_factory.mktemp("rated")
    draw = random.Random(1)
    rows = []
    for user in range(NUM_USERS):
        for place in range(6 + user % 5):
            item = (user * 5 + place * 3) % NUM_ITEMS
            value = 5 if (item % 2 == 0) ^ (draw.random() < 0.1) else 2
            rows.append(f"u{user},i{item},{1_000 + 700 * place + 13 * user},{value}")
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,timestamp,value", *rows]) + "\n")
    done("prepare", folder / "events.csv", "--split", "leave-one-out", "--out", folder / "data")
    schedule = ("training.num_epochs=40", "training.patience=40", "training.learning_rate=0.05")
    trained = settings(*LIKES, *schedule)
    result = done("train", folder / "data", "--out", folder / "run", *trained, "--json")
    assert json.loads(result.stdout)["metric"] == "auc"
    return folder


def test_probabilities_stand_beside_the_base_rate(rated):
    document = json.loads(done("evaluate", rated / "run", "--json").stdout)
    assert document["protocol"]["labelled_targets"] == NUM_USERS
    base = document["baselines"]["base_rate"]
    assert set(base) == set(FIGURES)
    for name in FIGURES:
        figure = document["metrics"][name]
        assert set(figure) == {"value", "low", "high"}
        difference = document["differences"]["base_rate"][name]["value"]
        assert difference == pytest.approx(figure["value"] - base[name]["value"])
    assert base["auc"]["value"] == 1 / 2
    assert document["metrics"]["auc"]["low"] > 1 / 2
    assert document["metrics"]["log_loss"]["value"] < base["log_loss"]["value"]
    assert {"ndcg@10"} < set(document["metrics"])
    kept = json.loads((rated / "run" / "metrics.json").read_text())
    assert kept["metrics"] == document["metrics"]
    report = Recommender.load(rated / "run").evaluate()
    assert report.to_dict()["metrics"] == document["metrics"]


def test_they_are_shown_in_a_table_of_their_own(rated):
    lines = done("evaluate", rated / "run", "--on", "validation").stdout.splitlines()
    words = [line.split() for line in lines]
    assert any(row[:1] == ["model"] and "base_rate" in row for row in words)
    for name in FIGURES:
        assert any(row[:1] == [name] for row in words)
    assert any(line.startswith(f"Probabilities: {NUM_USERS} targets") for line in lines)


def test_without_a_rule_of_likes_nothing_is_trained(rated, tmp_path):
    result = invoke("train", rated / "data", "--out", tmp_path / "run", *settings(*LIKES[:2]))
    assert result.exit_code == 1
    assert "needs events that were taken and events that were refused" in result.stderr
    assert not (tmp_path / "run").exists()


def test_auc_of_a_head_without_probabilities_is_refused(rated, tmp_path):
    result = invoke(
        "train", rated / "data", "--out", tmp_path / "run", *settings("training.metric=auc")
    )
    assert result.exit_code == 1
    assert 'needs head.kind "binary" but it is "dot"' in result.stderr
    assert not (tmp_path / "run").exists()
