"""What the laws of folding are asked of: two forms of one fold, and a state.

A subject draws its events from a pool of its own, by row, so that the same laws hold an encoder, an
attention and the whole model to account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from penchant.clock import elapsed_between
from penchant.encoders import SequenceEncoder, WindowEncoder, map_state, state_leaves
from penchant.encoders.window import kept_rows, shown_rows
from penchant.interest import InterestAttention
from penchant.items.profile import Profiles
from penchant.model import InterestModel, ModelState, Trace
from penchant.packed import NO_TIME, PackedEvents, PackedVectors, offsets_of

LENGTHS = (3, 0, 1, 71, 2, 34)
"""Irregular on purpose.

An empty history, one event, and more than two blocks of the streaming attention.
"""


@dataclass(frozen=True, slots=True)
class Histories:
    """Rows of a subject's pool as histories: `rows` (N,), `offsets` (B + 1,)."""

    rows: Tensor
    offsets: Tensor

    @classmethod
    def of_lengths(cls, lengths: tuple[int, ...]) -> Histories:
        """Return histories that take the rows of the pool in order."""
        return cls(torch.arange(sum(lengths)), offsets_of(torch.tensor(lengths)))

    @property
    def lengths(self) -> Tensor:
        """(B,) events of each user."""
        return self.offsets.diff()

    def of_user(self, user: int) -> Histories:
        """Return the history of one user."""
        rows = self.rows[self.offsets[user] : self.offsets[user + 1]]
        return Histories(rows, torch.tensor([0, len(rows)]))

    def split(self, first: Tensor) -> tuple[Histories, Histories]:
        """Cut each history after `first` (B,) events."""
        age = torch.arange(len(self.rows)) - self.offsets[:-1].repeat_interleave(self.lengths)
        head = age < first.repeat_interleave(self.lengths)
        return (
            Histories(self.rows[head], offsets_of(first)),
            Histories(self.rows[~head], offsets_of(self.lengths - first)),
        )


Fold = Callable[[Any, Tensor, Any], tuple[Tensor, Any]]


@dataclass(frozen=True)
class Subject:
    """A pool of events and the two forms of a fold over them.

    Parameters
    ----------
    name
        Used in messages.
    pool
        Tensors with one row per event of the pool.
    initial_state
        From a number of users to a state.
    forward
        (rows of the pool, offsets, state) to (output per event, state).
    step
        The same for one event per user.
    """

    name: str
    pool: tuple[Tensor, ...]
    initial_state: Callable[[int], Any]
    forward: Fold
    step: Fold

    def fold(self, histories: Histories, state: Any) -> tuple[Tensor, Any]:
        """Fold whole histories."""
        return self.forward(self._rows(histories.rows), histories.offsets, state)

    def advance(self, rows: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Fold one event per user."""
        return self.step(self._rows(rows), torch.arange(len(rows) + 1), state)

    def altered(self, row: int) -> Subject:
        """Return the subject with another event at a row of the pool."""
        pool = tuple(leaf.clone() for leaf in self.pool)
        for leaf in pool:
            # A square, since norms do not see a shift or a scale.
            leaf[row] = leaf[row - 1] if leaf.dtype == torch.int64 else leaf[row].square() + 1.0
        return replace(self, pool=pool)

    def _rows(self, rows: Tensor) -> tuple[Tensor, ...]:
        return tuple(leaf[rows] for leaf in self.pool)


def encoder_subject(encoder: SequenceEncoder, width: int, seed: int = 0) -> Subject:
    """Return an encoder as a subject, fed with random vectors."""
    dtype = next(encoder.parameters()).dtype

    if isinstance(encoder, WindowEncoder):
        return _window_subject(encoder, _vector_pool(width, dtype, seed))

    def fold(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        return encoder(_vectors(pool, offsets), state)

    def step(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        return encoder.step(_vectors(pool, offsets), state)

    return Subject(
        type(encoder).__name__, _vector_pool(width, dtype, seed), encoder.initial_state, fold, step
    )


class KeptVectors(NamedTuple):
    """What stands for the window of raw events where an encoder is tested by itself.

    `x` (B, W, D), `elapsed_ms` (B, W), `first` (B, W), and `is_event` (B, W) where there is one.
    """

    x: Tensor
    elapsed_ms: Tensor
    first: Tensor
    is_event: Tensor


def _window_subject(encoder: WindowEncoder, pool: tuple[Tensor, ...]) -> Subject:
    """Return an encoder that is shown its last `reach` events, as the model shows them.

    So steps = forward says that nothing that is forgotten counts.
    """
    size, kept_of_one = encoder.reach - 1, encoder.initial_state(1)

    def initial_state(num_users: int) -> KeptVectors:
        x, gap, first = (leaf.new_zeros(num_users, size, *leaf.shape[1:]) for leaf in pool)
        return KeptVectors(x, gap, first, torch.zeros(num_users, size, dtype=torch.bool))

    def fold(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        source, both = shown_rows(state.is_event.sum(1), size, offsets)
        shown = tuple(
            torch.cat([kept.flatten(0, 1), new])[source]
            for kept, new in zip(state[:3], pool, strict=True)
        )
        hidden = encoder.encode(_vectors(shown, both))
        if len(source) == 0:
            return hidden, state
        row = kept_rows(both, size, kept_of_one.forgotten(both.diff()))
        is_event = row >= 0
        x, gap, first = (
            torch.where(is_event.view(*row.shape, *[1] * (leaf.dim() - 1)), leaf[row], 0)
            for leaf in shown
        )
        is_new = source >= state.is_event.numel()
        return hidden[is_new], KeptVectors(x, gap, first, is_event)

    return Subject(type(encoder).__name__, pool, initial_state, fold, fold)


def attention_subject(attention: InterestAttention, width: int, seed: int = 0) -> Subject:
    """Return an attention as a subject; its hidden vectors are a fixed rotation of the events."""
    dtype = next(attention.parameters()).dtype

    def fold(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        events = _vectors(pool, offsets)
        return attention(events, events.x.roll(1, dims=1), state)

    def step(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        events = _vectors(pool, offsets)
        return attention.step(events, events.x.roll(1, dims=1), state)

    return Subject(
        type(attention).__name__,
        _vector_pool(width, dtype, seed),
        attention.initial_state,
        fold,
        step,
    )


def model_subject(
    model: InterestModel,
    seed: int = 0,
    history_types: Sequence[int] | None = None,
    profiles: Profiles | None = None,
) -> Subject:
    """Return a whole model as a subject.

    Its outputs are interest vectors one second after each event. Some times and some values are
    unknown; of three types of events those of `history_types` are folded and others move nothing.
    All users have the first of the `profiles`.
    """
    draw = torch.Generator().manual_seed(seed)
    size = sum(LENGTHS)
    pool = (
        torch.randint(model.num_items, (size,), generator=draw),
        torch.randn(size, generator=draw),
        torch.randint(1_000_000_000, (size,), generator=draw).cumsum(0),
        torch.randint(3, (size,), generator=draw),
    )
    pool[1][4::9], pool[2][5::11] = torch.nan, NO_TIME
    folded = torch.tensor(list(range(3) if history_types is None else history_types))

    def events(pool: tuple[Tensor, ...], offsets: Tensor) -> PackedEvents:
        item, value, time_ms, kind = pool
        return PackedEvents(item, kind, value, time_ms, kind[:, None][:, :0], offsets)

    def asked(shown: Trace, last_ms: Tensor, time_ms: Tensor) -> Tensor:
        at_ms = torch.where(time_ms == NO_TIME, NO_TIME, time_ms + 1_000)
        return model.readout(shown, elapsed_between(last_ms, at_ms), at_ms)

    def fold(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        whole = events(pool, offsets)
        keep = torch.isin(whole.event_type, folded)
        ends = torch.cat([keep.new_zeros(1).long(), keep.cumsum(0)])  # (N + 1,) kept before each
        history = whole.select(keep.nonzero().squeeze(1), ends[offsets].diff())
        trace, after = model(history, state)
        user, last = whole.user, ends[1:] - 1
        is_old = last < history.offsets[user]  # nothing of the history stands before this row

        def shown(kept: Tensor, before: Tensor) -> Tensor:
            both = torch.cat([before, kept])
            return both[torch.where(is_old, user, last + len(before))]

        seen = Trace(*map(shown, trace, model.trace_of(state)))
        last_ms = shown(history.time_ms, state.last_time_ms)
        return asked(seen, last_ms, whole.time_ms), after

    def step(pool: tuple[Tensor, ...], offsets: Tensor, state: Any) -> tuple[Tensor, Any]:
        whole = events(pool, offsets)
        keep = torch.isin(whole.event_type, folded)
        before = iter(state_leaves(state))

        def chosen(leaf: Tensor) -> Tensor:
            return torch.where(keep.view(-1, *[1] * (leaf.dim() - 1)), leaf, next(before))

        after = map_state(model.step(whole, state), chosen)
        return asked(model.trace_of(after), after.last_time_ms, whole.time_ms), after

    def initial_state(num_users: int) -> ModelState:
        if profiles is None:
            return model.initial_state(num_users)
        alike = profiles.of_users(torch.zeros(num_users, dtype=torch.int64))
        return model.initial_state(num_users, alike)

    return Subject(type(model).__name__, pool, initial_state, fold, step)


def _vector_pool(width: int, dtype: torch.dtype, seed: int) -> tuple[Tensor, ...]:
    """Return vectors, gaps from 0 s to 10 years, and the first-event marks of `LENGTHS`."""
    draw = torch.Generator().manual_seed(seed)
    size = sum(LENGTHS)
    years = 10 * 365 * 86_400_000
    gaps = torch.exp(torch.rand(size, generator=draw, dtype=torch.float64) * 26.5).long()
    gaps[::7], gaps[3::11] = 0, years
    first = torch.zeros(size)
    starts = offsets_of(torch.tensor(LENGTHS))[:-1]
    first[starts[torch.tensor(LENGTHS) > 0]] = 1.0
    return torch.randn(size, width, generator=draw, dtype=torch.float64).to(dtype), gaps, first


def _vectors(pool: tuple[Tensor, ...], offsets: Tensor) -> PackedVectors:
    x, elapsed_ms, first = pool
    return PackedVectors(x, elapsed_ms, first > 0, offsets)
