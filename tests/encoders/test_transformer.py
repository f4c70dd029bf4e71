"""Transformers: against attention written out over every pair, and with faults planted."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
import torch
from torch import Tensor

from penchant.encoders import TransformerEncoder, encoders
from penchant.encoders.plain import plain_operations
from penchant.encoders.self_attention import Places, Position, SoftmaxAttention, turned
from penchant.encoders.transformer import BlockKind
from penchant.errors import ConfigError
from penchant.packed import PackedVectors, offsets_of
from penchant.testing import LawBroken, check_encoder

WIDTH = 8
FORMS = list(product(get_args(BlockKind), get_args(Position)))


def build(**settings) -> TransformerEncoder:
    torch.manual_seed(4)
    encoder = encoders.build("transformer", {"window": 6, **settings}, width=WIDTH).double().eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return encoder


def events_of(lengths: list[int]) -> PackedVectors:
    draw = torch.Generator().manual_seed(7)
    size = sum(lengths)
    x = torch.randn(size, WIDTH, generator=draw, dtype=torch.float64)
    gaps = torch.randint(-1, 50_000, (size,), generator=draw)
    return PackedVectors(x, gaps, torch.zeros(size).bool(), offsets_of(torch.tensor(lengths)))


@pytest.mark.parametrize(("block", "position"), FORMS)
def test_every_form_obeys_the_laws_when_histories_exceed_its_reach(
    block: BlockKind, position: Position
) -> None:
    for window, num_layers in ((5, 2), (20, 1), (2, 3)):
        check_encoder(
            build(block=block, position=position, window=window, num_layers=num_layers), WIDTH
        )


@pytest.mark.parametrize("block", get_args(BlockKind))
def test_float32_obeys_the_laws_within_the_stated_tolerance(block: BlockKind) -> None:
    check_encoder(build(block=block, position="bias_and_time").float(), WIDTH)


@pytest.mark.parametrize("lengths", [[3, 0, 41, 1, 3], [6, 6], [7, 5]])
def test_a_layer_equals_attention_written_out_over_every_pair(lengths: list[int]) -> None:
    """x + W softmax(q k / sqrt(V)) v over the six newest events, then the feed-forward network."""
    encoder = build(num_layers=1)
    [layer] = encoder.layers
    events = events_of(lengths)
    expected = []
    for user in range(len(lengths)):
        x = events.x[events.offsets[user] : events.offsets[user + 1]] * WIDTH**0.5
        normed = layer.norm(x)
        both = layer.attention.query_key(normed).view(len(x), 2, 2, 4)
        value = layer.attention.value(normed).view(len(x), 2, 4)
        seen = torch.zeros_like(value)
        for i, head in product(range(len(x)), range(2)):
            first = max(i - 5, 0)
            scores = torch.stack(
                [rotary_dot(both[i, 0, head], both[j, 1, head], i - j) for j in range(first, i + 1)]
            )
            seen[i, head] = (scores * 4**-0.5).softmax(0) @ value[first : i + 1, head]
        x = x + layer.leave(seen.flatten(1))
        expected.append(encoder.norm(x + layer.feed(x)))
    torch.testing.assert_close(encoder.encode(events), torch.cat(expected), rtol=1e-9, atol=1e-9)


def rotary_dot(query: Tensor, key: Tensor, distance: int) -> Tensor:
    """Rotate only the query, by the distance: pairs (0, 1) by 1 and (2, 3) by 1/100 a step."""
    total = torch.zeros((), dtype=query.dtype)
    for pair, speed in enumerate((1.0, 10_000.0**-0.5)):
        angle = torch.tensor(distance * speed, dtype=query.dtype)
        a, b = query[2 * pair], query[2 * pair + 1]
        total = total + (a * angle.cos() - b * angle.sin()) * key[2 * pair]
        total = total + (a * angle.sin() + b * angle.cos()) * key[2 * pair + 1]
    return total


@pytest.mark.parametrize("lengths", [[3, 0, 41, 1, 3], [5, 5, 2], [1]])
def test_the_fused_kernel_and_plain_operations_agree_with_their_gradients(
    lengths: list[int],
) -> None:
    encoder, events = build(), events_of(lengths)
    x = events.x.requires_grad_()
    weight = torch.randn_like(x)

    def outcome() -> tuple[Tensor, ...]:
        hidden = encoder.encode(events)
        return hidden, *torch.autograd.grad((hidden * weight).sum(), [x, *encoder.parameters()])

    fused = outcome()
    with plain_operations():
        plain = outcome()
    for left, right in zip(fused, plain, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


def test_plain_operations_can_be_differentiated_twice() -> None:
    encoder, events = build(window=3), events_of([5, 2])
    x = events.x.requires_grad_()
    with plain_operations():
        [once] = torch.autograd.grad(encoder.encode(events).square().sum(), x, create_graph=True)
        [twice] = torch.autograd.grad(once.square().sum(), x)
    assert twice.isfinite().all()
    assert twice.abs().max() > 0


def test_times_count_only_where_they_are_asked_for() -> None:
    events = events_of([9, 4])
    other = PackedVectors(events.x, events.elapsed_ms * 3, events.is_first, events.offsets)
    for position, counts in (("rotary", False), ("bias_and_time", True)):
        encoder = build(position=position)
        assert torch.equal(encoder.encode(events), encoder.encode(other)) is not counts


def test_a_time_longer_than_any_in_training_is_read_as_the_longest() -> None:
    encoder, events = build(position="bias_and_time"), events_of([9])
    hour, year = 3_600_000, 365 * 86_400_000
    longest = PackedVectors(events.x, events.elapsed_ms * 0, events.is_first, events.offsets)
    longest.elapsed_ms[5] = 2 * hour
    longer = PackedVectors(events.x, longest.elapsed_ms.clone(), events.is_first, events.offsets)
    longer.elapsed_ms[5] = year
    assert not torch.equal(encoder.encode(longest), encoder.encode(longer))
    for layer in encoder.layers:
        layer.attention.bias.fit_range(torch.tensor([70, 2 * hour, 5]))
    assert torch.equal(encoder.encode(longest), encoder.encode(longer))


def test_the_reach_is_what_the_layers_see_through_each_other() -> None:
    encoder, events = build(num_layers=3, window=4), events_of([30])
    assert encoder.reach == 3 * (4 - 1) + 1
    x = events.x.requires_grad_()
    [grad] = torch.autograd.grad(encoder.encode(events)[25].sum().sin(), x)
    touched = grad.abs().amax(1).nonzero().squeeze(1).tolist()
    assert touched == list(range(25 - encoder.reach + 1, 26))


class ShortSighted(TransformerEncoder):
    """Declares a reach that is one too short: it looks one event beyond its window."""

    @property
    def reach(self) -> int:
        return super().reach - 1


class AbsoluteAttention(SoftmaxAttention):
    """Turns the values as well, so that the place since the start shows."""

    def attend(self, query_key: Tensor, value: Tensor, places: Places) -> Tensor:
        assert places.turns is not None
        heads = value.unflatten(1, (self.num_heads, -1))
        return super().attend(query_key, turned(heads, places.turns).flatten(1), places)


def test_looking_one_event_beyond_the_window_is_caught() -> None:
    encoder = ShortSighted(WIDTH, window=5).double()
    with pytest.raises(LawBroken, match="step at row"):
        check_encoder(encoder, WIDTH)


def test_absolute_positions_are_caught() -> None:
    encoder = build(window=5)
    for layer in encoder.layers:
        faulty = AbsoluteAttention(WIDTH, 2, 5, "rotary").double()
        faulty.load_state_dict(layer.attention.state_dict())
        layer.attention = faulty
    with pytest.raises(LawBroken, match="step at row"):
        check_encoder(encoder, WIDTH)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 3}, "width must be a multiple of num_heads but 8 is none of 3"),
        ({"num_heads": 8}, "Rotary positions need heads of even width but 8 / 8 is 1"),
        ({"window": 1}, "window must be 2 or more but is 1"),
        ({"block": "plane"}, 'encoder.block has no value "plane".*mean plain'),
        ({"position": "byas"}, 'encoder.position has no value "byas".*mean bias'),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoders.build("transformer", settings, width=WIDTH)
