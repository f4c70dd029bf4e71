"""Attention of events to the events before them, within a band, over dense rows.

Positions enter as differences only, so that an event's vector depends on what lies before it and
never on how far from the start it stands. Softmax weights without biases use torch's fused kernel.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.encoders.band import Band, DenseRows
from penchant.encoders.plain import is_plain
from penchant.errors import ConfigError
from penchant.registry import nearest

Position = Literal["rotary", "bias", "rotary_and_time", "bias_and_time"]

ROTARY_BASE: Final = 10_000.0
NUM_DISTANCES: Final = 32
"""Buckets of the distance between two events: half of them exact, half logarithmic."""

NUM_GAPS: Final = 48
"""Buckets of the time between two events: unknown, then one per doubling of the seconds."""


class Places(NamedTuple):
    """Where dense rows stand, once for all layers.

    `rows` their layout; `turns` (N', 1, V / 2) complex rotations or None; `gaps` for each group
    (G, B, C, K) the bucket of the time between two events, or None.
    """

    rows: DenseRows
    turns: Tensor | None
    gaps: list[Tensor] | None


def ages(rows: DenseRows, device: torch.device) -> Tensor:
    """Return (N',) how many events stand before each dense row."""
    return torch.cat(
        [torch.arange(group.length, device=device).repeat(group.num_users) for group in rows.groups]
    )


def turns_of(age: Tensor, head_width: int, dtype: torch.dtype) -> Tensor:
    """Return (N', 1, V / 2) the rotation of each row as complex numbers of length one.

    References
    ----------
    J. Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021,
    equation 15.
    """
    halves = torch.arange(0, head_width, 2, device=age.device).double() / head_width
    every = torch.arange(int(age.max()) + 1, device=age.device).double()
    angle = every.unsqueeze(1) * ROTARY_BASE**-halves  # (T, V / 2)
    turns = torch.polar(torch.ones_like(angle), angle).to(dtype.to_complex())
    return turns[age].unsqueeze(1)


def turned(rows: Tensor, turns: Tensor) -> Tensor:
    """Return (N', H, V) rows with each pair of numbers rotated."""
    pairs = torch.view_as_complex(rows.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


class PairBias(nn.Module):
    """What a score gains by how many events, and how much time, lie between two events.

    Parameters
    ----------
    num_heads
        Heads H.
    window
        Greatest distance plus one.
    by_distance
        Whether the number of events counts.
    by_time
        Whether the time counts; a gap that is unknown, or has an unknown one inside, has its own
        bucket.

    References
    ----------
    C. Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text
    transformer", 2020, section 2.1; J. Zhai et al., "Actions speak louder than words", 2024,
    section 3.2, for the time.
    """

    bucket: Tensor
    highest: Tensor

    def __init__(self, num_heads: int, window: int, by_distance: bool, by_time: bool) -> None:
        super().__init__()
        self.distances = nn.Embedding(NUM_DISTANCES, num_heads) if by_distance else None
        self.gaps = nn.Embedding(NUM_GAPS, num_heads) if by_time else None
        for part in (self.distances, self.gaps):
            if part is not None:
                nn.init.zeros_(part.weight)
        exact = NUM_DISTANCES // 2
        far = torch.arange(window).clamp(min=1).double()
        steps = exact * torch.log(far / exact) / math.log(max(window / exact, 2))
        bucket = torch.where(far < exact, torch.arange(window), (exact + steps).long())
        self.register_buffer("bucket", bucket.clamp(max=NUM_DISTANCES - 1), persistent=False)
        self.register_buffer("highest", torch.tensor(NUM_GAPS - 1), persistent=by_time)

    def fit_range(self, span_ms: Tensor) -> None:
        """Remember the longest time between two events of the training part.

        Longer ones are read as that: a bucket that was never trained says nothing.
        """
        self.highest.copy_(gap_bucket(span_ms).max())

    def forward(self, band: Band, gaps: Tensor | None) -> Tensor:
        """Return (G | 1, B | 1, H, C, K) what the scores gain; `gaps` as in `Places`."""
        gain = torch.zeros((), device=self.bucket.device)
        if self.distances is not None:
            distance = band.distance(self.bucket.device).clamp(0, len(self.bucket) - 1)
            gain = self.distances(self.bucket[distance]).permute(2, 0, 1)[None, None]
        if self.gaps is not None:
            assert gaps is not None
            gaps = torch.minimum(gaps, self.highest)
            gain = gain + self.gaps(gaps).permute(0, 1, 4, 2, 3)
        return gain


def gap_bucket(gap_ms: Tensor) -> Tensor:
    """Return the bucket of known times: one per doubling of the seconds, from 1 on.

    Examples
    --------
    >>> gap_bucket(torch.tensor([0, 1_000, 3_000, 315_360_000_000])).tolist()
    [1, 2, 3, 29]
    """
    seconds = gap_ms.clamp(min=0).double() / 1000.0
    return (1 + torch.log2(1.0 + seconds).floor().long()).clamp(max=NUM_GAPS - 1)


def gap_buckets(elapsed_ms: Tensor, rows: DenseRows, window: int) -> list[Tensor]:
    """Return for each group (G, B, C, K) the bucket of the time between queries and keys.

    0 where the gap (N,) before one of the events in between is unknown; else one bucket per
    doubling of the seconds.
    """
    clock = torch.stack([elapsed_ms.clamp(min=0), (elapsed_ms < 0).long()], dim=1).cumsum(0)
    found = []
    for group, part in zip(rows.groups, rows.enter(clock).split(rows.sizes), strict=True):
        band = Band.of(group.length, window)
        users = part.view(group.num_users, group.length, 1, 2)
        between = band.queries(users).unsqueeze(4) - band.keys(users).unsqueeze(3)
        known_ms, num_unknown = between.squeeze(2).unbind(4)  # (G, B, C, K) each
        found.append(torch.where(num_unknown != 0, 0, gap_bucket(known_ms)))
    return found


class BandedAttention(nn.Module, ABC):
    """Attention of several heads to the last `window` events.

    Parameters
    ----------
    width
        Width D.
    num_heads
        Heads H of width V = D / H.
    window
        Events that each event sees, itself included.
    position
        What tells events apart by where they stand: `rotary` turns of queries and keys, or a
        learned `bias` by distance; either with a learned bias by time.
    is_causal
        Whether events see only what is before them; if not, the whole history, which must fit the
        window.

    Raises
    ------
    ConfigError
        When the heads do not divide the width evenly, or a setting is unknown.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        window: int,
        position: Position,
        is_causal: bool = True,
    ) -> None:
        super().__init__()
        if width % num_heads:
            raise ConfigError(
                f"width must be a multiple of num_heads but {width} is none of {num_heads}.",
                "Set encoder.num_heads to a divisor of width.",
            )
        if position not in get_args(Position):
            raise ConfigError(
                f'encoder.position has no value "{position}".',
                nearest(position, list(get_args(Position))),
            )
        by_distance, by_time = position.startswith("bias"), position.endswith("time")
        if not by_distance and (width // num_heads) % 2:
            raise ConfigError(
                f"Rotary positions need heads of even width but {width} / {num_heads} is "
                f"{width // num_heads}.",
                "Set encoder.num_heads to another divisor of width, or encoder.position=bias.",
            )
        self.num_heads, self.window, self.is_causal = num_heads, window, is_causal
        self.query_key = nn.Linear(width, 2 * width)
        self.value = nn.Linear(width, width)
        has_bias = by_distance or by_time
        self.bias = PairBias(num_heads, window, by_distance, by_time) if has_bias else None

    @abstractmethod
    def weights(self, scores: Tensor, visible: Tensor) -> Tensor:
        """Return the weights of what is seen, from scores and (G, 1, 1, C, K) what is visible."""

    def attend(self, query_key: Tensor, value: Tensor, places: Places) -> Tensor:
        """Return (N', D) what each row sees, from query and key (N', 2 D) and value (N', D)."""
        heads = (self.num_heads, -1)
        if places.turns is not None:
            turned_rows = turned(query_key.unflatten(1, (2 * self.num_heads, -1)), places.turns)
            query_key = turned_rows.flatten(1)
        sizes = places.rows.sizes
        seen = []
        for index, (group, both, values) in enumerate(
            zip(places.rows.groups, query_key.split(sizes), value.split(sizes), strict=True)
        ):
            users = (group.num_users, group.length)
            query, key = both.unflatten(1, (2, *heads)).unflatten(0, users).unbind(2)
            band = Band.of(group.length, self.window)
            gaps = None if places.gaps is None else places.gaps[index]
            value_rows = values.unflatten(1, heads).unflatten(0, users)  # (B, T, H, V)
            read = self._read(band, query, key, value_rows, gaps)
            seen.append(read.reshape(group.num_users * group.length, -1))
        return torch.cat(seen) if len(seen) > 1 else seen[0]

    def _read(
        self, band: Band, query: Tensor, key: Tensor, value: Tensor, gaps: Tensor | None
    ) -> Tensor:
        """Return (B, T, H, V) what is seen by one group; its inputs have the same shape."""
        blocks = band.queries(query), band.keys(key), band.keys(value)
        assert band.is_whole or self.is_causal, "what sees both sides must fit the window"
        if self._is_fused():
            return band.rows(_fused(band, *blocks, self.is_causal))
        query, key, value = blocks
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (G, B, H, C, K)
        if self.bias is not None:
            scores = scores + self.bias(band, gaps).to(scores.dtype)
        visible = band.visible(scores.device)[:, None, None]
        visible = visible if self.is_causal else torch.ones_like(visible)
        return band.rows(self.weights(scores, visible) @ value)

    def _is_fused(self) -> bool:
        return False


class SoftmaxAttention(BandedAttention):
    """Softmax weights.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", 2017, section 3.2.
    """

    def weights(self, scores: Tensor, visible: Tensor) -> Tensor:
        """Return the softmax over what is visible."""
        return scores.masked_fill(~visible, -torch.inf).softmax(-1)

    def _is_fused(self) -> bool:
        return self.bias is None and not is_plain()


class PointwiseAttention(BandedAttention):
    """Weights silu(score) / number of visible events: they need not sum to one.

    References
    ----------
    J. Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for
    generative recommendations", 2024, equation 2.
    """

    def weights(self, scores: Tensor, visible: Tensor) -> Tensor:
        """Return silu of the scores, shared among what is visible."""
        return F.silu(scores) * (visible / visible.sum(-1, keepdim=True)).to(scores.dtype)


def _fused(band: Band, query: Tensor, key: Tensor, value: Tensor, is_causal: bool) -> Tensor:
    """Return softmax attention of blocks by torch's kernel, which holds no scores."""
    if band.is_whole:
        read = F.scaled_dot_product_attention(query[0], key[0], value[0], is_causal=is_causal)
        return read.unsqueeze(0)
    mask = band.visible(query.device).unsqueeze(1)  # (G, 1, C, K)
    # Users and heads side by side: the mask is the same for all of them.
    flat_query, flat_key, flat_value = (part.flatten(1, 2) for part in (query, key, value))
    read = F.scaled_dot_product_attention(flat_query, flat_key, flat_value, attn_mask=mask)
    return read.unflatten(1, query.shape[1:3])
