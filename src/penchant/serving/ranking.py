"""From histories and memories to ranked lists: the one path of Live, `Recommender` and the CLI.

A ranker belongs to one bundle, never changes, and may be used from several threads.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from penchant.bundle import Bundle
from penchant.config import build_roles
from penchant.encoders import Looked, map_state
from penchant.errors import InputError
from penchant.events.arrays import UNKNOWN_ITEM, LogArrays, Part
from penchant.events.given import read_given
from penchant.items import Profiles
from penchant.model import ModelState, Query
from penchant.packed import NO_TIME
from penchant.sequences.packing import pack
from penchant.serving.histories import no_such_item

BLOCK_CELLS = 2**23
"""Scores held at once: 32 MiB in float32."""


class Happening(Protocol):
    """What an event must have to be folded; `LoggedEvent` has it."""

    @property
    def item_id(self) -> str:
        """The item."""

    @property
    def time_ms(self) -> int | None:
        """Milliseconds since 1970, `None` where unknown."""

    @property
    def event_type(self) -> str:
        """The kind of behaviour."""

    @property
    def value(self) -> float | None:
        """A rating, a price, seconds watched."""


@dataclass(frozen=True, slots=True)
class RankedItem:
    """An item and its place in a list, 1 being the best.

    `value` is what an event with it is expected to be worth, where the model learned values.
    """

    item_id: str
    score: float
    rank: int
    value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, the value where there is one."""
        told = {"item_id": self.item_id, "score": self.score, "rank": self.rank}
        return told if self.value is None else {**told, "value": self.value}


class Ranker:
    """Folds histories into states and reads lists from states, under one bundle.

    It never changes; `with_items` and `hiding` make another.

    Parameters
    ----------
    bundle
        The model with its vocabulary and event types.
    new_item_bonus
        Added to the scores of items that came after training.
    """

    def __init__(self, bundle: Bundle, new_item_bonus: float = 0.0) -> None:
        self.bundle = bundle
        self.new_item_bonus = new_item_bonus
        self.model = bundle.model.eval()
        self.items = bundle.vocabulary
        self.num_items = len(bundle.vocabulary)
        self.has_times = bool(bundle.facts["has_times"])
        self.roles = build_roles(bundle.config, bundle.event_types)
        self._type_of = {name: index for index, name in enumerate(bundle.event_types)}
        with torch.inference_mode():
            self.table = self.model.table()  # (I, D)
        self.is_known = np.ones(self.num_items, bool)  # (I,) whether an item has a vector
        self.is_candidate = self.is_known  # (I,) whether it may stand in a list, too
        self.hidden: frozenset[str] = frozenset()

    def with_items(self, ids: Sequence[str], vectors: Tensor, is_known: Tensor) -> Ranker:
        """Return a ranker that knows items which came after the training.

        Parameters
        ----------
        ids
            Of n items, none of them of the bundle. One that came before is replaced.
        vectors, is_known
            (n, D) and (n,) bool: items without a vector have a place, and are in no list.

        Notes
        -----
        Places are given in the order in which items first come, and never change: memories hold
        them.
        """
        grown = copy.copy(self)
        grown.items = self.items.grow(ids)
        grown.num_items = len(grown.items)
        num_new = grown.num_items - self.num_items
        at = grown.items.indices(ids)
        assert (at >= len(self.bundle.vocabulary)).all(), "items of the bundle stay as they are"
        grown.table = torch.cat([self.table, self.table.new_zeros(num_new, self.table.shape[1])])
        grown.table[torch.from_numpy(at)] = vectors.to(self.table)
        grown.is_known = np.append(self.is_known, np.zeros(num_new, bool))
        grown.is_known[at] = is_known.cpu().numpy()
        return grown.hiding(self.hidden)

    def hiding(self, item_ids: Collection[str]) -> Ranker:
        """Return a ranker whose lists hold none of these items; it folds them as before."""
        shown = copy.copy(self)
        shown.hidden = frozenset(item_ids)
        at = self.items.indices(list(shown.hidden))
        shown.is_candidate = self.is_known.copy()
        shown.is_candidate[at[at >= 0]] = False
        return shown

    def arrays(self, histories: Sequence[Sequence[Happening]]) -> LogArrays:
        """Return histories of outside ids as arrays.

        An event of an unknown type counts as one of the first type that is history.
        """
        events = [event for history in histories for event in history]
        none, other = float("nan"), self.roles.unknown_type
        return LogArrays(
            item_index=self.items.indices([event.item_id for event in events]),
            event_type=np.array([self._type_of.get(e.event_type, other) for e in events], np.int64),
            value=np.array([none if e.value is None else e.value for e in events], np.float32),
            time_ms=np.array(
                [NO_TIME if e.time_ms is None else e.time_ms for e in events], np.int64
            ),
            part=np.full(len(events), Part.TRAIN, np.int8),
            offsets=np.cumsum([0, *(len(history) for history in histories)]).astype(np.int64),
        )

    def profiles(self, users: Sequence[Mapping[str, Any]]) -> Profiles | None:
        """Return users' attributes by name as the model reads them, None where it reads none.

        What is not known, or was not seen in training, says nothing.
        """
        if not self.model.profile.is_read:
            return None
        return Profiles.of(read_given(users, self.bundle.user_encoder))

    @torch.inference_mode()
    def begin(self, num_users: int, profiles: Profiles | None = None) -> ModelState:
        """Return the states of users before any event."""
        if profiles is not None:
            profiles = profiles.of_users(torch.arange(num_users, device=self.table.device))
        return self.model.initial_state(num_users, profiles)

    @torch.inference_mode()
    def fold(self, log: LogArrays, state: ModelState | None = None) -> ModelState:
        """Return the states of users after their events.

        Notes
        -----
        Events of unknown items, and those that are no history, move nothing. One event per user is
        one step; several are one forward pass, which equals the steps.
        """
        has_vector = np.append(self.is_known, False)[log.item_index]  # False answers for -1
        known = log.where(has_vector & self.roles.is_history(log.event_type))
        if not self.has_times:
            known = replace(known, time_ms=np.full_like(known.time_ms, NO_TIME))
        events = pack(known, self.table.device)
        state = self.model.initial_state(known.num_users) if state is None else state
        if known.num_events == 0:
            return state
        if (known.lengths == 1).all():
            return self.model.step(events, state, self.table)
        nothing = torch.zeros_like(events.item_index, dtype=torch.bool)
        return self.model(events, state, self.table, Looked(nothing))[1]

    def seen(self, log: LogArrays) -> list[np.ndarray]:
        """Return the items of each history that events of seen types name, sorted, each once."""
        return seen_items(log.where(self.roles.is_seen(log.event_type)))

    @torch.inference_mode()
    def scores(
        self, state: ModelState, at_ms: Sequence[int | None], objective: str = ""
    ) -> np.ndarray:
        """Return (B, I) float32 scores of all items for users asked at the given times.

        Those without a vector, and those that are hidden, score minus infinity.

        Notes
        -----
        The time of asking is passed over where the model was trained on a log without times.

        Raises
        ------
        UsageError
            When the model has no such objective.
        """
        interest = self.model.read(state, self._query(at_ms, objective))
        scores = self.model.scores(interest.vectors, self.table).float().cpu().numpy()  # (B, I)
        scores[:, self.model.items.num_trained :] += np.float32(self.new_item_bonus)
        scores[:, ~self.is_candidate] = -np.inf
        return scores

    def lists(
        self,
        state: ModelState,
        at_ms: Sequence[int | None],
        k: int,
        excluded: Sequence[np.ndarray],
        objective: str = "",
    ) -> list[tuple[RankedItem, ...]]:
        """Return the k best items of each user, those of `excluded` left out."""
        check_k(k)
        rows = self.scores(state, at_ms, objective)
        best = [best_first(row, k, out) for row, out in zip(rows, excluded, strict=True)]
        if self.model.value is None:
            return [self._ranked(row, order) for row, order in zip(rows, best, strict=True)]
        values = self._values(state, at_ms, best)
        return [self._ranked(*found) for found in zip(rows, best, values, strict=True)]

    def _query(self, at_ms: Sequence[int | None], objective: str = "") -> Query:
        asked = [NO_TIME if at is None or not self.has_times else at for at in at_ms]
        return Query(torch.tensor(asked, device=self.table.device), objective)

    @torch.inference_mode()
    def _values(
        self, state: ModelState, at_ms: Sequence[int | None], best: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Return the values expected of the items of each list."""
        sizes = [len(order) for order in best]
        owner = torch.from_numpy(np.repeat(np.arange(len(best)), sizes)).to(self.table.device)
        items = torch.from_numpy(np.concatenate(best)).to(self.table.device)
        query = self._query(at_ms)
        of_item = map_state(state, lambda leaf: leaf[owner])
        found = self.model.values(of_item, Query(query.at_ms[owner]), self.table[items])
        return np.split(found.float().cpu().numpy(), np.cumsum(sizes)[:-1])

    def similar(self, item_id: str, k: int = 10) -> tuple[RankedItem, ...]:
        """Return the k items whose vectors point most nearly the same way, by cosine.

        Raises
        ------
        UnknownItemError
            When the item is not in the vocabulary.
        """
        check_k(k)
        index = self.index(item_id)
        with torch.inference_mode():
            length = self.table.norm(dim=1).clamp(min=1e-12)
            cosine = (self.table @ self.table[index] / (length * length[index])).cpu().numpy()
        cosine[~self.is_candidate] = -np.inf
        return self._ranked(cosine, best_first(cosine, k, np.array([index])))

    def index(self, item_id: str) -> int:
        """Return the index of an item.

        Raises
        ------
        UnknownItemError
            When the item is not in the vocabulary.
        """
        index = self.items.index(item_id)
        if index is None:
            raise no_such_item(item_id, self.items)
        return index

    def _ranked(
        self, scores: np.ndarray, order: np.ndarray, values: np.ndarray | None = None
    ) -> tuple[RankedItem, ...]:
        ids = self.items.ids
        told = [None] * len(order) if values is None else values.tolist()
        found = zip(order.tolist(), scores[order].tolist(), told, strict=True)
        return tuple(
            RankedItem(ids[index], score, rank, value)
            for rank, (index, score, value) in enumerate(found, start=1)
        )


def best_first(scores: np.ndarray, k: int, left_out: np.ndarray) -> np.ndarray:
    """Return the indices of the k best scores (I,), the lower index first among equals.

    Examples
    --------
    >>> best_first(np.array([.5, .9, .5, np.nan, .7]), 3, np.array([1])).tolist()
    [4, 0, 2]
    """
    kept = np.where(np.isnan(scores), -np.inf, scores)
    kept[left_out] = -np.inf
    size = min(k, len(kept))
    least = np.partition(kept, len(kept) - size)[len(kept) - size] if size else np.inf
    candidates = np.flatnonzero((kept >= least) & (kept > -np.inf))
    return candidates[np.argsort(-kept[candidates], kind="stable")][:size]


def seen_items(log: LogArrays) -> list[np.ndarray]:
    """Return the known items of each history, sorted, every one once.

    Examples
    --------
    >>> items = np.array([7, 2, 7, -1])
    >>> log = LogArrays(items, items, items, items, items, offsets=np.array([0, 3, 4]))
    >>> [seen.tolist() for seen in seen_items(log)]
    [[2, 7], []]
    """
    cuts = zip(log.offsets[:-1], log.offsets[1:], strict=True)
    found = [np.unique(log.item_index[start:end]) for start, end in cuts]
    return [seen[seen != UNKNOWN_ITEM] for seen in found]


def check_k(k: int) -> None:
    """Refuse a length of list that is none.

    Raises
    ------
    InputError
        When it is below 1.
    """
    if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
        raise InputError(f"k must be a whole number from 1 on but is {k!r}.", "Ask for 10.")
