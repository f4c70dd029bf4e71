"""The interest model: items + encoder + interest + head, whole histories or event by event.

`forward` trains and evaluates, `step` serves, `read` answers. A user is a `ModelState` and nothing
else: a value that comes in and goes out. What is stored, and when, is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from penchant.clock import elapsed_between
from penchant.encoders import Looked, SequenceEncoder, WindowEncoder, state_bytes
from penchant.errors import UsageError
from penchant.heads import Head
from penchant.interest import (
    InterestAttention,
    Likeness,
    NoLikeness,
    Readout,
    RunningSum,
    TextLikeness,
    ValueReadout,
)
from penchant.items import BehaviourInput, ItemEncoder, Table
from penchant.items.profile import NoProfile, ProfileInput, Profiles
from penchant.packed import NO_ELAPSED, NO_TIME, PackedEvents, PackedVectors, last_rows
from penchant.registry import nearest

Form = Callable[[PackedVectors, Any], tuple[Tensor, Any]]
"""`forward` or `step` of an encoder."""


class ModelState(NamedTuple):
    """All that is remembered of B users.

    `encoder` and `attention` are the parts' own states, `hidden` (B, D) the encoder's last vector
    H, `last_time_ms` (B,) int64 the time of the last event or `NO_TIME`, `num_events` (B,) int64,
    `texts` (B, T) the sum of their fading texts; T is 0 where no likeness is used.
    """

    encoder: Any
    attention: RunningSum
    hidden: Tensor
    last_time_ms: Tensor
    num_events: Tensor
    texts: Tensor


class Trace(NamedTuple):
    """What a user's memory would show after each event.

    X^ `attended` (N, D), H `hidden` (N, D) and the fading `texts` (N, T).
    """

    attended: Tensor
    hidden: Tensor
    texts: Tensor

    def rows(self, index: Tensor) -> Trace:
        """Return the given rows."""
        return Trace(*(leaf[index] for leaf in self))


class Query(NamedTuple):
    """How interest is asked for.

    `at_ms` (B,) int64 the time of asking, `NO_TIME` where it does not matter; `objective` what is
    asked for where a model has several objectives, the first when empty.
    """

    at_ms: Tensor
    objective: str = ""


class Interest(NamedTuple):
    """What a user is inclined to: `vectors` (B, K, D), and `weights` (B, K) of the K interests."""

    vectors: Tensor
    weights: Tensor


class InterestModel(nn.Module):
    """A user's interest as a memory that every event moves by one step.

    Parameters
    ----------
    items
        Vectors of the items, shared by input and output.
    behaviour
        What an event adds to its item's vector.
    encoder
        How interest moves.
    interest
        What matters in the history.
    readout
        Fuses both into an interest vector; one by name for each objective where there are several.
    head
        Scores items by the interest vector.
    value
        Says what value an event with an item would have, where that is learned.
    profile
        What is read of users before their first event; nothing when left out.
    likeness
        How texts of items and of the latest events are compared; not at all when left out.

    Relations
    ---------
    `step` over a history, one event at a time, gives the state and the trace of `forward` over the
    whole.
    """

    # limit: constructor-parameters: the parts of a model, each once
    def __init__(
        self,
        items: ItemEncoder,
        behaviour: BehaviourInput,
        encoder: SequenceEncoder,
        interest: InterestAttention,
        readout: Readout | Mapping[str, Readout],
        head: Head,
        value: ValueReadout | None = None,
        profile: ProfileInput | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        super().__init__()
        self.items = items
        self.behaviour = behaviour
        self.encoder = encoder
        self.interest = interest
        first, *others = [readout] if isinstance(readout, Readout) else readout.values()
        self.objectives = () if isinstance(readout, Readout) else tuple(readout)
        self.readout_layers = first
        self.other_readouts = nn.ModuleList(others)
        self.head = head
        self.value = value
        self.profile = NoProfile() if profile is None else profile
        self.likeness = NoLikeness() if likeness is None else likeness

    @property
    def num_items(self) -> int:
        """Items I in the catalogue."""
        return self.items.num_items

    @property
    def width(self) -> int:
        """Width D of vectors."""
        return self.interest.width

    @property
    def state_bytes(self) -> int:
        """Bytes of one user's memory, constant in the length of the history."""
        return state_bytes(self.initial_state(1))

    def initial_state(self, num_users: int, profiles: Profiles | None = None) -> ModelState:
        """Return the memory of users without events: what their profiles say, where it is read.

        Nothing is known of the users when `profiles` is left out.
        """
        attention = self.interest.initial_state(num_users)
        empty = ModelState(
            self.encoder.initial_state(num_users),
            attention,
            attention.total.new_zeros(num_users, self.width),
            torch.full((num_users,), NO_TIME, dtype=torch.int64, device=attention.weight.device),
            torch.zeros(num_users, dtype=torch.int64, device=attention.weight.device),
            attention.total.new_zeros(num_users, max(self.num_beside - 1, 0)),
        )
        prefix = self.profile(num_users, profiles)
        return empty if prefix is None else self._after_prefix(prefix, empty)

    def _after_prefix(self, prefix: Tensor, empty: ModelState) -> ModelState:
        """Return the memory after one vector per user (B, D) that is no event and has no time."""
        first = PackedVectors(
            prefix,
            torch.full_like(empty.num_events, NO_ELAPSED),
            torch.zeros_like(empty.num_events, dtype=torch.bool),
            torch.arange(len(prefix) + 1, device=prefix.device),
        )
        # A window keeps events alone, so that window encoders see the prefix until the first one.
        hidden, encoder = self.encoder.step(first, empty.encoder)
        scored = hidden if self.encoder.is_causal else prefix
        _, attention = self.interest.step(first, scored, empty.attention)
        return empty._replace(encoder=encoder, attention=attention, hidden=hidden)

    @property
    def num_beside(self) -> int:
        """Numbers that stand behind an item's vector in `table`, for likeness; 0 without it."""
        return self.items.num_directions + 1 if self.likeness.is_used else 0

    def table(self) -> Tensor:
        """Return (I, D + num_beside) vectors of all items."""
        beside = self.beside(None)
        return self.items.table() if beside is None else torch.cat([self.items.table(), beside], 1)

    def beside(self, item_index: Tensor | None) -> Tensor | None:
        """Return (N, num_beside) what stands behind vectors of items, None without likeness."""
        if not isinstance(self.likeness, TextLikeness) or not self.likeness.is_used:
            return None
        texts = self.items.directions(item_index)
        return self.likeness.beside(texts, self.items.is_trained(item_index))

    def forward(
        self,
        events: PackedEvents,
        state: ModelState | None = None,
        table: Table | None = None,
        looked: Looked = Looked(),
    ) -> tuple[Trace, ModelState]:
        """Fold whole histories.

        Parameters
        ----------
        events
            Histories of B users, none of them necessarily long.
        state
            What is remembered of the users so far; that of unknown users when left out.
        table
            Item vectors as `table` gives them where the caller has them already, or a way to take
            their rows. Where it holds D numbers an item alone, likeness is left out.
        looked
            What of the trace is looked at; all of it when left out.

        Returns
        -------
        trace, state
            What the memory shows after each event, and the memory after the last.
        """
        form: Form = self.encoder.forward
        if state is None:
            state = self.initial_state(events.num_users)
            form = form if self.profile.is_read else self._from_nothing
        vectors, hidden, encoder = self._encoded(events, state, table, form, looked)
        scored = hidden if self.encoder.is_causal else vectors.x
        attended, attention = self.interest(vectors, scored, state.attention)
        shown, sums = self._texts(events, state.texts, table), state.texts
        if shown.shape[1]:
            shown, sums = self.likeness(shown, events.user, events.offsets, sums)
        after = self._next(events, state, encoder, attention, hidden)
        return Trace(attended, hidden, shown), after._replace(texts=sums)

    def step(
        self, events: PackedEvents, state: ModelState, table: Table | None = None
    ) -> ModelState:
        """Fold one event per user (N = B) in constant time."""
        assert events.item_index.shape[0] == events.num_users, "a step takes one event per user"
        vectors, hidden, encoder = self._encoded(events, state, table, self.encoder.step)
        scored = hidden if self.encoder.is_causal else vectors.x
        _, attention = self.interest.step(vectors, scored, state.attention)
        after = self._next(events, state, encoder, attention, hidden)
        texts = self._texts(events, state.texts, table)
        if texts.shape[1] == 0:
            return after
        assert isinstance(self.likeness, TextLikeness), "nothing else keeps sums of texts"
        return after._replace(texts=self.likeness.step(texts, state.texts))

    def trace_of(self, state: ModelState) -> Trace:
        """Return what memories show (N = B)."""
        return Trace(self.interest.attended(state.attention), state.hidden, state.texts)

    def place_of(self, objective: str) -> int:
        """Return the place of an objective, that of the first when empty.

        Raises
        ------
        UsageError
            When there is none of that name.
        """
        known = list(self.objectives)
        if objective and objective not in known:
            raise UsageError(
                f'The model must have the objective that is asked for but has no "{objective}".',
                nearest(objective, known) if known else "It has one objective only: leave it out.",
            )
        return known.index(objective) if objective else 0

    def readout_of(self, objective: str = "") -> Readout:
        """Return the readout of an objective."""
        place = self.place_of(objective)
        if place == 0:
            return self.readout_layers
        layers = self.other_readouts[place - 1]
        assert isinstance(layers, Readout)
        return layers

    def readout(
        self, trace: Trace, elapsed_ms: Tensor, at_ms: Tensor | None = None, objective: str = ""
    ) -> Tensor:
        """Return (M, D + num_beside) interest vectors, `elapsed_ms` (M,) after the last event.

        Asked at `at_ms` (M,). `NO_ELAPSED` and `NO_TIME` where unknown.
        """
        layers = self.readout_of(objective)
        vectors = layers(trace.attended, trace.hidden, elapsed_ms, at_ms)
        if trace.texts.shape[1] == 0 or not isinstance(self.likeness, TextLikeness):
            return vectors
        return torch.cat([vectors, self.likeness.asked(trace.texts)], 1)

    def read(self, state: ModelState, query: Query) -> Interest:
        """Return the interest of B users when asked; no history is folded."""
        asked = self._asked(state, query)
        vectors = self.head.interests(asked[:, : self.width])  # (B, K, E)
        texts = asked[:, self.width :].unsqueeze(1).expand(-1, vectors.shape[1], -1)
        vectors = torch.cat([vectors, texts], 2)
        return Interest(vectors, torch.ones_like(vectors[:, :, 0]))

    def values(self, state: ModelState, query: Query, item_vectors: Tensor) -> Tensor:
        """Return (B,) the value that each of B users' next event would have with an item (B, D).

        As learned of targets of the first objective, whichever is asked for.
        """
        assert self.value is not None, "values must be learned, by events.value_as"
        vectors = self._asked(state, query._replace(objective=""))
        return self.value(vectors[:, : self.width], item_vectors[:, : self.width])

    def _asked(self, state: ModelState, query: Query) -> Tensor:
        """Return (B, D) what the readout makes of memories when asked."""
        elapsed_ms = elapsed_between(state.last_time_ms, query.at_ms)
        return self.readout(self.trace_of(state), elapsed_ms, query.at_ms, query.objective)

    def scores(self, vectors: Tensor, table: Tensor | None = None) -> Tensor:
        """Return (M, I) scores of all items for interest vectors.

        Those of a readout (M, D + num_beside), or of `read` (M, K, …): the best of the K counts.
        """
        table = self.table() if table is None else table
        num_beside = table.shape[1] - self.width
        if num_beside == 0:
            return self.head(vectors, table)
        scores = self.head(vectors[..., :-num_beside], table[:, : self.width])
        texts = vectors[..., -num_beside:].flatten(1, -1)[:, :num_beside]  # the same for all K
        return torch.addmm(scores, texts, table[:, self.width :].T)

    def _from_nothing(self, vectors: PackedVectors, _: Any) -> tuple[Tensor, Any]:
        """Let an encoder that is told of no state leave out what memories would add."""
        return self.encoder(vectors)

    def _encoded(
        self,
        events: PackedEvents,
        state: ModelState,
        table: Table | None,
        form: Form,
        looked: Looked = Looked(),
    ) -> tuple[PackedVectors, Tensor, Any]:
        """Return vectors and hidden vectors of the events, and the encoder's state after them."""
        if not isinstance(self.encoder, WindowEncoder):
            vectors = self._vectors(events, state, table)
            return vectors, *form(vectors, state.encoder)
        shown = state.encoder.show(events, state.last_time_ms)
        before = state._replace(
            last_time_ms=shown.before_ms, num_events=state.num_events - shown.num_kept
        )
        vectors = self._vectors(shown.events, before, table)
        if self.encoder.is_causal:  # the attention scores the hidden vectors of all new events
            looked = Looked()
        hidden = self.encoder.read(vectors, looked.among(shown, events))
        after = state.encoder.after(shown)
        if len(hidden) == events.num_events:
            return vectors, hidden, after
        new = shown.is_new.nonzero().squeeze(1)
        vectors = PackedVectors(
            vectors.x[new], vectors.elapsed_ms[new], vectors.is_first[new], events.offsets
        )
        return vectors, hidden[new], after

    def _vectors(
        self, events: PackedEvents, state: ModelState, table: Table | None
    ) -> PackedVectors:
        """Return the events as vectors with the time since the event before."""
        index = events.item_index
        item_vectors = self.items(index) if table is None else table[index][:, : self.width]
        starts = torch.zeros_like(index, dtype=torch.bool)
        starts[events.offsets[:-1][events.lengths > 0]] = True
        user = events.user
        before = torch.where(starts, state.last_time_ms[user], events.time_ms.roll(1))
        elapsed_ms = elapsed_between(before, events.time_ms)
        return PackedVectors(
            self.behaviour(item_vectors, events, elapsed_ms),
            elapsed_ms,
            starts & (state.num_events[user] == 0),
            events.offsets,
        )

    def _texts(self, events: PackedEvents, sums: Tensor, table: Table | None) -> Tensor:
        """Return (N, T) the texts of the events' items; T is 0 where likeness is left out."""
        rows = None
        if sums.shape[1]:
            index = events.item_index
            rows = self.beside(index) if table is None else table[index][:, self.width :]
        if rows is None or rows.shape[1] == 0:
            return sums.new_zeros(events.num_events, 0)
        assert isinstance(self.likeness, TextLikeness), "nothing else keeps sums of texts"
        return self.likeness.texts(rows)

    def _next(
        self,
        events: PackedEvents,
        state: ModelState,
        encoder: Any,
        attention: RunningSum,
        hidden: Tensor,
    ) -> ModelState:
        """Return the memory after the events."""
        return ModelState(
            encoder,
            attention,
            last_rows(hidden, events.offsets, state.hidden),
            last_rows(events.time_ms, events.offsets, state.last_time_ms),
            state.num_events + events.lengths,
            state.texts,
        )
