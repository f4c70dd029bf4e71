import json

import pytest
import torch
from safetensors.torch import save_file

from penchant.errors import CorruptBundleError
from penchant.training.checkpoints import Checkpoint


def test_checkpoint_comes_back_bit_for_bit(tmp_path):
    weight = torch.tensor([[1.5, float("nan")], [-0.0, 3e-45]])
    state = {"step": 3, "value": None, "history": [{"loss": 0.1 + 0.2}]}
    Checkpoint({"model.a": weight, "random.cpu": torch.get_rng_state()}, state).save(
        tmp_path / "deep" / "last.safetensors"
    )
    loaded = Checkpoint.load(tmp_path / "deep" / "last.safetensors")
    assert loaded.of("model")["a"].numpy().tobytes() == weight.numpy().tobytes()
    assert loaded.state == state
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["last.safetensors"]


def test_tied_weights_are_kept_under_both_names(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    Checkpoint({"model.a": weight, "model.b": weight.T}, {}).save(tmp_path / "last")
    loaded = Checkpoint.load(tmp_path / "last").of("model")
    assert torch.equal(loaded["a"], loaded["b"].T)


def test_cut_checkpoint_is_refused_by_name(tmp_path):
    Checkpoint({"model.a": torch.ones(100)}, {}).save(tmp_path / "last.safetensors")
    whole = (tmp_path / "last.safetensors").read_bytes()
    (tmp_path / "last.safetensors").write_bytes(whole[:-5])
    with pytest.raises(CorruptBundleError, match=r"last\.safetensors is not a whole checkpoint"):
        Checkpoint.load(tmp_path / "last.safetensors")


def test_checkpoint_of_a_newer_version_is_refused(tmp_path):
    header = {"format": "2", "state": json.dumps({})}
    save_file({"model.a": torch.ones(1)}, tmp_path / "last", header)
    with pytest.raises(CorruptBundleError, match="has format 2; this version reads up to 1"):
        Checkpoint.load(tmp_path / "last")


def test_crash_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    Checkpoint({"model.a": torch.ones(1)}, {"step": 1}).save(tmp_path / "last")
    monkeypatch.setattr("penchant.training.checkpoints.sync", _fail)
    with pytest.raises(OSError, match="disk full"):
        Checkpoint({"model.a": torch.zeros(1)}, {"step": 2}).save(tmp_path / "last")
    assert Checkpoint.load(tmp_path / "last").state == {"step": 1}


def _fail(path):
    raise OSError("disk full")
