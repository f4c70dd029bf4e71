"""A transformer's vectors: pooled as its files say, the same in any company, never by surprise."""

import json
import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from penchant.errors import (
    ConfigError,
    CorruptBundleError,
    EnvironmentFault,
    InputError,
    MissingExtraError,
    MissingFileError,
)
from penchant.texts import encode_texts, loading, open_text_model
from penchant.texts import huggingface as module
from penchant.texts.huggingface import HuggingFaceTextModel, is_decoder
from penchant.texts.layout import Pooling

from . import tiny

TEXTS = ["soap", "green soap bar for dry skin and hair", "comb", "a steel comb with oil", "中文"]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_a_vector_does_not_depend_on_its_company(kind, request, monkeypatch):
    model = request.getfixturevalue(kind)
    together = model.encode(TEXTS)
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    monkeypatch.setitem(module.BATCH_TOKENS, "cpu", 11)
    np.testing.assert_allclose(model.encode(TEXTS[::-1])[::-1], alone, atol=1e-5)
    assert together.dtype == np.float32


@pytest.mark.parametrize(("kind", "width"), [("bert", 12), ("gpt2", 8), ("llama", 16)])
def test_the_width_is_known_before_the_model_is_loaded(made, kind, width):
    model = HuggingFaceTextModel(made / kind, device="cpu")
    assert model.width == width
    assert "module" not in vars(model)


def by_hand(model, text):
    """Return (L, H) vectors of the tokens, read alone and without padding."""
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return model.module(input_ids=ids).last_hidden_state[0]


def test_an_encoder_is_the_mean_of_its_tokens(bert):
    expected = by_hand(bert, "green soap bar").mean(0)
    np.testing.assert_allclose(bert.encode(["comb", "green soap bar"])[1], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_decoder_is_its_last_token_without_a_token_to_pad_with(kind, request):
    model = request.getfixturevalue(kind)
    assert model.tokenizer.pad_token_id is None
    assert not model.module.config.use_cache
    texts = ["soap", "green soap bar for dry skin", "comb oil"]
    expected = [by_hand(model, text)[-1].tolist() for text in texts]
    np.testing.assert_allclose(model.encode(texts), expected, atol=1e-5)


def test_weights_of_two_bytes_are_read_as_float32(llama):
    assert {weight.dtype for weight in llama.module.parameters()} == {torch.float32}


def test_pooling_and_length_follow_the_files(own_bert):
    tiny.add_layers(own_bert, "Pooling", "Normalize")
    tiny.add_settings(
        own_bert / "1_Pooling", pooling_mode_cls_token=True, pooling_mode_max_tokens=True
    )
    (own_bert / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    model = HuggingFaceTextModel(own_bert, device="cpu")
    assert model.width == 2 * 12
    hidden = by_hand(model, "green soap")[:4]  # [CLS] green soap [SEP]
    expected = torch.cat([hidden[0], hidden.amax(0)])
    expected = expected / expected.norm()
    found = model.encode(["green soap", "comb", "green soap bar of oil"])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    assert model.tokenize(["green soap bar of oil"]).ids.tolist() == [2, 7, 4, 3]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("mean_sqrt_len_tokens", lambda hidden: hidden.sum(0) / len(hidden) ** 0.5),
        ("weightedmean", lambda h: sum((n + 1) * row for n, row in enumerate(h)) / (1 + 2 + 3)),
        ("lasttoken", lambda hidden: hidden[-1]),
        ("cls", lambda hidden: hidden[0]),
    ],
)
def test_each_way_of_pooling_is_what_its_name_says(bert, mode, expected):
    model = HuggingFaceTextModel(bert.folder, device="cpu", pooling=Pooling((mode,)))
    found = model.encode(["comb with the oil and a comb", "soap"])[1]
    np.testing.assert_allclose(found, expected(by_hand(bert, "soap")), atol=1e-5)


def test_a_dense_layer_is_applied_behind_the_pooling(own_bert):
    tiny.add_layers(own_bert, "Pooling", "Dense")
    tiny.add_settings(own_bert / "1_Pooling", pooling_mode="mean")
    tiny.add_settings(
        own_bert / "2_Dense", in_features=12, out_features=5, bias=True,
        activation_function="torch.nn.modules.activation.Tanh",
    )  # fmt: skip
    weight, bias = torch.randn(5, 12), torch.randn(5)
    file = own_bert / "2_Dense" / "model.safetensors"
    save_file({"linear.weight": weight, "linear.bias": bias}, file)
    model = HuggingFaceTextModel(own_bert, device="cpu")
    assert model.width == 5
    expected = torch.tanh(weight @ by_hand(model, "soap").mean(0) + bias)
    np.testing.assert_allclose(model.encode(["soap", "", "comb oil"])[0], expected, atol=1e-5)
    assert not model.encode([""]).any()
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CorruptBundleError, match="2_Dense cannot be read"):
        HuggingFaceTextModel(own_bert, device="cpu").encode(["soap"])


def test_the_prompt_of_a_model_stands_before_every_text(own_bert):
    plain = HuggingFaceTextModel(own_bert, device="cpu").encode(["for comb"])
    tiny.add_layers(own_bert, "Pooling")
    tiny.add_settings(own_bert / "1_Pooling", pooling_mode="mean")
    prompts = {"default_prompt_name": "query", "prompts": {"query": "for "}}
    (own_bert / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    found = HuggingFaceTextModel(own_bert, device="cpu").encode(["comb", ""])
    np.testing.assert_allclose(found[:1], plain, atol=1e-6)
    assert not found[1].any()


def test_a_layer_or_pooling_that_is_not_known_is_refused(own_bert):
    tiny.add_layers(own_bert, "Pooling", "WeightedLayerPooling")
    tiny.add_settings(own_bert / "1_Pooling", pooling_mode="mean")
    with pytest.raises(ConfigError, match=r"models\.WeightedLayerPooling, which is not known"):
        open_text_model(str(own_bert))
    tiny.add_layers(own_bert, "Pooling")
    tiny.add_settings(own_bert / "1_Pooling", pooling_mode="median")
    with pytest.raises(ConfigError, match="asks for the pooling median"):
        open_text_model(str(own_bert))
    (own_bert / "modules.json").write_text("[{")
    with pytest.raises(CorruptBundleError, match=r"modules\.json is no JSON"):
        open_text_model(str(own_bert))


def test_gradients_flow_through_the_pooled_vectors(made):
    model = HuggingFaceTextModel(made / "bert", device="cpu")
    tokens = model.tokenize(TEXTS)
    rows = torch.tensor([3, 0, 3])
    found = model.pooled(tokens, rows)
    np.testing.assert_allclose(found.detach().numpy(), model.encode(TEXTS)[[3, 0, 3]], atol=1e-5)
    found.sum().backward()
    assert model.module.embeddings.word_embeddings.weight.grad.any()
    assert model.pooled(tokens).shape == (5, 12)


def test_another_module_can_stand_in_for_the_models_own(made):
    model = HuggingFaceTextModel(made / "bert", device="cpu")
    other = HuggingFaceTextModel(made / "bert", device="cpu").module
    with torch.no_grad():
        other.embeddings.word_embeddings.weight *= -1
    tokens = model.tokenize(["soap"])
    assert not torch.allclose(model.pooled(tokens, module=other), model.pooled(tokens))


def test_encoding_leaves_a_training_module_in_training(made):
    model = HuggingFaceTextModel(made / "bert", device="cpu")
    model.module.train()
    first = model.encode(TEXTS)
    assert model.module.training
    np.testing.assert_array_equal(first, model.encode(TEXTS))  # without dropout


def test_texts_are_cut_at_what_is_asked_and_at_what_the_model_can_read(bert):
    lengths = bert.tokenize(["soap " * 50, "soap", ""], max_tokens=7).lengths
    assert lengths.tolist() == [7, 3, 0]
    assert bert.tokenize(["soap " * 50]).lengths.tolist() == [20]


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_empty_texts_are_zeros_and_odd_ones_are_read(kind, request):
    model = request.getfixturevalue(kind)
    texts = ["", " \n\t ", "so\x00ap \ud800 \ufeff", "soap 中文 мыло 🧼", "comb " * 20_000]
    found = model.encode(texts)
    assert not found[:2].any()
    assert np.isfinite(found).all()
    assert found[2:].any(1).all()
    assert model.encode([]).shape == (0, model.width)


def test_the_fingerprint_follows_weights_tokens_and_pooling(own_bert, bert):
    assert HuggingFaceTextModel(own_bert).fingerprint == bert.fingerprint
    settings = json.loads((own_bert / "config.json").read_text())
    settings["transformers_version"] = "0.0"
    (own_bert / "config.json").write_text(json.dumps(settings))
    assert HuggingFaceTextModel(own_bert).fingerprint == bert.fingerprint
    seen = {bert.fingerprint, HuggingFaceTextModel(own_bert, pooling=Pooling(("max",))).fingerprint}
    weights = load_file(own_bert / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][5, 3] += 1
    save_file(weights, own_bert / "model.safetensors", {"format": "pt"})
    seen.add(HuggingFaceTextModel(own_bert).fingerprint)
    tokens = (own_bert / "tokenizer.json").read_text()
    (own_bert / "tokenizer.json").write_text(tokens.replace("lavender", "levander"))
    seen.add(HuggingFaceTextModel(own_bert).fingerprint)
    assert len(seen) == 4


def test_a_cut_weight_file_is_refused_before_anything_is_loaded(own_bert):
    file = own_bert / "model.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[:-10], whole[:100], whole[:3], b"\xff" * len(whole)):
        file.write_bytes(damaged)
        with pytest.raises(CorruptBundleError, match=r"model\.safetensors are cut or damaged"):
            open_text_model(str(own_bert))
    (own_bert / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "part.safetensors"}}'
    )
    with pytest.raises(CorruptBundleError, match=r"part\.safetensors is missing"):
        open_text_model(str(own_bert))


def test_weights_of_another_model_are_refused_not_filled_with_noise(own_bert):
    save_file({"other.weight": torch.ones(2)}, own_bert / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        CorruptBundleError, match=r"are not those of its config\.json: \d+ are miss"
    ):
        open_text_model(str(own_bert)).encode(["soap"])


def test_a_folder_with_pickled_weights_alone_is_refused_with_how_to_convert(own_bert):
    (own_bert / "model.safetensors").rename(own_bert / "pytorch_model.bin")
    with pytest.raises(
        InputError, match=r"holds pytorch_model\.bin, which can carry code"
    ) as caught:
        open_text_model(str(own_bert))
    assert "save_pretrained" in caught.value.hint


def test_code_of_others_is_never_run(own_bert):
    settings = json.loads((own_bert / "config.json").read_text())
    settings |= {"model_type": "mine", "auto_map": {"AutoConfig": "a.A", "AutoModel": "a.B"}}
    (own_bert / "config.json").write_text(json.dumps(settings))
    (own_bert / "a.py").write_text("raise SystemExit('never run')")
    with pytest.raises(ConfigError, match="cannot be loaded: it needs code of its own"):
        open_text_model(str(own_bert)).encode(["soap"])


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(InputError, match=r"must hold a text model \(config\.json"):
        open_text_model(str(tmp_path))
    with pytest.raises(MissingFileError, match="nothing is there"):
        open_text_model(str(tmp_path / "nowhere"))


def test_a_device_that_is_not_there_is_named(made):
    with pytest.raises(
        EnvironmentFault, match="device cuda:99 was asked for, but this machine has"
    ):
        open_text_model(str(made / "bert"), device="cuda:99")


def test_without_transformers_the_extra_is_named(made, monkeypatch):
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match="needs transformers, which is not installed"
    ) as caught:
        open_text_model(str(made / "bert"))
    assert "pip install 'penchant[text]'" in caught.value.hint
    assert open_text_model("auto").name == "hashing"


def test_nothing_is_said_and_no_setting_changed(made, capfd):
    from transformers.utils import logging as talk

    before = (talk.get_verbosity(), talk.is_progress_bar_enabled(), logging.root.level)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        HuggingFaceTextModel(made / "llama", device="cpu").encode(["soap"])
        assert warnings.filters == filters
    assert (talk.get_verbosity(), talk.is_progress_bar_enabled(), logging.root.level) == before
    assert caught == []
    assert capfd.readouterr() == ("", "")


def test_known_vectors_come_back_without_the_model_being_loaded(made, tmp_path):
    from penchant.texts import VectorCache

    kept = VectorCache(tmp_path / "kept.sqlite")
    first = encode_texts(TEXTS, HuggingFaceTextModel(made / "bert", device="cpu"), cache=kept)
    model = HuggingFaceTextModel(made / "bert", device="cpu")
    again = encode_texts([*TEXTS, ""], model, cache=kept)
    assert (again.num_encoded, again.num_cached) == (0, 5)
    assert "module" not in vars(model)
    np.testing.assert_array_equal(first.vectors, again.vectors[:5])


def test_importing_the_room_does_not_import_torch():
    code = "import sys, penchant.texts as t; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model_type": "llama"}, True),
        ({"model_type": "t5"}, False),
        ({"architectures": ["BertLMHeadModel"], "model_type": "bert"}, True),
        ({"architectures": ["XForMaskedLM"], "model_type": "gpt2"}, False),
    ],
)
def test_what_reads_from_left_to_right_is_told_by_the_settings(settings, expected):
    assert is_decoder(settings) is expected
