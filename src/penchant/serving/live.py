"""The live engine: an event moves one memory by one step, and a list is read from the memory.

Durable is what the store makes durable; nothing but caches lives here. A memory always equals the
fold of its user's kept log in (time, log sequence) order: late events fold it again, a memory
behind its log catches up when read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from penchant.bundle import Bundle
from penchant.errors import InputError
from penchant.serving.events import Event, RejectedError, time_ms_of
from penchant.serving.memory import advance, decode_seen, decode_state
from penchant.serving.ranking import RankedItem, Ranker
from penchant.serving.results import (
    Fate,
    ObserveResult,
    PutItemResult,
    RecommendResult,
    observe_result,
)
from penchant.stores import ForgetReceipt, LoggedEvent, Memory, Outcome, Store, open_store

_log = logging.getLogger("penchant.live")


class Live:
    """Observe events, recommend from memories; safe to use from threads.

    Parameters
    ----------
    model
        A `Recommender`, a `Bundle`, or the path of a run or a bundle.
    store
        An open store, or the address of one; what was opened here is closed here.
    clock
        Gives the present in epoch seconds; a replay gives log time.
    max_ahead_s
        Events later than the clock by more are rejected.

    Raises
    ------
    InputError
        When the model is none of these, or the store has no such address.

    Relations
    ---------
    Replaying a log gives the ranks of the offline evaluator.
    """

    def __init__(
        self,
        model: Bundle | str | Path | Any,
        store: Store | str = "memory://",
        *,
        clock: Callable[[], float] = time.time,
        max_ahead_s: float = 300.0,
    ) -> None:
        self._owns_store = isinstance(store, str)
        self.store = open_store(store) if isinstance(store, str) else store
        self._clock = clock
        self._max_ahead_ms = round(max_ahead_s * 1000)
        self._ranker = _ranker_of(model)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store if it was opened here."""
        if self._owns_store:
            self.store.close()

    @property
    def model_version(self) -> str:
        """Id of the bundle that answers."""
        return self._ranker.bundle.id

    def observe(
        self, events: Event | Mapping[str, Any] | Iterable[Event | Mapping[str, Any]]
    ) -> ObserveResult:
        """Record events and move the memories of their users, in one transaction.

        Notes
        -----
        Good events are kept whatever the others are. Several events of a user, late ones too, fold
        once.
        """
        given = [events] if isinstance(events, Event | Mapping) else list(events)
        now_ms = self._now_ms()
        outcomes: list[Fate] = []
        with self.store.transaction():
            for one in given:
                try:
                    outcomes.append(self.store.append(self._checked(one, now_ms)))
                except RejectedError as error:
                    outcomes.append(error)
            ranker = self._ranker
            for user_id in dict.fromkeys(
                outcome[1].user_id
                for outcome in outcomes
                if isinstance(outcome, tuple) and outcome[0] is Outcome.ACCEPTED
            ):
                self._caught_up(ranker, user_id)
        return observe_result(outcomes)

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        at: float | datetime | str | None = None,
        exclude_seen: bool = True,
        objective: str | None = None,
    ) -> RecommendResult:
        """Return the k best items for a user; one without events gets the list of an empty history.

        Parameters
        ----------
        at
            The time of asking, now when left out. Earlier than the last event: what is known by
            then counts.
        objective
            What is asked for where the model has several objectives; the first when left out.

        Raises
        ------
        UsageError
            When the model has no such objective.
        """
        ranker, user_id = self._ranker, str(user_id)
        at_ms = self._now_ms() if at is None else time_ms_of(at)
        with self.store.transaction():
            memory = self._caught_up(ranker, user_id)
            if at is not None and memory.last_time_ms is not None and at_ms < memory.last_time_ms:
                memory = advance(ranker, Memory(), self.store.events(user_id, through_ms=at_ms))
            is_complete = self.store.history_complete(user_id)
        like = ranker.model.initial_state(1)
        state = decode_state(memory.state, like) if memory.state else like
        seen = decode_seen(memory.seen, ranker.num_items)
        left_out = seen if exclude_seen else np.array([], int)
        [items] = ranker.lists(state, [at_ms], k, [left_out], objective or "")
        return RecommendResult(items, ranker.bundle.id, memory.num_events, is_complete)

    def similar(self, item_id: str, k: int = 10) -> tuple[RankedItem, ...]:
        """Return the k items most like an item."""
        return self._ranker.similar(item_id, k)

    def forget(self, user_id: str) -> ForgetReceipt:
        """Delete all that is kept of a user; a replay of events up to now stays out."""
        return self.store.forget(str(user_id), self._now_ms())

    def use(self, model: Bundle | str | Path | Any) -> None:
        """Answer with another bundle from now on.

        Notes
        -----
        It has memories of its own, folded from the log when a user is next touched; those of the
        bundle before stay, so that the change can be taken back.
        """
        self._ranker = _ranker_of(model)

    def put_item(self, item: Mapping[str, Any]) -> PutItemResult:
        """Keep an item's attributes.

        Notes
        -----
        An item that the bundle was not trained on has no vector: it is kept, and not recommended
        until a bundle that knows it is used.
        """
        given = {str(name): entry for name, entry in item.items()}
        item_id = given.pop("item_id", None)
        if item_id is None or not str(item_id):
            raise InputError(
                "An item must have an item_id, and this one has none.",
                'Say live.put_item({"item_id": "item 5", "title": ...}).',
            )
        item_id = str(item_id)
        self.store.put_item(item_id, given)
        if item_id in self._ranker.items:
            return PutItemResult(item_id, True, "The attributes are kept.")
        message = (
            f'"{item_id}" has no vector in {self.model_version}: it is kept, and can be '
            "recommended once a model that was trained with it is used."
        )
        _log.warning(message)
        return PutItemResult(item_id, False, message)

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)

    def _checked(self, given: Event | Mapping[str, Any], now_ms: int) -> LoggedEvent:
        event = Event.of(given).logged(now_ms)
        if event.time_ms > now_ms + self._max_ahead_ms:
            raise RejectedError(
                "in_the_future",
                f"An event must not be later than now by more than {self._max_ahead_ms / 1000:g} s "
                f"but is by {(event.time_ms - now_ms) / 1000:g} s.",
                "Give timestamp in epoch seconds, and check the clock.",
            )
        if event.item_id not in self._ranker.items:
            _log.info('Item "%s" is unknown: the event is kept and moves nothing.', event.item_id)
        return event

    def _caught_up(self, ranker: Ranker, user_id: str) -> Memory:
        """Return the memory of a user with all of the log folded in; call inside a transaction."""
        bundle_id = ranker.bundle.id
        memory = self.store.get_memory(user_id, bundle_id)
        new = self.store.events(user_id, after_sequence=memory.applied_through)
        if not new:
            return memory
        if memory.last_time_ms is not None and new[0].time_ms < memory.last_time_ms:
            memory = Memory(revision=memory.revision)  # late: the whole log is folded again
            new = self.store.events(user_id)
        return self.store.put_memory(user_id, bundle_id, advance(ranker, memory, new))


def _ranker_of(model: Any) -> Ranker:
    if isinstance(model, str | Path):
        return Ranker(Bundle.load(model))
    bundle = getattr(model, "bundle", model)
    if not isinstance(bundle, Bundle):
        raise InputError(
            f"Live answers with a Recommender, a Bundle or a path but got {type(model).__name__}.",
            "Say Live(rec), or Live(directory of a run).",
        )
    return Ranker(bundle)
