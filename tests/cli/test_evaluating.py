import json
import shutil

import pytest

from .conftest import NUM_ITEMS, NUM_USERS, done, invoke, settings


def test_a_model_stands_beside_its_baselines(own_run):
    result = done("evaluate", own_run, "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    assert document["num_users"] + document["protocol"]["left_out_seen_targets"] == NUM_USERS
    assert document["protocol"]["num_items"] == NUM_ITEMS
    assert {"popular", "recent_popular", "markov"} <= set(document["baselines"])
    for figures in (document["metrics"], *document["baselines"].values()):
        figure = figures["ndcg@10"]
        assert figure["low"] <= figure["value"] <= figure["high"]
    kept = json.loads((own_run / "metrics.json").read_text())
    assert kept["metrics"] == document["metrics"]


def test_each_look_at_the_test_part_is_counted(own_run):
    looks = [json.loads(done("evaluate", own_run, "--json").stdout)["test_looks"] for _ in "ab"]
    on_validation = done("evaluate", own_run, "--on", "validation", "-k", 5, "-k", 3, "--json")
    document = json.loads(on_validation.stdout)
    assert looks == [1, 2]
    assert document["test_looks"] == 2
    assert {"ndcg@3", "ndcg@5"} <= set(document["metrics"])
    assert json.loads((own_run / "run.json").read_text())["test_looks"] == 2
    assert "look 3 at the test part" in done("evaluate", own_run).stdout


def test_seen_items_may_stay(own_run):
    document = json.loads(done("evaluate", own_run, "--include-seen", "--json").stdout)
    assert document["protocol"]["exclude_seen"] is False
    assert document["num_targets"] == NUM_USERS


def test_what_the_run_was_trained_for_holds_in_its_evaluation(data, tmp_path):
    told = settings("training.num_epochs=1", "evaluation.exclude_seen=false")
    done("train", data, "--out", tmp_path / "run", *told)
    document = json.loads(done("evaluate", tmp_path / "run", "--json").stdout)
    assert document["protocol"]["exclude_seen"] is False


def test_a_bundle_alone_cannot_be_evaluated(run):
    result = invoke("evaluate", run / "bundle")
    assert result.exit_code == 1
    assert "is no run" in result.stderr


def test_an_unknown_part_is_a_usage_error(run):
    assert invoke("evaluate", run, "--on", "train").exit_code == 2


def test_data_that_moved_is_given_anew(own_run, data, made, tmp_path):
    moved = shutil.copytree(data, tmp_path / "elsewhere")
    assert json.loads(done("evaluate", own_run, "--data", moved, "--json").stdout)["metrics"]
    other = tmp_path / "other"
    done("prepare", made / "events.csv", "--where", "item_id <> 'i3'", "--split",
         "leave-one-out", "--out", other)  # fmt: skip
    result = invoke("evaluate", own_run, "--data", other)
    assert result.exit_code == 1
    assert f"its own {NUM_ITEMS} items, but this data has {NUM_ITEMS - 1}" in result.stderr


@pytest.fixture(scope="module")
def cold_run(made, tmp_path_factory):
    """A run on data whose items are in part held out of training."""
    folder = tmp_path_factory.mktemp("cold")
    done(
        "prepare", made / "events.csv", "--items", made / "items.csv", "--split", "leave-one-out",
        "--hold-out-items", 0.2, "--out", folder / "data",
    )  # fmt: skip
    done("train", folder / "data", "--out", folder / "run", *settings("training.num_epochs=1"))
    return folder / "run"


def test_items_held_out_of_training_are_ranked_among_themselves(cold_run):
    document = json.loads(done("evaluate", cold_run, "--candidates", "cold", "--json").stdout)
    protocol = document["protocol"]
    assert (protocol["candidates"], protocol["num_candidates"]) == ("cold", 6)  # 2 · 17 · .2
    assert protocol["held_out"]["test"]["targets"] == document["num_targets"]
    chance = document["baselines"]["random"]["hit@10"]["value"]
    assert chance == 1  # lists of 10 hold all of 6
    kept = json.loads((cold_run / "metrics-test-cold.json").read_text())
    assert kept["metrics"] == document["metrics"]
    whole = json.loads(done("evaluate", cold_run, "--json").stdout)
    assert whole["slices"]["cold_items"]["num_targets"] == document["num_targets"]
    assert set(whole["slices"]["warm_items"]["baselines"]) == set(whole["baselines"])
    assert "random" not in whole["baselines"]


def test_baselines_are_chosen_by_name(cold_run):
    told = ("--baselines", "mean_text, popular,random", "--on", "validation", "--json")
    # what is asked for is compared, whether the model reads texts or not
    document = json.loads(done("evaluate", cold_run, *told).stdout)
    assert list(document["baselines"]) == ["mean_text", "popular", "random"]
    assert "last" in document["baseline_settings"]["mean_text"]
    result = invoke("evaluate", cold_run, "--baselines", "populer")
    assert "Did you mean popular?" in result.stderr


def test_unknown_candidates_are_a_usage_error(cold_run):
    result = invoke("evaluate", cold_run, "--candidates", "new")
    assert result.exit_code == 2
    assert 'candidates must be one of all, warm, cold but is "new"' in result.stderr


def test_without_cold_targets_it_is_said_how_to_get_some(own_run):
    result = invoke("evaluate", own_run, "--candidates", "cold")
    assert result.exit_code == 1
    assert "--hold-out-items" in result.stderr
