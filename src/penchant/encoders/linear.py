"""A gated linear recurrence with a matrix memory: constant memory, parallel training.

Each head keeps a matrix S of keys times values, fades it by a factor that the event itself decides,
adds the event, and reads it with a query. Training reads whole histories in blocks, serving one
event at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.clock import ElapsedTime
from penchant.dropout import dropout
from penchant.encoders.base import SequenceEncoder, encoders
from penchant.encoders.gated_scan import GatedRows, gated_scan, gated_step
from penchant.encoders.starting import last_norm, start_small
from penchant.packed import PackedVectors, last_rows

GREATEST_DECAY = 20.0
"""One event weakens the memory by at most exp(-20)."""


class LinearState(NamedTuple):
    """What is carried of B users.

    `memory` (B, L, H, K, V) matrices of keys times values; `before` (B, L, D) what entered each
    layer with the last event.
    """

    memory: Tensor
    before: Tensor


class LinearBlock(nn.Module):
    """One layer: the recurrence, then a feed-forward network, each added to what it read.

    Parameters
    ----------
    width
        Width D.
    num_heads
        Heads H; values have width V = D / H.
    key_width
        Width K of keys and queries of one head.
    half_lives
        (H,) events after which half of a head's memory is left, at the start of training.
    feed_forward
        Width of the feed-forward network, in multiples of D.
    dropout_rate
        Dropout on what each half adds.
    elapsed_decay
        Whether the time since the event before has a say in what is forgotten.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        key_width: int,
        half_lives: Tensor,
        feed_forward: int,
        dropout_rate: float,
        elapsed_decay: bool,
    ) -> None:
        super().__init__()
        self.num_heads, self.key_width = num_heads, key_width
        self.dropout_rate = dropout_rate
        self.norm = nn.LayerNorm(width)
        self.shift = nn.Parameter(torch.zeros(width))
        self.sizes = [num_heads * key_width, num_heads * key_width, width, width, num_heads]
        self.enter = nn.Linear(width, sum(self.sizes))
        self.elapsed = ElapsedTime(num_heads) if elapsed_decay else None
        self.leave = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, feed_forward * width)
        self.narrow = nn.Linear(feed_forward * width, width)
        with torch.no_grad():
            self.enter.bias.zero_()
            self.enter.bias[-num_heads:] = torch.log(torch.expm1(math.log(2) / half_lives))

    def inputs(self, x: Tensor, before: Tensor, elapsed_ms: Tensor) -> tuple[GatedRows, Tensor]:
        """Return what the rows x do to the memories, and the gate of what they read.

        `before` (N, D) are the rows before them.
        """
        mixed = torch.lerp(x, before, self.shift.sigmoid())
        query, key, value, gate, decay = self.enter(mixed).split(self.sizes, dim=1)
        if self.elapsed is not None:
            decay = decay + self.elapsed(elapsed_ms)
        heads = (self.num_heads, -1)
        rows = GatedRows(
            F.silu(query).unflatten(1, heads) * self.key_width**-0.5,
            F.silu(key).unflatten(1, heads),
            value.unflatten(1, heads),
            -F.softplus(decay).clamp(max=GREATEST_DECAY),
        )
        return rows, gate

    def add(self, x: Tensor, read: Tensor, gate: Tensor) -> Tensor:
        """Return (N, D) rows with what was read (N, H, V) and the feed-forward network added."""
        read = F.layer_norm(read, read.shape[2:]).flatten(1) * F.silu(gate)
        x = x + dropout(self.leave(read), self.dropout_rate, self.training)
        inner = F.gelu(self.widen(self.feed_norm(x)))
        return x + dropout(self.narrow(inner), self.dropout_rate, self.training)


@encoders.register("linear")
class LinearEncoder(SequenceEncoder):
    """A stack of gated linear recurrences with matrix memories.

    Parameters
    ----------
    width
        Width D of events and hidden vectors.
    num_layers
        Layers L.
    num_heads
        Heads H of each layer.
    key_width
        Width K of a head's keys: the memory holds K · D numbers a layer, whatever H is.
    feed_forward
        Width of the feed-forward networks, in multiples of D.
    dropout_rate
        Dropout on what each half of a layer adds.
    elapsed_decay
        Whether the time since the event before has a say in what is forgotten.

    Notes
    -----
    Memory per user: L · (K + 1) · D numbers. Work per event: O(L · D · (D + K)), in both forms.

    References
    ----------
    S. Yang et al., "Gated linear attention transformers with hardware-efficient training", 2024;
    T. Dao, A. Gu, "Transformers are SSMs", 2024, for one decay per head and event.
    """

    def __init__(
        self,
        width: int,
        num_layers: int = 2,
        num_heads: int = 2,
        key_width: int = 16,
        feed_forward: int = 4,
        dropout_rate: float = 0.0,
        elapsed_decay: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.num_heads, self.key_width = width, num_heads, key_width
        self.scale = width**0.5  # item vectors have norm 1, what layers add has norm sqrt(D)
        half_lives = torch.logspace(1, 8, num_heads * num_layers, base=2).view(num_heads, -1)
        self.layers = nn.ModuleList(
            LinearBlock(
                width,
                num_heads,
                key_width,
                half_lives[:, layer],
                feed_forward,
                dropout_rate,
                elapsed_decay,
            )
            for layer in range(num_layers)
        )
        for layer in self._layers():
            start_small([layer.leave, layer.narrow], num_layers)
        self.norm = last_norm(width)

    def initial_state(self, num_users: int) -> LinearState:
        """Return zeros."""
        users = (num_users, len(self.layers))
        heads = (self.num_heads, self.key_width, self.width // self.num_heads)
        like = self.norm.weight
        return LinearState(like.new_zeros(*users, *heads), like.new_zeros(*users, self.width))

    def forward(
        self, events: PackedVectors, state: LinearState | None = None
    ) -> tuple[Tensor, LinearState]:
        """Read all events; users without events keep their state."""
        carried = self.initial_state(events.num_users) if state is None else state
        x, offsets, user = events.x * self.scale, events.offsets, events.user
        if len(x) == 0:
            return events.x, carried
        has_rows = events.lengths > 0
        starts = offsets[:-1][has_rows]
        memories, befores = [], []
        for index, layer in enumerate(self._layers()):
            normed, earlier = layer.norm(x), carried.before[:, index]
            before = normed.roll(1, 0).index_copy(0, starts, earlier[has_rows])
            rows, gate = layer.inputs(normed, before, events.elapsed_ms)
            memory = None if state is None else state.memory[:, index]
            read, memory = gated_scan(rows, offsets, user, memory)
            memories.append(memory)
            befores.append(last_rows(normed, offsets, earlier))
            x = layer.add(x, read, gate)
        return self.norm(x), LinearState(torch.stack(memories, 1), torch.stack(befores, 1))

    def step(self, events: PackedVectors, state: LinearState) -> tuple[Tensor, LinearState]:
        """Read one event per user."""
        x, memories, befores = events.x * self.scale, [], []
        for index, layer in enumerate(self._layers()):
            normed = layer.norm(x)
            rows, gate = layer.inputs(normed, state.before[:, index], events.elapsed_ms)
            read, memory = gated_step(rows, state.memory[:, index])
            memories.append(memory)
            befores.append(normed)
            x = layer.add(x, read, gate)
        return self.norm(x), LinearState(torch.stack(memories, 1), torch.stack(befores, 1))

    def _layers(self) -> Iterator[LinearBlock]:
        for layer in self.layers:
            assert isinstance(layer, LinearBlock)
            yield layer
