"""Transformers over a band of the last events: plain, gated and pointwise blocks.

Everything but attention runs on packed rows, so short histories cost no padding. Dropout is on what
a block adds, never on attention weights: there it costs ten times as much on a CPU.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.dropout import dropout
from penchant.encoders.band import dense_rows
from penchant.encoders.base import encoders
from penchant.encoders.self_attention import (
    Places,
    PointwiseAttention,
    Position,
    SoftmaxAttention,
    ages,
    gap_buckets,
    turns_of,
)
from penchant.encoders.starting import last_norm, start_small
from penchant.encoders.window import WindowEncoder
from penchant.errors import ConfigError
from penchant.packed import PackedVectors
from penchant.registry import nearest

BlockKind = Literal["plain", "ligr", "hstu"]


class PlainBlock(nn.Module):
    """Attention, then a feed-forward network, each normed before and added.

    Parameters
    ----------
    attention
        Attention of width D.
    feed_forward
        Width of the feed-forward network, in multiples of D.
    num_layers
        Layers of the stack: what each adds starts smaller in a deeper one.
    dropout_rate
        Dropout on what each half adds.

    References
    ----------
    R. Xiong et al., "On layer normalization in the transformer architecture", 2020.
    """

    def __init__(
        self, attention: SoftmaxAttention, feed_forward: int, num_layers: int, dropout_rate: float
    ) -> None:
        super().__init__()
        width = attention.value.in_features
        self.dropout_rate = dropout_rate
        self.norm, self.attention = nn.LayerNorm(width), attention
        self.leave = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, feed_forward * width)
        self.narrow = nn.Linear(feed_forward * width, width)
        start_small([self.leave, self.narrow], num_layers)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Return (N', D) rows with what attention and the network add."""
        x = x + dropout(self.look(x, places), self.dropout_rate, self.training)
        return x + dropout(self.feed(x), self.dropout_rate, self.training)

    def look(self, x: Tensor, places: Places) -> Tensor:
        """Return (N', D) what attention adds."""
        normed = self.norm(x)
        both, value = self.attention.query_key(normed), self.attention.value(normed)
        return self.leave(self.attention.attend(both, value, places))

    def feed(self, x: Tensor) -> Tensor:
        """Return (N', D) what the network adds."""
        return self.narrow(F.gelu(self.widen(self.feed_norm(x))))


class GatedBlock(PlainBlock):
    """A plain block with a sigmoid gate on what each half adds, and a SwiGLU network.

    References
    ----------
    F. Borisyuk et al., "From features to transformers: redefining ranking for scalable impact",
    2025, for the gates; N. Shazeer, "GLU variants improve transformer", 2020, equation 6.
    """

    def __init__(
        self, attention: SoftmaxAttention, feed_forward: int, num_layers: int, dropout_rate: float
    ) -> None:
        super().__init__(attention, feed_forward, num_layers, dropout_rate)
        width = attention.value.in_features
        inner = max(feed_forward * width * 2 // 3, 1)  # three matrices in place of two
        self.widen = nn.Linear(width, 2 * inner)
        self.narrow = nn.Linear(inner, width)
        self.gate, self.feed_gate = nn.Linear(width, width), nn.Linear(width, width)
        start_small([self.narrow], num_layers)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Return (N', D) rows with what passes the gates added."""
        added = dropout(self.look(x, places), self.dropout_rate, self.training)
        x = x + torch.sigmoid(self.gate(x)) * added
        added = dropout(self.feed(x), self.dropout_rate, self.training)
        return x + torch.sigmoid(self.feed_gate(x)) * added

    def feed(self, x: Tensor) -> Tensor:
        """Return (N', D) what the network adds."""
        inner, gate = self.widen(self.feed_norm(x)).chunk(2, dim=1)
        return self.narrow(F.silu(gate) * inner)


class PointwiseBlock(nn.Module):
    """Pointwise attention whose result is gated by the event itself; no feed-forward network.

    Parameters
    ----------
    attention
        Attention of width D.
    num_layers
        Layers of the stack: what each adds starts smaller in a deeper one.
    dropout_rate
        Dropout on what is added.

    References
    ----------
    J. Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for
    generative recommendations", 2024, equations 1 to 3.
    """

    def __init__(self, attention: PointwiseAttention, num_layers: int, dropout_rate: float) -> None:
        super().__init__()
        width = attention.value.in_features
        self.dropout_rate = dropout_rate
        self.norm, self.attention = nn.LayerNorm(width), attention
        self.gate = nn.Linear(width, width)
        self.seen_norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, width)
        start_small([self.leave], num_layers)

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Return (N', D) rows with what is seen added."""
        normed = self.norm(x)
        both, value = self.attention.query_key(normed), self.attention.value(normed)
        seen = self.attention.attend(F.silu(both), F.silu(value), places)
        added = self.leave(self.seen_norm(seen) * F.silu(self.gate(normed)))
        return x + dropout(added, self.dropout_rate, self.training)


@encoders.register("transformer")
class TransformerEncoder(WindowEncoder):
    """Layers of attention to the last events.

    Parameters
    ----------
    width
        Width D of events and hidden vectors.
    num_layers
        Layers L.
    num_heads
        Heads H of each layer.
    window
        Events W that each event sees in each layer, itself included.
    block
        `plain`: attention and a feed-forward network; `ligr`: both behind gates, and SwiGLU;
        `hstu`: pointwise gated attention alone.
    position
        What tells events apart by where they stand: `rotary`, or a learned `bias` by distance;
        `rotary_and_time` and `bias_and_time` add a learned bias by the time between them.
    feed_forward
        Width of the feed-forward networks, in multiples of D.
    dropout_rate
        Dropout on what each half of a layer adds.

    Raises
    ------
    ConfigError
        When the sizes do not fit each other, or a setting is unknown.

    Notes
    -----
    A hidden vector depends on the last L · (W - 1) + 1 events; all but the present one are the
    memory of a user, 18 bytes each. Whole histories cost O(N · (D² + W · D)) a layer; one event
    costs as much as all those it depends on, whose vectors are made again.
    """

    def __init__(
        self,
        width: int,
        num_layers: int = 2,
        num_heads: int = 2,
        window: int = 200,
        block: BlockKind = "plain",
        position: Position = "rotary",
        feed_forward: int = 4,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if window < 2:
            raise ConfigError(
                f"encoder.window must be 2 or more but is {window}.", "An event must see another."
            )
        self.num_layers, self.window = num_layers, window
        self.scale = width**0.5
        self.head_width = width // num_heads
        self.position = position

        def layer() -> nn.Module:
            if block == "hstu":
                pointwise = PointwiseAttention(width, num_heads, window, position)
                return PointwiseBlock(pointwise, num_layers, dropout_rate)
            softmax = SoftmaxAttention(width, num_heads, window, position)
            return _block(block)(softmax, feed_forward, num_layers, dropout_rate)

        self.layers = nn.ModuleList(layer() for _ in range(num_layers))
        self.norm = last_norm(width)

    @property
    def reach(self) -> int:
        """Events on which a hidden vector depends."""
        return self.num_layers * (self.window - 1) + 1

    def encode(self, events: PackedVectors, _asked: Tensor | None = None) -> Tensor:
        """Return (N, D) the hidden vector of each event, all of them made at once."""
        if events.num_events == 0:
            return events.x
        places = self._places(events)
        x = places.rows.enter(events.x) * self.scale
        for layer in self.layers:
            x = layer(x, places)
        return places.rows.leave(self.norm(x))

    def _places(self, events: PackedVectors) -> Places:
        rows = dense_rows(events.offsets)
        turns = gaps = None
        if self.position.startswith("rotary"):
            age = ages(rows, events.x.device)
            turns = turns_of(age, self.head_width, events.x.dtype)
        if self.position.endswith("time"):
            gaps = gap_buckets(events.elapsed_ms, rows, self.window)
        return Places(rows, turns, gaps)


_SOFTMAX_BLOCKS: Final = {"plain": PlainBlock, "ligr": GatedBlock}


def _block(kind: str) -> type[PlainBlock]:
    if kind not in _SOFTMAX_BLOCKS:
        raise ConfigError(
            f'encoder.block has no value "{kind}".', nearest(kind, list(get_args(BlockKind)))
        )
    return _SOFTMAX_BLOCKS[kind]
