"""Eight layers of every kind train stably: gradients stay finite and the loss falls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from penchant.encoders import encoders
from penchant.packed import PackedVectors, offsets_of

WIDTH, NUM_ITEMS, NUM_STEPS = 16, 11, 60
KINDS = [
    ("rnn", {"residual": True}),
    ("gru", {"residual": True}),
    ("lstm", {"residual": True}),
    ("linear", {}),
    ("transformer", {}),
    ("transformer", {"block": "ligr"}),
    ("transformer", {"block": "hstu", "position": "bias"}),
    ("bert", {}),
]


def histories() -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N,) items, each the one before plus 3 modulo 11, and the offsets of the users."""
    draw = torch.Generator().manual_seed(2)
    lengths = torch.randint(9, 17, (16,), generator=draw)
    starts = torch.randint(NUM_ITEMS, (16,), generator=draw)
    items = [
        (start + 3 * step) % NUM_ITEMS
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        for step in range(length)
    ]
    return torch.tensor(items), offsets_of(lengths)


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_eight_layers_train_stably(kind: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(3)
    encoder = encoders.build(kind, {"num_layers": 8, **settings}, width=WIDTH)
    table = torch.nn.Parameter(torch.randn(NUM_ITEMS, WIDTH) * WIDTH**-0.5)
    items, offsets = histories()
    unknown = torch.full_like(items, -1)
    after = (items + 3) % NUM_ITEMS
    fitted = [table, *encoder.parameters()]
    optimizer = torch.optim.AdamW(fitted, lr=5e-3)
    losses = []
    for _ in range(NUM_STEPS):
        events = PackedVectors(table[items], unknown, torch.zeros_like(items).bool(), offsets)
        hidden, _state = encoder(events)
        loss = F.cross_entropy(hidden @ table.T, after)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(fitted, 1.0)
        optimizer.step()
        assert norm.isfinite()
        assert norm < 100
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2, losses[::10]
