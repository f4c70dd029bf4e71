import json

import pytest

from penchant.errors import (
    ConfigError,
    CorruptBundleError,
    InputError,
    MissingFileError,
    OutputExistsError,
)
from penchant.training import Run

from .small import quick_config, small_data


def test_directory_that_exists_is_refused(data, tmp_path):
    Run.create(tmp_path / "run", data, quick_config())
    with pytest.raises(OutputExistsError, match=r"run exists\. Say --resume .* --overwrite"):
        Run.create(tmp_path / "run", data, quick_config())


def test_run_is_overwritten_on_request(data, tmp_path):
    (tmp_path / "run").mkdir()
    run = Run.create(tmp_path / "run", data, quick_config())
    (run.path / "history.jsonl").write_text("old")
    Run.create(run.path, data, quick_config(), overwrite=True)
    assert sorted(file.name for file in run.path.iterdir()) == ["config.toml", "run.json"]


def test_directory_that_is_no_run_is_never_overwritten(data, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OutputExistsError, match="is no run, so it is not overwritten"):
        Run.create(tmp_path, data, quick_config(), overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_resuming_where_no_run_is_names_the_file(data, tmp_path):
    with pytest.raises(MissingFileError, match=r"holds no run: there is no .*run\.json"):
        Run.resume(tmp_path / "nothing", data, None)


def test_resuming_on_other_data_is_refused(data, tmp_path):
    Run.create(tmp_path / "run", data, quick_config(), data_path="somewhere")
    with pytest.raises(InputError, match="fingerprint small 23, but this is small 9") as caught:
        Run.resume(tmp_path / "run", small_data(num_users=9), None)
    assert "somewhere" in caught.value.hint


def test_resuming_with_another_model_is_refused_by_key(data, tmp_path):
    Run.create(tmp_path / "run", data, quick_config())
    other = quick_config(num_epochs=7, seed=9).override({"encoder.num_layers": 1})
    with pytest.raises(ConfigError, match=r"but encoder\.num_layers, training\.seed differ"):
        Run.resume(tmp_path / "run", data, other)


def test_resuming_takes_what_may_change(data, tmp_path):
    Run.create(tmp_path / "run", data, quick_config())
    run, config = Run.resume(tmp_path / "run", data, quick_config(num_epochs=7, patience=3))
    assert (config.training.num_epochs, run.config.training.patience) == (7, 3)


def test_resuming_clears_away_files_that_a_kill_left_unfinished(data, tmp_path):
    run = Run.create(tmp_path / "run", data, quick_config())
    run.last.parent.mkdir()
    for file in (run.path / ".run.json.77", run.last.parent / ".last.safetensors.77"):
        file.write_text("{")
    Run.resume(run.path, data, None)
    names = sorted(file.name for file in run.path.rglob("*"))
    assert names == ["checkpoints", "config.toml", "run.json"]


def test_run_of_a_newer_version_is_refused(data, tmp_path):
    run = Run.create(tmp_path / "run", data, quick_config())
    run.update(format=2)
    with pytest.raises(CorruptBundleError, match=r"run\.json has format 2; .* up to 1"):
        _ = run.manifest


def test_cut_run_file_is_refused_by_name(data, tmp_path):
    run = Run.create(tmp_path / "run", data, quick_config())
    (run.path / "run.json").write_text('{"format":')
    with pytest.raises(CorruptBundleError, match=r"run\.json cannot be read"):
        _ = run.manifest


def test_looks_at_the_test_part_are_counted(data, tmp_path):
    run = Run.create(tmp_path / "run", data, quick_config())
    assert [run.count_test_look(), run.count_test_look()] == [1, 2]
    assert json.loads((run.path / "run.json").read_text())["test_looks"] == 2
