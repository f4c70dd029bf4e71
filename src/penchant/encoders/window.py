"""Encoders whose memory is a window of raw events, and that window.

A window encoder is a pure function of the events it is shown; what it has read it does not carry.
So the model keeps a user's last events, and shows them again before the new ones.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, Self

import torch
from torch import Tensor

from penchant.encoders.base import SequenceEncoder
from penchant.packed import NO_TIME, PackedEvents, PackedVectors, offsets_of, owner_of

EMPTY = -1
"""The item of a place in a window that holds no event."""


class Shown(NamedTuple):
    """What stands in a window, then new events, end to end.

    `events` of all users; `is_new` (N + kept,) which rows are new; `num_kept` (B,) rows of each
    user that are not; `before_ms` (B,) the time of the event before each user's first row.
    """

    events: PackedEvents
    is_new: Tensor
    num_kept: Tensor
    before_ms: Tensor


class Looked(NamedTuple):
    """What of a trace is looked at; the other hidden vectors may be zeros.

    `rows` (N,) bool, all when None; memories are whole in any case. `is_hidden` (N,) bool the
    events that a masked-item encoder is to fill in, None where it reads as in serving.
    """

    rows: Tensor | None = None
    is_hidden: Tensor | None = None

    def among(self, shown: Shown, events: PackedEvents) -> Looked:
        """Return the same for events among those that were kept, and ask for the last ones."""
        if self.is_hidden is not None:
            is_hidden = torch.zeros_like(shown.is_new)
            is_hidden[shown.is_new] = self.is_hidden
            return Looked(None, is_hidden)
        rows = shown.is_new.clone()
        if self.rows is not None:
            rows[shown.is_new] = self.rows
            rows[shown.events.offsets[1:][events.lengths > 0] - 1] = True
        return Looked(rows)


class EventWindow(NamedTuple):
    """The last W events of B users, the newest at the end, empty places before them.

    `item_index` (B, W) int32, `EMPTY` where there is no event; `event_type` (B, W) int16; `value`
    (B, W) float32; `time_ms` (B, W) int64; `before_ms` (B,) int64 the time of the event before the
    oldest one kept. 18 bytes an event.
    """

    item_index: Tensor
    event_type: Tensor
    value: Tensor
    time_ms: Tensor
    before_ms: Tensor

    @classmethod
    def empty(cls, num_users: int, size: int, device: torch.device) -> Self:
        """Return windows without events."""

        def full(fill: float, dtype: torch.dtype) -> Tensor:
            return torch.full((num_users, size), fill, dtype=dtype, device=device)

        return cls(
            full(EMPTY, torch.int32),
            full(0, torch.int16),
            full(0.0, torch.float32),
            full(NO_TIME, torch.int64),
            torch.full((num_users,), NO_TIME, dtype=torch.int64, device=device),
        )

    @property
    def num_kept(self) -> Tensor:
        """(B,) events in each window."""
        return (self.item_index != EMPTY).sum(1)

    def emptied(self) -> Self:
        """Return windows of the same size without events."""
        num_users, size = self.item_index.shape
        return self.empty(num_users, size, self.item_index.device)

    def show(self, events: PackedEvents, last_time_ms: Tensor) -> Shown:
        """Return kept events followed by new ones; `last_time_ms` (B,) is that of the newest."""
        kept = self.num_kept
        before_ms = torch.where(kept > 0, self.before_ms, last_time_ms)
        if not int(kept.sum()):
            is_new = torch.ones_like(events.item_index, dtype=torch.bool)
            return Shown(events, is_new, kept, before_ms)
        source, offsets = shown_rows(kept, self.item_index.shape[1], events.offsets)
        item_index, event_type, value, time_ms = (pool[source] for pool in self._pools(events))
        no_context = events.context.new_zeros(len(source), 0)
        shown = PackedEvents(item_index, event_type, value, time_ms, no_context, offsets)
        return Shown(shown, source >= self.item_index.numel(), kept, before_ms)

    def forgotten(self, lengths: Tensor) -> Tensor:
        """Return (B,) how many of the events shown, (B,) of each user, no later one will see."""
        return (lengths - self.item_index.shape[1]).clamp(min=0)

    def after(self, shown: Shown) -> Self:
        """Return the windows once the new events have been read."""
        events, size = shown.events, self.item_index.shape[1]
        if events.num_events == 0:
            return self._replace(before_ms=shown.before_ms)
        forgotten = self.forgotten(events.lengths)
        row = kept_rows(events.offsets, size, forgotten)  # (B, W)
        earlier = (events.offsets[:-1] + forgotten - 1).clamp(min=0)

        def last(column: Tensor, like: Tensor, empty: float) -> Tensor:
            return torch.where(row >= 0, column[row], empty).to(like.dtype)

        return type(self)(
            last(events.item_index, self.item_index, EMPTY),
            last(events.event_type, self.event_type, 0),
            last(events.value, self.value, 0.0),
            last(events.time_ms, self.time_ms, NO_TIME),
            torch.where(forgotten > 0, events.time_ms[earlier], shown.before_ms),
        )

    def _pools(self, events: PackedEvents) -> tuple[Tensor, ...]:
        """Return the columns of all places of all windows, then of the new events."""
        new = (events.item_index, events.event_type, events.value, events.time_ms)
        return tuple(
            torch.cat([kept.flatten().to(column.dtype), column])
            for kept, column in zip(self[:4], new, strict=True)
        )


def shown_rows(kept: Tensor, size: int, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return which rows to show, and their offsets.

    Parameters
    ----------
    kept
        (B,) events in each window.
    size
        Places W of a window, the newest event in the last.
    offsets
        (B + 1,) of the new events.

    Returns
    -------
    source, offsets
        (N',) rows of the B · W places of all windows followed by the new events.

    Examples
    --------
    >>> shown_rows(torch.tensor([2, 0]), 3, torch.tensor([0, 1, 2]))
    (tensor([1, 2, 6, 7]), tensor([0, 3, 4]))
    """
    both = offsets_of(kept + offsets.diff())
    user = owner_of(both, int(both[-1]))
    age = torch.arange(len(user), device=user.device) - both[user]
    from_window = user * size + size - kept[user] + age
    from_new = len(kept) * size + offsets[user] + age - kept[user]
    return torch.where(age < kept[user], from_window, from_new), both


def kept_rows(offsets: Tensor, size: int, forgotten: Tensor) -> Tensor:
    """Return (B, W) the last rows of each user but the first `forgotten` (B,), -1 where no more.

    Examples
    --------
    >>> kept_rows(torch.tensor([0, 3, 4]), 2, torch.tensor([1, 0])).tolist()
    [[1, 2], [-1, 3]]
    """
    row = offsets[1:].unsqueeze(1) - size + torch.arange(size, device=offsets.device)
    return torch.where(row >= (offsets[:-1] + forgotten).unsqueeze(1), row, -1)


class WindowEncoder(SequenceEncoder):
    """A pure function of a user's last events.

    Notes
    -----
    The state is the window of raw events that the model keeps; the encoder itself reads what it is
    shown and nothing else.
    """

    memory_kind = "window"

    @property
    @abstractmethod
    def reach(self) -> int:
        """Newest events, the present one included, on which a hidden vector depends."""

    @abstractmethod
    def encode(self, events: PackedVectors, asked: Tensor | None = None) -> Tensor:
        """Return (N, D) the hidden vector of each event, from it and those before it.

        Only those of `asked` (N,) bool are looked at, all when left out.
        """

    def read(self, events: PackedVectors, looked: Looked) -> Tensor:
        """Return (N, D) hidden vectors where they are looked at."""
        assert looked.is_hidden is None, "only masked-item encoders fill in what is hidden"
        return self.encode(events, looked.rows)

    def initial_state(self, num_users: int) -> EventWindow:
        """Return empty windows of the `reach` - 1 events that a next one needs."""
        device = next(self.parameters()).device
        return EventWindow.empty(num_users, self.reach - 1, device)

    def forward(
        self, events: PackedVectors, state: EventWindow | None = None
    ) -> tuple[Tensor, EventWindow]:
        """Read events among which those of the window already are; the window is given back."""
        return self.encode(events), self.initial_state(events.num_users) if state is None else state

    def step(self, events: PackedVectors, state: EventWindow) -> tuple[Tensor, EventWindow]:
        """Read one event per user as if it were the first; the model shows the window as well."""
        return self.encode(events), state


class MaskedItemEncoder(WindowEncoder):
    """A window encoder that fills in hidden events, and sees both sides of them.

    Notes
    -----
    H_t is what it makes of an unknown event behind event t, so each one is made anew from the whole
    window: only where it is asked for. In training, events are hidden at random, and what is made
    of a hidden event t + 1 is H_t.
    """

    is_causal = False

    @abstractmethod
    def draw(self, events: PackedEvents) -> Tensor:
        """Return (N,) bool, which events to hide: never a user's first."""

    @abstractmethod
    def filled(self, offsets: Tensor, is_hidden: Tensor) -> Tensor:
        """Return (N,) bool, for which t event t + 1 is hidden, or none is shown behind t."""

    @abstractmethod
    def fill(self, events: PackedVectors, is_hidden: Tensor) -> Tensor:
        """Return (N, D) H_t where `filled` says so and zeros elsewhere."""

    def read(self, events: PackedVectors, looked: Looked) -> Tensor:
        """Return (N, D) hidden vectors where they are looked at, or filled in."""
        if looked.is_hidden is None:
            return super().read(events, looked)
        return self.fill(events, looked.is_hidden)
