"""The gated linear recurrence: block form against single steps, by hand and at its limits."""

from __future__ import annotations

import math

import pytest
import torch

from penchant.encoders import LinearEncoder
from penchant.encoders.gated_scan import (
    BLOCK_ROWS,
    BLOCKS_AT_ONCE,
    GatedRows,
    gated_scan,
    gated_step,
)
from penchant.packed import PackedVectors, offsets_of, owner_of
from penchant.testing import check_encoder


def drawn(num_rows: int, num_heads: int, key_width: int, value_width: int) -> GatedRows:
    draw = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, num_rows, num_heads, key_width, generator=draw).double()
    value = torch.randn(num_rows, num_heads, value_width, generator=draw).double()
    log_decay = -torch.rand(num_rows, num_heads, generator=draw).double() * 2
    return GatedRows(query, key, value, log_decay)


def by_steps(rows, lengths, state):
    """Fold every user alone, one row at a time."""
    outputs, after, start = [], [], 0
    for user, length in enumerate(lengths):
        memory = state[user : user + 1]
        for row in range(start, start + length):
            one = slice(row, row + 1)
            output, memory = gated_step(GatedRows(*(leaf[one] for leaf in rows)), memory)
            outputs.append(output)
        after.append(memory)
        start += length
    return torch.cat(outputs), torch.cat(after)


def test_two_rows_by_hand():
    query = torch.tensor([[[1.0]], [[3.0]]])
    key = torch.tensor([[[2.0]], [[5.0]]])
    value = torch.tensor([[[10.0]], [[1.0]]])
    log_decay = torch.tensor([[0.0], [math.log(0.5)]])
    rows = GatedRows(query, key, value, log_decay)
    output, state = gated_scan(rows, torch.tensor([0, 2]), torch.tensor([0, 0]))
    # S_1 = 2 · 10, read by 1; S_2 = S_1 / 2 + 5 · 1, read by 3.
    assert output.flatten().tolist() == pytest.approx([2 * 10, 3 * (2 * 10 / 2 + 5)])
    assert state.item() == pytest.approx(2 * 10 / 2 + 5)


@pytest.mark.parametrize("lengths", [(1,), (0, 3, 0), (40, 1, 0, 31, 97), (BLOCK_ROWS, 64, 5)])
def test_block_form_equals_single_steps_with_memories_carried_in(lengths):
    rows = drawn(sum(lengths), 2, 3, 5)
    state = torch.randn(len(lengths), 2, 3, 5, dtype=torch.float64)
    offsets = offsets_of(torch.tensor(lengths))
    found = gated_scan(rows, offsets, owner_of(offsets, sum(lengths)), state)
    wanted = by_steps(rows, lengths, state)
    for left, right in zip(found, wanted, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


def test_histories_longer_than_one_product_of_blocks_go_on():
    num_rows = BLOCK_ROWS * (BLOCKS_AT_ONCE + 3) + 7
    rows = drawn(num_rows, 1, 2, 2)
    # A memory that lasts, so that the first rows still count at the end.
    rows = rows._replace(log_decay=rows.log_decay * 1e-4)
    offsets = torch.tensor([0, num_rows])
    found, last = gated_scan(rows, offsets, torch.zeros(num_rows, dtype=torch.int64))
    zero = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    wanted, memory = by_steps(rows, (num_rows,), zero)
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(last, memory, rtol=1e-8, atol=1e-8)


def test_gradients_equal_those_of_single_steps():
    lengths = (35, 2, 30)
    rows = GatedRows(*(leaf.requires_grad_() for leaf in drawn(sum(lengths), 2, 3, 2)))
    state = torch.randn(3, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    offsets = offsets_of(torch.tensor(lengths))
    found = gated_scan(rows, offsets, owner_of(offsets, sum(lengths)), state)
    wanted = by_steps(rows, lengths, state)
    draw = torch.Generator().manual_seed(1)
    direction = [torch.randn(leaf.shape, generator=draw).double() for leaf in found]
    gradients = [
        torch.autograd.grad(
            sum((leaf * along).sum() for leaf, along in zip(leafs, direction, strict=True)),
            [*rows, state],
        )
        for leafs in (found, wanted)
    ]
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


def test_memory_that_is_wiped_at_once_leaves_finite_gradients():
    rows = GatedRows(*(leaf.float() for leaf in drawn(200, 2, 4, 4)))
    rows = rows._replace(log_decay=(rows.log_decay * 100).requires_grad_())
    offsets = torch.tensor([0, 150, 200])
    output, _ = gated_scan(rows, offsets, owner_of(offsets, 200))
    output.sum().backward()
    assert output.isfinite().all()
    assert rows.log_decay.grad is not None
    assert rows.log_decay.grad.isfinite().all()


def awakened(**settings) -> LinearEncoder:
    """Return an encoder whose gates, shifts and decays all matter."""
    torch.manual_seed(0)
    encoder = LinearEncoder(12, **settings).double()
    for name, parameter in encoder.named_parameters():
        if parameter.dim() < 2 or "elapsed" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return encoder


@pytest.mark.parametrize(("num_layers", "elapsed_decay"), [(1, False), (3, True)])
def test_encoder_keeps_the_laws(num_layers, elapsed_decay):
    encoder = awakened(num_layers=num_layers, num_heads=3, key_width=5, elapsed_decay=elapsed_decay)
    check_encoder(encoder, 12)


def test_longer_gap_can_make_it_forget():
    x = torch.randn(2, 12, dtype=torch.float64)
    for elapsed_decay in (False, True):
        encoder = awakened(elapsed_decay=elapsed_decay)
        one, other = (
            encoder(
                PackedVectors(
                    x, torch.tensor([-1, gap]), torch.tensor([True, False]), torch.tensor([0, 2])
                )
            )[0]
            for gap in (1_000, 86_400_000)
        )
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1]) != elapsed_decay


def test_event_before_is_seen_through_the_state():
    encoder = awakened()
    x = torch.randn(2, 12, dtype=torch.float64)
    one = PackedVectors(x[1:], torch.tensor([0]), torch.tensor([False]), torch.tensor([0, 1]))
    state = encoder.initial_state(1)
    other = state._replace(before=torch.ones_like(state.before))
    assert not torch.allclose(encoder.step(one, state)[0], encoder.step(one, other)[0])


def test_memory_grows_with_keys_not_with_heads():
    few, many = (
        LinearEncoder(32, num_layers=2, num_heads=heads, key_width=8).initial_state(3)
        for heads in (1, 4)
    )
    assert few.memory[0].numel() == many.memory[0].numel() == 2 * 8 * 32
    assert few.before[0].numel() == 2 * 32
