"""Tiny models made once for the session, and a cache folder of each test's own."""

from __future__ import annotations

import shutil

import pytest

from penchant.texts.huggingface import HuggingFaceTextModel

from . import tiny


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep everything that is kept between runs in this test's folder."""
    monkeypatch.setenv("PENCHANT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny.save_bert(folder / "bert")
    tiny.save_gpt2(folder / "gpt2")
    tiny.save_llama(folder / "llama")
    return folder


@pytest.fixture(scope="session")
def bert(made):
    return HuggingFaceTextModel(made / "bert", device="cpu")


@pytest.fixture(scope="session")
def gpt2(made):
    return HuggingFaceTextModel(made / "gpt2", device="cpu")


@pytest.fixture(scope="session")
def llama(made):
    return HuggingFaceTextModel(made / "llama", device="cpu")


@pytest.fixture
def own_bert(made, tmp_path):
    """A copy of the encoder's folder, for a test that changes it."""
    return shutil.copytree(made / "bert", tmp_path / "bert")
