"""Attention over the history in constant memory: X^_t = sum over i <= t of softmax(s)_i x_i.

The kinds differ in how a hidden vector H_i becomes a score s_i; the sums themselves live in
`streaming`. Scores with a query that depends on the present (self-attention) belong to windowed
encoders, not here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.interest.streaming import RunningSum, advance, empty_sum, scan
from penchant.packed import PackedVectors, last_rows
from penchant.registry import Registry, nearest

Decay = Literal["none", "event", "time", "both"]

DAY_MS = 86_400_000.0
GREATEST_DECAY = 30.0
"""One event or gap weakens what came before by at most exp(-30).

Below that nothing is left in float32.
"""


class InterestAttention(nn.Module, ABC):
    """Streaming attention with a learned query and a learned decay per head.

    Parameters
    ----------
    width
        Width D of events, hidden vectors and the attended vector.
    num_heads
        Heads Q; each attends to D / Q of the values where there are several.
    decay
        What weakens past events: each later `event`, `time` (per day), `both`, or `none`.

    Raises
    ------
    ConfigError
        When the width is no multiple of the heads, or the decay is unknown.

    Notes
    -----
    Memory per user: Q · (2 + V) numbers, constant in the length of the history. Without decay each
    new event counts only about 1/t. The rates start spread over half-lives of 2 to 128 events (1 to
    64 days).
    """

    kind: str

    def __init__(self, width: int, num_heads: int = 1, decay: Decay = "event") -> None:
        super().__init__()
        if width % num_heads:
            raise ConfigError(
                f"width must be a multiple of num_heads but {width} is none of {num_heads}.",
                "Set interest.num_heads to a divisor of width.",
            )
        if decay not in get_args(Decay):
            raise ConfigError(
                f'interest.decay has no value "{decay}".', nearest(decay, list(get_args(Decay)))
            )
        self.width = width
        self.num_heads = num_heads
        self.decay = decay
        halves = torch.logspace(1, 7, num_heads + 2, base=2)[1:-1]  # half-lives between 2 and 128
        rates = torch.log(torch.expm1(torch.log(torch.tensor(2.0)) / halves))
        if decay in ("event", "both"):
            self.event_rate = nn.Parameter(rates.clone())
        if decay in ("time", "both"):
            self.time_rate = nn.Parameter(rates + torch.log(torch.tensor(2.0)))

    @abstractmethod
    def score(self, hidden: Tensor) -> Tensor:
        """Return (N, Q) scores of the events whose hidden vectors (N, D) are given."""

    def value(self, x: Tensor) -> Tensor:
        """Return (N, Q, V) what the heads take from each event.

        The vectors themselves with one head.
        """
        return x.unflatten(1, (self.num_heads, -1))

    def initial_state(self, num_users: int) -> RunningSum:
        """Return the sums before any event."""
        like = next(self.parameters())
        return empty_sum(like, num_users, self.num_heads, self.width // self.num_heads)

    def fade(self, events: PackedVectors) -> Tensor:
        """Return (N, Q) by how much each event weakens what came before, in the exponent."""
        fade = events.x.new_zeros(events.x.shape[0], self.num_heads)
        if self.decay in ("event", "both"):
            fade = fade + F.softplus(self.event_rate)
        if self.decay in ("time", "both"):
            days = (events.elapsed_ms.clamp(min=0).to(fade.dtype) / DAY_MS).unsqueeze(1)
            fade = fade + days * F.softplus(self.time_rate)
        return fade.clamp(max=GREATEST_DECAY)

    def forward(
        self, events: PackedVectors, hidden: Tensor, state: RunningSum | None = None
    ) -> tuple[Tensor, RunningSum]:
        """Attend over all prefixes of all histories.

        Returns
        -------
        attended, state
            (N, D) the interest X^ after each event, and the sums after each user's last event.
        """
        state = self.initial_state(events.num_users) if state is None else state
        if events.x.shape[0] == 0:
            return events.x, state
        sums = scan(
            self.score(hidden),
            self.value(events.x),
            self.fade(events),
            events.user,
            events.offsets,
            state,
        )
        return self.attended(sums), _last_sums(sums, events.offsets, state)

    def step(
        self, events: PackedVectors, hidden: Tensor, state: RunningSum
    ) -> tuple[Tensor, RunningSum]:
        """Attend after one more event per user (N = B).

        Constant work, equal to `forward` on that event.
        """
        sums = advance(state, self.score(hidden), self.value(events.x), self.fade(events))
        return self.attended(sums), sums

    def attended(self, sums: RunningSum) -> Tensor:
        """Return (B, D) the interest that sums stand for; zeros before any event."""
        return sums.mean().flatten(1)


def _last_sums(sums: RunningSum, offsets: Tensor, otherwise: RunningSum) -> RunningSum:
    return RunningSum(
        *(last_rows(leaf, offsets, old) for leaf, old in zip(sums, otherwise, strict=True))
    )


attentions: Registry[InterestAttention] = Registry("interest")


@attentions.register("additive")
class AdditiveAttention(InterestAttention):
    """Scores v · tanh(W H + b), one head.

    References
    ----------
    D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and
    translate", 2015, section A.1.2, with the query learned and constant.
    """

    def __init__(self, width: int, decay: Decay = "event") -> None:
        super().__init__(width, 1, decay)
        self.project = nn.Linear(width, width)
        self.direction = nn.Linear(width, 1, bias=False)

    def score(self, hidden: Tensor) -> Tensor:
        """Return (N, 1) scores."""
        return self.direction(torch.tanh(self.project(hidden)))


@attentions.register("dot")
class DotProductAttention(InterestAttention):
    """Scores q · W_k H / sqrt(D), one head.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", 2017, equation 1, with the query learned and
    constant.
    """

    def __init__(self, width: int, decay: Decay = "event") -> None:
        super().__init__(width, 1, decay)
        self.key = nn.Linear(width, width)
        self.query = nn.Parameter(torch.randn(width))

    def score(self, hidden: Tensor) -> Tensor:
        """Return (N, 1) scores."""
        return (self.key(hidden) @ self.query).unsqueeze(1) * self.width**-0.5


@attentions.register("multi_head")
class MultiHeadAttention(InterestAttention):
    """Several dot products, each with its own query, keys and values, side by side.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", 2017, section 3.2.2, with the queries learned
    and constant.
    """

    def __init__(self, width: int, num_heads: int = 4, decay: Decay = "event") -> None:
        super().__init__(width, num_heads, decay)
        self.key = nn.Linear(width, width)
        self.query = nn.Parameter(torch.randn(num_heads, width // num_heads))
        self.values = nn.Linear(width, width, bias=False)

    def score(self, hidden: Tensor) -> Tensor:
        """Return (N, Q) scores."""
        keys = self.key(hidden).unflatten(1, (self.num_heads, -1))  # (N, Q, V)
        return (keys * self.query).sum(2) * self.query.shape[1] ** -0.5

    def value(self, x: Tensor) -> Tensor:
        """Return (N, Q, V) projected values."""
        return self.values(x).unflatten(1, (self.num_heads, -1))
