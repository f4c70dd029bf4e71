"""Texts become vectors once: what is known is not made again, and what is empty never."""

import numpy as np
import pytest

from penchant.texts import TextModel, VectorCache, encode_texts, open_text_model
from penchant.texts import encoding as module


class CountingModel(TextModel):
    """Tells the length of a text, and remembers what it was given."""

    def __init__(self, fingerprint="counting", width=3):
        self.name, self.fingerprint, self.width = "counting", fingerprint, width
        self.given = []
        self.breaks_at = None

    def encode(self, texts, max_tokens=128, progress=None):
        if self.breaks_at is not None and len(self.given) + len(texts) > self.breaks_at:
            raise KeyboardInterrupt
        self.given += texts
        if progress:
            progress(self.name, len(texts), len(texts))
        return np.float32([[len(text), max_tokens, 1] for text in texts]).reshape(-1, self.width)


@pytest.fixture
def kept(tmp_path):
    with VectorCache(tmp_path / "texts.sqlite") as cache:
        yield cache


def test_empty_texts_are_zeros_and_given_to_no_model(kept):
    model = CountingModel()
    found = encode_texts(["soap", "", " \n\x00", "comb oil"], model, cache=kept)
    assert found.vectors.tolist() == [[4, 128, 1], [0, 0, 0], [0, 0, 0], [8, 128, 1]]
    assert model.given == ["comb oil", "soap"]
    assert found.vectors.dtype == np.float32
    assert encode_texts([], model, cache=kept).vectors.shape == (0, 3)


def test_a_text_is_read_once_in_one_call_and_never_again(kept):
    model = CountingModel()
    first = encode_texts(["soap", "comb oil", " soap"], model, cache=kept)
    assert (first.num_encoded, first.num_cached) == (2, 0)
    second = encode_texts(["oil", "soap", "comb oil"], model, cache=kept)
    assert (second.num_encoded, second.num_cached) == (1, 2)
    assert second.vectors[:, 0].tolist() == [3, 4, 8]
    assert model.given == ["comb oil", "soap", "oil"]


def test_another_fingerprint_or_length_is_read_again(kept):
    texts = ["soap", "comb"]
    encode_texts(texts, CountingModel(), cache=kept)
    assert encode_texts(texts, CountingModel("other"), cache=kept).num_encoded == 2
    shorter = encode_texts(texts, CountingModel(), max_tokens=64, cache=kept)
    assert shorter.num_encoded == 2
    assert shorter.vectors[0].tolist() == [4, 64, 1]
    assert encode_texts(texts, CountingModel(), cache=kept).num_encoded == 0


def test_what_was_done_before_an_interruption_is_not_lost(kept, monkeypatch):
    monkeypatch.setattr(module, "NUM_TEXTS_AT_ONCE", 4)
    model = CountingModel()
    model.breaks_at = 10
    texts = ["x" * length for length in range(1, 15)]
    with pytest.raises(KeyboardInterrupt):
        encode_texts(texts, model, cache=kept)
    model.breaks_at = None
    found = encode_texts(texts, model, cache=kept)
    assert (found.num_encoded, found.num_cached) == (14 - 8, 8)
    assert found.vectors[:, 0].tolist() == list(range(1, 15))


def test_progress_counts_distinct_texts_and_what_was_known(kept, monkeypatch):
    monkeypatch.setattr(module, "NUM_TEXTS_AT_ONCE", 2)
    encode_texts(["a"], CountingModel(), cache=kept)
    told = []
    texts = ["a", "b", "b", "c", "", "d"]
    encode_texts(texts, CountingModel(), cache=kept, progress=lambda *parts: told.append(parts))
    assert told == [("counting", 3, 4), ("counting", 4, 4)]


def test_the_default_cache_is_the_one_of_the_machine(cache):
    encode_texts(["soap"], CountingModel())
    assert (cache / "texts.sqlite").exists()
    assert encode_texts(["soap"], CountingModel()).num_cached == 1


def test_without_a_cache_nothing_is_written(cache):
    assert encode_texts(["soap"], CountingModel(), cache=None).num_encoded == 1
    assert not cache.exists()


def test_what_is_quicker_than_a_cache_does_without(cache):
    for _ in range(2):
        found = encode_texts(["soap"], "hashing")
        assert (found.name, found.num_encoded, found.num_cached) == ("hashing", 1, 0)
    assert found.fingerprint == open_text_model("hashing").fingerprint
    assert not cache.exists()


def test_a_very_long_text_is_cut_before_it_is_looked_up(kept):
    model = CountingModel()
    encode_texts(["comb " * 20_000], model, cache=kept)
    assert len(model.given[0]) < 128 * 32 + 1
    assert encode_texts(["comb " * 30_000], model, cache=kept).num_cached == 1
