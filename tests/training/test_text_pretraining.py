"""A language model that goes on learning tells histories better, and stays a plain folder."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from penchant.errors import ConfigError, InputError, OutputExistsError
from penchant.events import LogArrays
from penchant.texts import open_text_model
from penchant.training.history_texts import HistoryRows, Marks, history_rows
from penchant.training.pretrained_folder import adapt_text
from penchant.training.text_pretraining import PretrainingSettings, of_hugging_face
from penchant.training.word_tasks import HiddenWords, NextWord

from .words import COLOURS, GARDEN, word_data

pytest.importorskip("transformers")
pytest.importorskip("peft")

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (*COLOURS, *GARDEN, ";")
QUICK = {
    "num_steps": 60, "batch_rows": 8, "max_tokens": 16, "lora_rank": 4, "learning_rate": 0.02,
    "warmup_steps": 5, "head_steps": 10, "held_out_users": 9, "num_threads": 1, "device": "cpu",
    "template": "{title}",
}  # fmt: skip


def quick(**changes) -> PretrainingSettings:
    return PretrainingSettings.model_validate({**QUICK, **changes})


def save_tokenizer(folder, *, for_decoder: bool) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate([*MARKS, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad", "unk", "cls", "sep", "mask")
    marks = {f"{name}_token": mark for name, mark in zip(names, MARKS, strict=True)}
    if for_decoder:
        marks["bos_token"] = marks.pop("cls_token")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """An encoder without a head over words, pooled by its first token."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(MARKS) + len(WORDS), hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=24,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder, for_decoder=False)
    layers = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    kinds = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(layers)
    ]
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "1_Pooling").mkdir()
    settings = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    return folder


def save_decoder(folder):
    """Save a decoder, bfloat16."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(MARKS) + len(WORDS), hidden_size=16, intermediate_size=24,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    save_tokenizer(folder, for_decoder=True)
    return folder


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return save_decoder(tmp_path_factory.mktemp("decoder"))


def rows_of(found: HistoryRows) -> list[list[int]]:
    pairs = zip(found.rows.offsets[:-1].tolist(), found.rows.offsets[1:].tolist(), strict=True)
    return [found.rows.ids[begin:end].tolist() for begin, end in pairs]


def log_of(*histories: list[int]) -> LogArrays:
    item = np.array([item for history in histories for item in history])
    offsets = np.cumsum([0, *map(len, histories)])
    return LogArrays(item, item, item, item, np.zeros_like(item), offsets)


def test_long_histories_become_several_rows_of_one_user():
    texts = [[10], [11, 12], [], [13, 14, 15]]
    found = HistoryRows.of(log_of([1, 2, 3], [], [2], [0]), texts, Marks((1,), (2,), (3,)), 5)
    assert rows_of(found) == [[1, 11, 12, 2, 3], [1, 13, 14, 15, 3], [1, 10, 3]]
    assert found.user.tolist() == [0, 0, 3]


def test_users_are_held_out_whole():
    histories = [[place % 3] * (1 + place % 5) for place in range(20)]
    found = HistoryRows.of(log_of(*histories), [[7], [8, 8], [9]], Marks(), 2)
    train, held = found.parted(4, seed=1)
    assert sorted([*train, *held]) == list(range(len(found.user)))
    assert len(np.unique(found.user[held])) == 4
    assert not set(found.user[train]) & set(found.user[held])
    assert (found.parted(4, seed=1)[1] == held).all()
    assert len(np.unique(found.user[found.parted(99, seed=1)[1]])) == 10


def test_a_decoder_reads_titles_on_lines_of_their_own(decoder):
    base = of_hugging_face(open_text_model(str(decoder)))
    data = word_data()
    [first, *_] = rows_of(history_rows(data, base, "{title}", 16, is_causal=True))
    item = data.log.train.item_index[:2]
    titles = [data.item_table["title"][int(index)] for index in item]
    ids = [base.tokenizer(title, add_special_tokens=False)["input_ids"] for title in titles]
    assert first[: 1 + len(ids[0]) + len(ids[1])] == [2, *ids[0], *ids[1]]


def test_an_encoder_reads_titles_between_the_marks_of_sentences(encoder):
    base = of_hugging_face(open_text_model(str(encoder)))
    found = rows_of(history_rows(word_data(), base, "{title}", 16, is_causal=False))
    assert all(row[0] == 2 and row[-1] == 3 and len(row) <= 16 for row in found)
    assert found[0][3] == 3


class Told(torch.nn.Module):
    """Gives the logits it was made with, whatever it is shown, and remembers that."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.shown = logits, []

    def forward(self, input_ids, attention_mask):
        self.shown.append(input_ids)
        return self


def test_every_word_but_the_first_is_asked_for_by_the_next_word():
    ids = torch.tensor([[2, 5, 7], [2, 6, 0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    logits = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(1))
    total, count = NextWord().loss(Told(logits), ids, mask)
    log_p = F.log_softmax(logits, dim=2)
    assert count == 3
    torch.testing.assert_close(total, -(log_p[0, 0, 5] + log_p[0, 1, 7] + log_p[1, 0, 6]))


def test_every_word_is_hidden_once_when_all_are_asked_for():
    ids = torch.tensor([[2, 5, 7, 6, 3], [2, 8, 3, 0, 0]])
    mask = ids > 0
    logits = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(1))
    module = Told(logits)
    total, count = HiddenWords(4, (0, 2, 3, 4), 9, 0.34).whole(module, ids, mask)
    log_p = F.log_softmax(logits, dim=2)
    assert count == 4
    words = [(0, 1, 5), (0, 2, 7), (0, 3, 6), (1, 1, 8)]
    torch.testing.assert_close(total, -sum(log_p[word] for word in words))
    hidden = sum((shown == 4).int() for shown in module.shown)
    assert hidden.tolist() == [[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]]


def test_some_hidden_words_stay_and_some_become_others():
    torch.manual_seed(0)
    ids = torch.full((40, 100), 7)
    module = Told(torch.zeros(40, 100, 1_000))
    _, count = HiddenWords(4, (2,), 1_000, 0.15).loss(module, ids, torch.ones_like(ids).bool())
    assert count / ids.numel() == pytest.approx(0.15, abs=0.02)
    [shown] = module.shown
    assert (shown == 4).sum().item() / count == pytest.approx(0.8, abs=0.05)
    assert ((shown != 4) & (shown != 7)).sum().item() / count == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize(("kind", "share"), [("encoder", 0.8), ("decoder", 0.96)])
def test_perplexity_falls_and_the_folder_is_read_like_any_other(kind, share, request, tmp_path):
    folder = request.getfixturevalue(kind)
    found, told = adapt_text(word_data(num_users=90), str(folder), tmp_path / "new", quick())
    before, after = told["perplexity"]["before"], told["perplexity"]["after"]
    assert after < share * before
    assert told["objective"] == ("masked" if kind == "encoder" else "causal")
    assert told["fresh_head"] is (kind == "encoder")
    assert (told["state"], told["num_steps"], told["num_held_out_users"]) == ("done", 60, 9)
    assert [step for step, _ in told["curve"]] == [10, 20, 30, 40, 50, 60]
    assert json.loads((tmp_path / "new" / "pretraining.json").read_text())["curve"][0][0] == 10
    old, new = open_text_model(str(folder)), open_text_model(str(tmp_path / "new"))
    assert new.pooling == old.pooling
    assert new.fingerprint != old.fingerprint
    texts = ["red rose", "black spade"]
    vectors = new.encode(texts)
    assert np.abs(vectors - old.encode(texts)).max() > 1e-3
    inner = found.module.base_model.eval()
    tokens = new.tokenize(texts)
    with torch.no_grad():
        kept = new.pooled(tokens, module=inner)
    np.testing.assert_allclose(vectors, kept.numpy(), atol=1e-5)


def test_an_encoder_that_has_learned_goes_on_with_its_head(encoder, tmp_path):
    data = word_data(num_users=90)
    adapt_text(data, str(encoder), tmp_path / "one", quick(num_steps=20))
    found, told = adapt_text(data, str(tmp_path / "one"), tmp_path / "two", quick(num_steps=1))
    first = json.loads((tmp_path / "one" / "pretraining.json").read_text())
    assert not found.fresh_head
    assert told["perplexity"]["before"] == pytest.approx(first["perplexity"]["after"], rel=1e-4)


def test_few_numbers_are_trained(decoder, tmp_path):
    found, _ = adapt_text(word_data(), str(decoder), tmp_path / "new", quick(num_steps=1))
    size = 2 * 2 * 4 * (16 + 16)  # layers, queries and values, rank, both sides
    assert found.num_trained == size
    assert 0 < found.trained_share < 0.2


def test_a_folder_that_stands_is_refused_and_replaced_on_request(decoder, tmp_path):
    adapt_text(word_data(), str(decoder), tmp_path / "new", quick(num_steps=1))
    with pytest.raises(OutputExistsError, match="exists already"):
        adapt_text(word_data(), str(decoder), tmp_path / "new", quick(num_steps=1))
    adapt_text(word_data(), str(decoder), tmp_path / "new", quick(num_steps=1), overwrite=True)


def test_what_was_learned_before_a_stop_is_kept(decoder, tmp_path):
    def stop(name, num_done, _):
        if (name, num_done) == ("learning", 7):
            os.kill(os.getpid(), signal.SIGINT)

    data = word_data()
    found, told = adapt_text(data, str(decoder), tmp_path / "new", quick(), progress=stop)
    assert not found.is_done
    assert (told["state"], told["num_steps"]) == ("interrupted", 7)
    assert told["perplexity"]["after"] is None
    vectors = [
        open_text_model(str(place)).encode(["red rose"]) for place in (decoder, tmp_path / "new")
    ]
    assert np.abs(vectors[0] - vectors[1]).max() > 0


def test_a_model_that_is_no_transformer_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='of the Hugging Face kind, but "hashing" is none'):
        adapt_text(word_data(), "hashing", tmp_path / "new", quick())


def test_an_encoder_without_a_token_that_hides_is_refused(encoder, tmp_path):
    base = of_hugging_face(open_text_model(str(encoder)))
    base.tokenizer.mask_token = None
    with pytest.raises(ConfigError, match="needs a token that hides others"):
        adapt_text(word_data(), base, tmp_path / "new", quick())


def test_items_without_titles_are_refused(decoder, tmp_path):
    with pytest.raises(ConfigError, match="title"):
        adapt_text(word_data(has_titles=False), str(decoder), tmp_path / "new", quick())


def test_one_user_is_too_few(decoder, tmp_path):
    with pytest.raises(InputError, match=r"of two users at least .* but 1 does"):
        adapt_text(word_data(num_users=1), str(decoder), tmp_path / "new", quick())
