"""A GGUF file becomes a folder of safetensors once, and reads like any other model."""

import numpy as np
import pytest

from penchant.errors import CorruptBundleError
from penchant.texts import gguf as module
from penchant.texts import open_text_model

from . import tiny

pytest.importorskip("gguf")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiny.save_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_a_gguf_file_is_converted_once(file, cache, monkeypatch, capfd):
    model = open_text_model(str(file), device="cpu")
    first = model.encode(["soap comb", "comb", ""])
    assert capfd.readouterr() == ("", "")
    assert model.folder.parent == cache / "text-models"
    assert (first.shape, first[2].any()) == ((3, 32), np.False_)
    assert model.pooling.modes == ("lasttoken",)
    monkeypatch.setattr(module, "_convert", None)
    again = open_text_model(str(file), device="cpu")
    assert again.fingerprint == model.fingerprint
    np.testing.assert_allclose(again.encode(["comb"])[0], first[1], atol=1e-5)


def test_a_damaged_gguf_file_is_named(tmp_path, cache):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(CorruptBundleError, match=r"bad\.gguf cannot be read"):
        open_text_model(str(tmp_path / "bad.gguf"))
    assert list((cache / "text-models").iterdir()) == []
