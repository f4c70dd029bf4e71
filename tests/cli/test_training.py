import json
import os
import signal
import subprocess
import sys

import pytest

from penchant.config import Config

from .conftest import done, invoke, settings


def test_training_leaves_a_run_with_a_bundle(run, data):
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["state"] == "done"
    assert manifest["data"]["path"] == str(data)
    assert manifest["seed"] == 3
    assert (run / "bundle" / "bundle.json").is_file()


def test_a_document_says_what_a_training_came_to(data, tmp_path):
    result = done("train", data, "--out", tmp_path / "run", *settings(), "--json")
    document = json.loads(result.stdout)
    assert document["num_epochs"] == 2
    assert document["metric"] == "ndcg@10"
    assert document["run"] == str(tmp_path / "run")
    assert "epoch 1/2" in result.stderr


def test_a_run_that_stands_is_refused(run, data):
    result = invoke("train", data, "--out", run)
    assert result.exit_code == 1
    assert "Say --resume to go on there, or --overwrite" in result.stderr


def test_a_run_can_be_gone_on_with(own_run, data):
    more = ("--set", "training.num_epochs=3", "--json")
    document = json.loads(done("train", data, "--out", own_run, "--resume", *more).stdout)
    assert document["num_epochs"] == 3


def test_resume_and_overwrite_exclude_each_other(data, tmp_path):
    result = invoke("train", data, "--out", tmp_path / "run", "--resume", "--overwrite")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.lerning_rate=1", "Did you mean learning_rate?"),
        ("training.num_epochs=many", "training.num_epochs must be a whole number"),
        ("encoder.kind=grue", "Did you mean gru?"),
    ],
)
def test_a_bad_setting_is_refused_before_anything_is_made(data, tmp_path, setting, said):
    result = invoke("train", data, "--out", tmp_path / "run", "--set", setting)
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (tmp_path / "run").exists()


def test_training_on_what_is_no_data_is_refused(tmp_path):
    result = invoke("train", tmp_path / "gone", "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert str(tmp_path / "gone") in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_control_c_says_how_to_go_on(data, tmp_path):
    command = [sys.executable, "-m", "penchant", "train", str(data), "--out", str(tmp_path / "run")]
    command += settings("training.num_epochs=100000", "training.patience=100000")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        f"Go on with: penchant train {data} --out {tmp_path / 'run'} --resume"
    )
    assert "Traceback" not in said
    done("train", data, "--out", tmp_path / "run", "--resume", "--set", "training.num_epochs=3")


def test_recipes_are_listed_and_shown():
    assert "default" in done("configs").stdout
    found = json.loads(done("configs", "--json").stdout)["recipes"]
    assert {"default", "quickstart"} <= {recipe["name"] for recipe in found}
    text = done("config", "show", "default", "--set", "width=48").stdout
    assert Config.from_toml(text).width == 48
    document = json.loads(done("config", "show", "default", "--json").stdout)
    assert document["config"]["width"] == Config.load("default").width


def test_an_unknown_recipe_is_named():
    result = invoke("config", "show", "defalt")
    assert result.exit_code == 1
    assert "Did you mean default?" in result.stderr


def test_describe_counts_bytes_of_memory(run):
    document = json.loads(done("describe", run, "--json").stdout)
    assert document["state_bytes"] == sum(document["state"].values())
    assert document["num_parameters"] == sum(document["parameters"].values())
    assert document["seen_bytes_per_item"] == 2
    assert document["config"]["width"] == 8
    assert document["run"]["seed"] == 3
    assert "with seed 3" in done("describe", run).stdout
    said = done("describe", run / "bundle").stdout
    assert f"in all {document['state_bytes']:,} bytes" in said
    assert "width = 8" in said


def test_describe_says_how_many_events_a_window_keeps(data, tmp_path):
    encoder = ("encoder.kind=transformer", "encoder.num_layers=2", "encoder.window=4")
    chosen = settings(*encoder, "training.num_epochs=1")
    done("train", data, "--out", tmp_path / "run", *chosen)
    told = json.loads(done("describe", tmp_path / "run", "--json").stdout)
    assert told["memory_kind"] == "window"
    assert told["window_events"] == 2 * (4 - 1)  # two layers that see three events further back
    assert told["state"]["encoder.item_index"] == 4 * 6
    assert told["state_bytes"] == sum(told["state"].values())
    assert "a window of the last 6 events" in done("describe", tmp_path / "run").stdout


def test_describing_an_altered_bundle_names_the_file(own_run):
    weights = own_run / "bundle" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    result = invoke("describe", own_run)
    assert result.exit_code == 1
    assert "weights.safetensors" in result.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from penchant.cli import app; "
        "heavy = {'torch', 'polars', 'numpy', 'pydantic'} & set(sys.modules); assert not heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
