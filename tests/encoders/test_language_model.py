"""A decoder over item vectors: laws, what is trained of it, what is read again, and bad folders."""

from __future__ import annotations

import copy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from penchant.adapters import bases, trained_parameters
from penchant.encoders import EventWindow, LanguageModelEncoder, encoders
from penchant.encoders.language_model import SteppingWindow
from penchant.encoders.plain import plain_operations
from penchant.encoders.prefixes import Prefixes
from penchant.encoders.stepping import first_seen, stepping_windows
from penchant.errors import (
    ConfigError,
    CorruptBundleError,
    InputError,
    MissingExtraError,
    MissingFileError,
)
from penchant.packed import PackedEvents, PackedVectors, offsets_of
from penchant.testing import LawBroken, check_encoder

from ..decoders import small_decoder

WIDTH = 8
KINDS = ("llama", "qwen3", "gpt2", "gpt_neox")
"""Rotary positions, and those of GPT-2, which are learned and counted from the start."""


def build(kind: str = "llama", **settings) -> LanguageModelEncoder:
    torch.manual_seed(4)
    chosen = {"model": small_decoder(kind), "window": 6, "adaptation": "full", **settings}
    return encoders.build("language_model", chosen, width=WIDTH).double().eval()


def events_of(lengths: list[int]) -> PackedVectors:
    draw = torch.Generator().manual_seed(7)
    size = sum(lengths)
    x = torch.randn(size, WIDTH, generator=draw, dtype=torch.float64)
    zeros = torch.zeros(size, dtype=torch.int64)
    return PackedVectors(x, zeros, zeros.bool(), offsets_of(torch.tensor(lengths)))


def part(events: PackedVectors, first: int, end: int) -> PackedVectors:
    zeros = torch.zeros(end - first, dtype=torch.int64)
    return PackedVectors(events.x[first:end], zeros, zeros.bool(), torch.tensor([0, end - first]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [2, 5, 20])
def test_decoders_of_every_family_obey_the_laws(kind: str, window: int) -> None:
    check_encoder(build(kind, window=window), WIDTH)


def test_float32_obeys_the_laws_within_the_stated_tolerance() -> None:
    check_encoder(build("gpt2").float(), WIDTH)


class OneTooMany(LanguageModelEncoder):
    """Forgets one event too few."""

    def initial_state(self, num_users: int) -> EventWindow:
        return EventWindow.empty(num_users, self.window - 1, self.enter.weight.device)


def test_a_window_that_slides_in_place_of_stepping_is_caught() -> None:
    encoder = OneTooMany(WIDTH, small_decoder(), window=6).double()
    with pytest.raises(LawBroken, match="step at row"):
        check_encoder(encoder, WIDTH)


def test_an_event_sees_the_events_since_its_window_began() -> None:
    """Of windows of six: events 0 to 5 in the first, then three at a time behind three."""
    encoder, events = build(), events_of([13])
    hidden = encoder.encode(events)
    for row, first in ((0, 0), (5, 0), (6, 3), (8, 3), (9, 6), (11, 6), (12, 9)):
        alone = encoder.encode(part(events, first, row + 1))[-1]
        torch.testing.assert_close(hidden[row], alone, rtol=1e-9, atol=1e-9)
    assert first_seen(torch.tensor([5, 6, 8, 9, 12]), 6).tolist() == [0, 3, 3, 6, 9]


def test_windows_are_made_only_where_something_is_asked_for() -> None:
    asked = torch.zeros(13 + 2, dtype=torch.bool)
    asked[[7, 14]] = True
    windows = stepping_windows(torch.tensor([0, 13, 15]), 6, asked)
    assert windows.source.tolist() == [3, 4, 5, 6, 7, 13, 14]
    assert windows.offsets.tolist() == [0, 5, 7]
    assert windows.rows.tolist() == [7, 14]
    assert windows.place.tolist() == [4, 6]


def test_the_decoder_is_the_one_of_transformers_between_two_projections() -> None:
    from transformers import AutoModel

    encoder, events = build(), events_of([5])
    whole = AutoModel.from_pretrained(small_decoder()).double().eval()
    made = whole(inputs_embeds=encoder.enter(events.x).unsqueeze(0)).last_hidden_state[0]
    wanted = encoder.norm(encoder.leave(made))
    torch.testing.assert_close(encoder.encode(events), wanted, rtol=1e-9, atol=1e-9)


def test_vectors_enter_at_the_size_of_words() -> None:
    encoder = build()
    words = 0.3  # as `small_decoder` draws them
    vector = torch.nn.functional.normalize(torch.randn(400, WIDTH, dtype=torch.float64))
    assert encoder.enter(vector).std().item() == pytest.approx(words, rel=0.3)


def test_the_first_layers_alone_are_those_of_the_whole() -> None:
    from transformers import AutoModel

    encoder, events = build(num_layers=2), events_of([5])
    assert encoder.decoder.num_layers == 2
    whole = AutoModel.from_pretrained(small_decoder()).double().eval()
    rows = encoder.enter(events.x).unsqueeze(0)
    # The third of four: words, after each of three layers. The last norm follows the second layer.
    second = whole(inputs_embeds=rows, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(encoder.decoder(rows), whole.norm(second), rtol=1e-9, atol=1e-9)


def test_from_scratch_is_the_same_form_with_other_weights() -> None:
    pretrained, scratch = build(), build(adaptation="scratch")
    both = [dict(encoder.named_parameters()) for encoder in (pretrained, scratch)]
    assert {name: weight.shape for name, weight in both[0].items()} == {
        name: weight.shape for name, weight in both[1].items()
    }
    name = "decoder.layers.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(both[0][name], both[1][name])
    assert trained_parameters(scratch) == sum(weight.numel() for weight in both[1].values())
    assert bases(scratch) == []


@pytest.mark.parametrize(
    ("adapt", "of_the_decoder"),
    # Rank 2 beside queries (16 × 16) and values (8 × 16) of three layers.
    [("frozen", 0), ("lora", 3 * (2 * (16 + 16) + 2 * (16 + 8)))],
)
def test_what_is_trained_can_be_counted(adapt: str, of_the_decoder: int) -> None:
    encoder = build(adaptation=adapt, lora_rank=2)
    projections = (8 * 16 + 16) + (16 * 8 + 8) + 2 * 8
    assert trained_parameters(encoder.decoder) == of_the_decoder
    assert trained_parameters(encoder) == of_the_decoder + projections


def test_additions_of_low_rank_start_at_nothing_and_learn() -> None:
    events = events_of([5, 3])
    frozen, lora = build(adaptation="frozen"), build(adaptation="lora", lora_rank=2)
    lora.load_state_dict(frozen.state_dict(), strict=False)
    torch.testing.assert_close(frozen.encode(events), lora.encode(events))
    lora.encode(events).square().sum().backward()
    moved = [name for name, weight in lora.named_parameters() if weight.grad is not None]
    assert sum("lora_B" in name for name in moved) == 2 * 3
    assert not any("base_layer" in name for name in moved)


def test_the_state_holds_no_weight_of_the_base_and_loads_onto_the_same() -> None:
    one, other = build(adaptation="lora"), build(adaptation="lora")
    events = events_of([9, 4])
    for weight in one.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.3)
    state = one.state_dict()
    assert not any("base_layer" in name or "mlp" in name for name in state)
    assert not torch.equal(one.encode(events), other.encode(events))
    other.load_state_dict(state)
    assert torch.equal(one.encode(events), other.encode(events))


def test_another_base_under_the_same_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "decoder"
    shutil.copytree(small_decoder(), folder)
    state = build(model=str(folder), adaptation="frozen").state_dict()
    shutil.rmtree(folder)
    shutil.copytree(small_decoder(seed=8), folder)
    with pytest.raises(InputError, match=r"on top of the weights that it was trained on"):
        build(model=str(folder), adaptation="frozen").load_state_dict(state)


class Counting:
    """Counts the rows that go through the layers of a decoder."""

    def __init__(self, encoder: LanguageModelEncoder) -> None:
        self.rows = 0
        encoder.decoder.layers.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _: object, __: object, given: dict[str, Tensor]) -> None:
        self.rows += given["inputs_embeds"].shape[0] * given["inputs_embeds"].shape[1]


def asked_for_last(num_events: int) -> Tensor:
    return torch.arange(num_events) == num_events - 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_passes_the_new_event_alone_and_gives_the_same(kind: str) -> None:
    """In windows of six: one by one to the sixth, then four at once, and on one by one."""
    encoder, events = build(kind), events_of([10])
    wanted = encoder.encode(events)
    counting, found = Counting(encoder), []
    with torch.inference_mode():
        for row in range(10):
            first = int(first_seen(torch.tensor(row), 6))
            shown = part(events, first, row + 1)
            before = counting.rows
            hidden = encoder.encode(shown, asked_for_last(shown.num_events))[-1]
            torch.testing.assert_close(hidden, wanted[row], rtol=1e-9, atol=1e-9)
            found.append(counting.rows - before)
    assert found == [1, 1, 1, 1, 1, 1, 4, 1, 1, 4]


def test_what_was_kept_is_not_taken_once_weights_or_vectors_have_changed() -> None:
    encoder, events = build(), events_of([4])
    counting = Counting(encoder)
    with torch.no_grad():
        for first_rows in (3, 4):
            encoder.encode(part(events, 0, first_rows), asked_for_last(first_rows))
        assert counting.rows == 3 + 1
        encoder.leave.weight.mul_(2)
        hidden = encoder.encode(events, asked_for_last(4))
        assert counting.rows == 3 + 1 + 4
        torch.testing.assert_close(hidden[-1], encoder.encode(events)[-1])
        events.x[0] += 1
        torch.testing.assert_close(
            encoder.encode(events, asked_for_last(4))[-1], encoder.encode(events)[-1]
        )


def test_a_copy_of_a_model_starts_with_nothing_kept() -> None:
    encoder = build()
    with torch.inference_mode():
        encoder.encode(events_of([3]), asked_for_last(3))
    assert len(encoder.prefixes) == 1
    assert len(copy.deepcopy(encoder).prefixes) == 0


def test_the_longest_unused_goes_when_the_cache_is_full() -> None:
    cache = Prefixes(most_bytes=2 * 2 * 4 * 5)  # keys and values of two windows of five numbers

    def layers(fill: float) -> list[tuple[Tensor, Tensor]]:
        return [(torch.full((1, 1, 5, 1), fill), torch.full((1, 1, 5, 1), -fill))]

    for key in ("a", "b"):
        cache.put(key, layers(1.0))
    assert cache.get("a") is not None
    cache.put("c", layers(2.0))
    assert [cache.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]
    cache.drop("a")
    assert cache.num_bytes == 2 * 4 * 5


def test_the_fused_kernel_and_plain_operations_agree_and_plain_ones_twice() -> None:
    encoder, events = build(), events_of([7, 0, 2])
    x = events.x.requires_grad_()
    fused = encoder.encode(events)
    with plain_operations():
        plain = encoder.encode(events)
        torch.testing.assert_close(plain, fused, rtol=1e-9, atol=1e-9)
        [once] = torch.autograd.grad(plain.square().sum(), x, create_graph=True)
        [twice] = torch.autograd.grad(once.square().sum(), x)
    assert twice.isfinite().all()
    assert twice.abs().max() > 0


def test_layers_computed_again_give_the_same_gradients() -> None:
    found = []
    for checkpointing in (False, True):
        encoder, events = build(checkpointing=checkpointing).train(), events_of([5, 9])
        encoder.encode(events).sin().sum().backward()
        found.append([weight.grad for weight in encoder.parameters()])
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right)


def test_the_memory_is_a_window_that_drops_its_older_half_when_it_is_full() -> None:
    """Of windows of four: at the fifth event the third is the oldest, at the seventh the fifth."""
    kept = SteppingWindow.empty(1, 3, torch.device("cpu"))
    found = []
    for item in range(8):
        event = PackedEvents.from_lists([[item]], times_ms=[[100 * item]])
        kept = kept.after(kept.show(event, torch.tensor([100 * item - 100])))
        found.append([each for each in kept.item_index[0].tolist() if each >= 0])
    assert found == [[0], [0, 1], [0, 1, 2], [2, 3], [2, 3, 4], [4, 5], [4, 5, 6], [6, 7]]
    assert kept.before_ms.tolist() == [500]


def test_a_model_is_built_without_memory_and_without_reading_weights(tmp_path: Path) -> None:
    shutil.copy(Path(small_decoder()) / "config.json", tmp_path)
    with torch.device("meta"):
        encoder = LanguageModelEncoder(WIDTH, str(tmp_path), lora_rank=2)
    assert all(weight.is_meta for weight in encoder.parameters())
    assert trained_parameters(encoder.decoder) == 3 * (2 * (16 + 16) + 2 * (16 + 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adaptation": "lorra"}, 'encoder.adaptation has no value "lorra".*mean lora'),
        ({"adaptation": "lora", "lora_rank": 0}, "encoder.lora_rank must be 1 or more but is 0"),
        ({"window": 1}, "encoder.window must be 2 or more but is 1"),
        ({"window": 65}, r"encoder.window must be at most 64, the places that .* but is 65"),
        ({"num_layers": 4}, r"encoder.num_layers must lie in 0..3, the layers of .* but is 4"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**settings)


def test_a_model_that_sees_what_comes_after_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(bert\) sees what comes after"):
        build("bert")


def test_a_wrong_name_is_told() -> None:
    with pytest.raises(MissingFileError, match=r'called "smolm2"\. Did you mean smollm2'):
        build(model="smolm2")
    with pytest.raises(MissingFileError, match="no/such/folder"):
        build(model="no/such/folder")
    with pytest.raises(ConfigError, match='must be a decoder but "hashing" is none'):
        build(model="hashing")


def test_weights_that_are_cut_are_told(tmp_path: Path) -> None:
    shutil.copytree(small_decoder(), tmp_path / "decoder")
    weights = tmp_path / "decoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CorruptBundleError, match=r"model\.safetensors are cut or damaged"):
        build(model=str(tmp_path / "decoder"))
    weights.unlink()
    with pytest.raises(InputError, match="must hold"):
        build(model=str(tmp_path / "decoder"))


def test_weights_that_are_too_few_are_told(tmp_path: Path) -> None:
    """Two layers more by config.json than the weights have, nine weights each."""
    shutil.copytree(small_decoder(), tmp_path / "decoder")
    config = tmp_path / "decoder" / "config.json"
    config.write_text(
        config.read_text().replace('"num_hidden_layers": 3', '"num_hidden_layers": 5')
    )
    with pytest.raises(InputError, match=r"must fit its config\.json but 18 do not, the first lay"):
        build(model=str(tmp_path / "decoder"))


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "parrot"}')
    with pytest.raises(InputError, match="must describe a model that transformers knows"):
        build(model=str(tmp_path))


def test_without_transformers_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_decoder()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penchant\[text\]'"):
        build(model=folder)
