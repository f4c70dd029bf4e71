"""A language model in training reads what is asked for, once, and gets gradients from all uses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from penchant.adapters import trained_parameters
from penchant.errors import ConfigError, EnvironmentFault, InputError
from penchant.items import (
    ItemContent,
    MixtureItems,
    TextReader,
    TextReading,
    TextTable,
    TunedText,
    trained_on_top,
)
from penchant.items.text import TextSource
from penchant.testing import check_items
from penchant.texts import open_text_model
from penchant.texts.huggingface import HuggingFaceTextModel

from ..readers import small_reader

TEXTS = ["green soap", "steel comb for hair", "", "lavender oil", "a brush", "green soap and oil"]
COUNTS = torch.tensor([5, 2, 1, 0, 1, 3])


def table(folder: str, adapt: str = "lora", checkpointing: bool = False) -> TextTable:
    model = HuggingFaceTextModel(folder, device="cpu")
    found = TextTable.fit(torch.from_numpy(model.encode(TEXTS)), COUNTS > 0, "pca", 5)
    reading = TextReading(model.tokenize(TEXTS), adapt, 2, checkpointing)
    return TextTable(found.vectors, found.mean, found.turn, folder, model.fingerprint, reading)


def tuned(kind: str = "bert", **how) -> TunedText:
    torch.manual_seed(4)
    return TunedText(table(small_reader(kind), **how), 3)


def moved(text: TunedText) -> TunedText:
    """Give what is trained other numbers, so that additions are none of zeros."""
    torch.manual_seed(8)
    with torch.no_grad():
        for weight in text.reader.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.3)
    return text


def gradients(text: TunedText) -> dict[str, Tensor]:
    found = {name: weight.grad for name, weight in text.reader.named_parameters()}
    return {name: gradient for name, gradient in found.items() if gradient is not None}


@pytest.fixture
def read(monkeypatch) -> list[int]:
    """The texts that a language model in training has read."""
    seen: list[int] = []
    pooled = HuggingFaceTextModel.pooled

    def counting(self, tokens, rows=None, module=None):
        seen.extend([] if module is None else rows.tolist())
        return pooled(self, tokens, rows, module)

    monkeypatch.setattr(HuggingFaceTextModel, "pooled", counting)
    return seen


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_before_the_first_step_vectors_are_those_of_the_frozen_model(kind):
    text = tuned(kind)
    torch.manual_seed(4)
    frozen = TextSource(table(small_reader(kind)), 3)
    index = torch.tensor([4, 0, 4, 2])
    torch.testing.assert_close(text(index), frozen(index), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(text.eval()(None), frozen(None), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_gradients_reach_the_additions_and_not_the_base(kind):
    text = moved(tuned(kind))
    text(torch.tensor([1, 3, 5])).square().sum().backward()
    found = gradients(text)
    trained = {name for name, weight in text.reader.named_parameters() if weight.requires_grad}
    assert found.keys() == trained
    assert all("lora_" in name for name in trained)
    assert all(gradient.any() for gradient in found.values())


def test_additions_are_counted_by_hand():
    # Rank 2 beside queries and values, 12 by 12 each, of two layers.
    assert trained_parameters(tuned().reader) == 2 * 2 * (2 * 12 + 2 * 12)


def test_all_of_a_model_can_be_trained():
    text = tuned(adapt="full")
    text(torch.tensor([0, 1])).square().sum().backward()
    unread = {name for name in dict(text.reader.named_parameters()) if "token_type" in name}
    assert gradients(text).keys() | unread == dict(text.reader.named_parameters()).keys()
    assert not any("pooler" in name for name in text.reader.state_dict())
    assert "base_fingerprint" not in text.reader.state_dict()


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("sources", [("text",), ("identity", "text")])
def test_the_table_and_single_items_agree(kind, sources):
    torch.manual_seed(4)
    content = ItemContent(COUNTS, table(small_reader(kind)))
    items = MixtureItems(3, content, sources).double()
    assert items.is_costly
    moved(items.tuned)
    check_items(items)


def test_the_catalogue_is_read_once_until_a_weight_changes(read):
    text = tuned().eval()
    with torch.inference_mode():
        first = text(None)
        assert sorted(read) == [0, 1, 3, 4, 5]  # nothing stands in the text of item 2
        assert torch.equal(text(None), first)
        assert torch.equal(text(torch.tensor([5, 1])), first[[5, 1]])
    assert len(read) == 5
    moved(text)
    with torch.inference_mode():
        assert not torch.allclose(text(None), first)
    assert len(read) == 10
    state = {name: weight.clone() for name, weight in text.state_dict().items()}
    text.load_state_dict(state)
    text(None)
    assert len(read) == 15


def test_what_was_kept_outside_training_can_be_differentiated_through():
    text = tuned().eval()
    with torch.inference_mode():
        text(None)
    text(None).sum().backward()
    assert text.head[-1].weight.grad.any()
    assert not gradients(text), "all rows come without gradients outside training"


def test_all_rows_have_gradients_in_training():
    text = moved(tuned()).train()
    text(None).square().sum().backward()
    assert len(gradients(text)) == 2 * 2 * 2


def test_each_text_is_read_once_within_a_step(read):
    text = moved(tuned()).train()
    with text.reading_once():
        both = text(torch.tensor([0, 1, 0])).sum() + 2 * text(torch.tensor([1, 4, 2])).sum()
        assert sorted(read) == [0, 1, 4]
    both.backward()
    shared = gradients(text)
    text.zero_grad()
    (text(torch.tensor([0, 1, 0])).sum() + 2 * text(torch.tensor([1, 4, 2])).sum()).backward()
    assert len(read) == 3 + 2 + 2
    for name, gradient in gradients(text).items():
        torch.testing.assert_close(shared[name], gradient, atol=1e-5, rtol=1e-4)


def test_what_was_made_in_a_step_is_let_go_with_it(read):
    text = tuned()
    for _ in range(2):
        with text.reading_once():
            text(torch.tensor([3])).sum().backward()
    assert read == [3, 3]


def test_reading_again_for_gradients_gives_the_same_ones(read):
    found = []
    for checkpointing in (False, True):
        text = moved(tuned(checkpointing=checkpointing)).train()
        text(torch.tensor([1, 5, 3])).square().sum().backward()
        found.append(gradients(text))
    assert sorted(read) == sorted([1, 5, 3] * 3), "each of them twice where it is not held"
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)


def test_training_has_no_dropout_within_the_language_model():
    text = tuned().train()
    assert text.training
    assert not any(part.training for part in text.reader.modules())
    index = torch.tensor([1, 3])
    assert torch.equal(text(index), text(index))


def test_an_item_without_text_stays_at_zero():
    text = moved(tuned())
    assert text(torch.tensor([2])).tolist() == [[0, 0, 0]]
    assert text.known.tolist() == [True, True, False, True, True, True]


def test_fixed_vectors_are_those_of_the_trained_model():
    torch.manual_seed(4)
    items = MixtureItems(3, ItemContent(COUNTS, table(small_reader())), ("identity", "text")).eval()
    moved(items.tuned)
    before = items.table().detach()
    weights = items.fix_texts()
    assert not items.is_costly
    assert torch.equal(items.table(), before)
    assert {name for name in weights if "lora_" not in name} == {"base_fingerprint"}
    assert items.fix_texts() == {}


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_trained_weights_go_on_top_of_the_same_model_again(kind):
    text = moved(tuned(kind)).eval()
    folder = small_reader(kind)
    plain = open_text_model(folder).fingerprint
    model = trained_on_top(open_text_model(folder), "lora", 2, text.reader.state_dict())
    assert model.fingerprint.startswith(f"{plain}+")
    given = torch.from_numpy(model.encode(TEXTS))
    vectors, known = text.later(given)
    torch.testing.assert_close(vectors, text(None), atol=1e-5, rtol=1e-4)
    assert known.tolist() == text.known.tolist()


def test_trained_weights_of_another_form_or_base_are_refused(tmp_path):
    weights = tuned().reader.state_dict()
    with pytest.raises(ConfigError, match=r"of the form that text\.adaptation and text\.lora_rank"):
        trained_on_top(open_text_model(small_reader()), "lora", 3, weights)
    other = other_bert(tmp_path)
    with pytest.raises(InputError, match="must be loaded on top of the weights"):
        trained_on_top(open_text_model(str(other)), "lora", 2, weights)


def test_another_model_under_the_name_of_the_table_is_refused(tmp_path):
    folder = Path(shutil.copytree(small_reader(), tmp_path / "model"))
    read = table(str(folder))
    shutil.rmtree(folder)
    other_bert(tmp_path).rename(folder)
    with pytest.raises(EnvironmentFault, match=r"read by the language model .* with fingerprint"):
        TunedText(read, 3)


def test_a_model_of_another_kind_cannot_be_trained():
    with pytest.raises(ConfigError, match='Hugging Face kind, but "hashing" is none'):
        TextReader(open_text_model("hashing"), "lora", 2)


def other_bert(tmp_path: Path) -> Path:
    """Return a folder of the same model with one other number."""
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(small_reader(), tmp_path / "other"))
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][7, 3] += 0.5
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder
