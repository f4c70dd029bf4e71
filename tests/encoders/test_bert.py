"""The masked-item encoder: against attention written out, its settings, and a planted fault."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from penchant.encoders import BertEncoder, encoders
from penchant.encoders.plain import plain_operations
from penchant.errors import ConfigError
from penchant.packed import PackedVectors, offsets_of
from penchant.testing import LawBroken, check_encoder

WIDTH = 8


def build(kind: type[BertEncoder] = BertEncoder, **settings) -> BertEncoder:
    torch.manual_seed(4)
    encoder = kind(WIDTH, **{"window": 5, **settings}).double().eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return encoder


def events_of(lengths: list[int]) -> PackedVectors:
    draw = torch.Generator().manual_seed(7)
    size = sum(lengths)
    x = torch.randn(size, WIDTH, generator=draw, dtype=torch.float64)
    zeros = torch.zeros(size, dtype=torch.int64)
    return PackedVectors(x, zeros, zeros.bool(), offsets_of(torch.tensor(lengths)))


def written_out(encoder: BertEncoder, x: Tensor) -> Tensor:
    """Return (T, D) what the layers make of rows that all see each other, one pair at a time."""
    x = x * WIDTH**0.5
    for layer in encoder.layers:
        normed = layer.norm(x)
        query, key = layer.attention.query_key(normed).view(len(x), 2, 2, 4).unbind(1)
        value = layer.attention.value(normed).view(len(x), 2, 4)
        place = torch.arange(len(x), dtype=x.dtype)
        turns = [torch.polar(torch.ones_like(place), place * speed) for speed in (1.0, 0.01)]
        turn = torch.stack(turns, dim=1).unsqueeze(1)  # (T, 1, V / 2)
        pairs = [torch.view_as_complex(side.reshape(-1, 2, 2, 2)) * turn for side in (query, key)]
        scores = torch.einsum("thv,shv->hts", pairs[0], pairs[1].conj()).real * 4**-0.5
        seen = torch.einsum("hts,shv->thv", scores.softmax(-1), value).flatten(1)
        x = x + layer.leave(seen)
        x = x + layer.feed(x)
    return encoder.norm(x)


def test_each_vector_is_made_of_an_unknown_event_behind_the_newest_five() -> None:
    encoder, events = build(), events_of([7, 0, 2])
    hidden = encoder.encode(events)
    for row, first, last in ((0, 0, 1), (3, 0, 4), (6, 2, 7), (8, 7, 9)):
        seen = torch.cat([events.x[first:last], encoder.unknown[None]])
        wanted = written_out(encoder, seen)[-1]
        torch.testing.assert_close(hidden[row], wanted, rtol=1e-9, atol=1e-9)


def test_a_hidden_event_is_filled_in_from_both_sides() -> None:
    encoder, events = build(window=9), events_of([4, 3])
    is_hidden = torch.tensor([False, False, True, False, False, True, False])
    filled = encoder.fill(events, is_hidden)
    for rows, hidden, end in (((0, 4), 2, 4), ((4, 7), 1, 3)):
        seen = torch.cat([events.x[slice(*rows)], encoder.unknown[None]])
        seen[hidden] = encoder.unknown
        made = written_out(encoder, seen)
        torch.testing.assert_close(filled[rows[0] + hidden - 1], made[hidden], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(filled[rows[1] - 1], made[end], rtol=1e-9, atol=1e-9)
    assert filled[[0, 2, 5]].abs().max() == 0


def test_vectors_made_a_few_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, events = build(), events_of([7, 0, 2, 11])
    whole = encoder.encode(events)
    monkeypatch.setattr("penchant.encoders.bert.ROWS_AT_ONCE", 13)
    torch.testing.assert_close(encoder.encode(events), whole, rtol=1e-9, atol=1e-9)


def test_the_fused_kernel_and_plain_operations_agree() -> None:
    encoder, events = build(), events_of([7, 0, 2])
    fused = encoder.encode(events)
    with plain_operations():
        torch.testing.assert_close(encoder.encode(events), fused, rtol=1e-9, atol=1e-9)


class FillingEncoder(BertEncoder):
    """Serves what it makes in training: events that stand in the midst of those after them."""

    def encode(self, events: PackedVectors, asked: Tensor | None = None) -> Tensor:
        is_hidden = torch.zeros(events.num_events, dtype=torch.bool)
        is_hidden[1::2] = True
        return self.fill(events, is_hidden)


def test_serving_what_sees_both_sides_is_caught() -> None:
    with pytest.raises(LawBroken):
        check_encoder(build(FillingEncoder), WIDTH)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_rate": 1.0}, r"mask_rate must lie in 0\.\.1 .* they are 1\.0 and 200"),
        ({"window": 0}, r"window be 1 or more, but they are 0\.2 and 0"),
        ({"num_heads": 3}, "width must be a multiple of num_heads but 8 is none of 3"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoders.build("bert", settings, width=WIDTH)
