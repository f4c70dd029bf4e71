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

from penchant.bundle import Bundle
from penchant.errors import InputError
from penchant.events.given import check_given
from penchant.serving.asking import Asking, recommended
from penchant.serving.catching_up import caught_up, is_current
from penchant.serving.current_items import CurrentItems, item_given, put_item_result
from penchant.serving.events import Event, RejectedError, time_ms_of
from penchant.serving.histories import in_order
from penchant.serving.ranking import RankedItem, Ranker
from penchant.serving.results import (
    ObserveResult,
    PutItemResult,
    PutUserResult,
    RecommendResult,
    TakenBackError,
    nothing_kept,
    observe_result,
)
from penchant.stores import (
    ForgetReceipt,
    LoggedEvent,
    Outcome,
    Standing,
    Store,
    open_store,
)

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
    first_list
        Somebody without events gets what is popular among users like them, where the bundle keeps
        that; else the model's own list of an empty history.
    new_item_bonus
        Added to the scores of items that came after training. How often something is taken is
        learned from events alone; what new items get of the attention is to be decided.

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
        first_list: bool = False,
        new_item_bonus: float = 0.0,
    ) -> None:
        self._owns_store = isinstance(store, str)
        self.store = open_store(store) if isinstance(store, str) else store
        self._clock = clock
        self._max_ahead_ms = round(max_ahead_s * 1000)
        self._first_list = first_list
        self._new_item_bonus = new_item_bonus
        self._take(model)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store if it was opened here."""
        if self._owns_store:
            self.store.close()

    @property
    def _ranker(self) -> Ranker:
        return self._items.ranker

    @property
    def bundle(self) -> Bundle:
        """What answers."""
        return self._ranker.bundle

    @property
    def model_version(self) -> str:
        """Id of the bundle that answers."""
        return self._ranker.bundle.id

    def now_ms(self) -> int:
        """Return the present."""
        return round(self._clock() * 1000)

    def observe(
        self,
        events: Event | Mapping[str, Any] | Iterable[Event | Mapping[str, Any]],
        atomic: bool = False,
    ) -> ObserveResult:
        """Record events and move the memories of their users, in one transaction.

        Parameters
        ----------
        atomic
            All are kept, or none: where one is rejected, `accepted` is 0 and nothing was written.

        Notes
        -----
        Good events are kept whatever the others are. Several events of a user, late ones too, fold
        once.
        """
        given = [events] if isinstance(events, Event | Mapping) else list(events)
        now_ms = self.now_ms()
        ranker = self._items.noticed()
        checked = [self._checked(one, now_ms, ranker) for one in given]
        good = [event for event in checked if isinstance(event, LoggedEvent)]
        if atomic and len(good) < len(checked):
            return nothing_kept(checked)
        try:
            with self.store.transaction(*{event.user_id for event in good}):
                kept = self.store.append_many(good)
                fates = iter(kept)
                found = observe_result(
                    [each if isinstance(each, RejectedError) else next(fates) for each in checked]
                )
                if atomic and found.rejected:
                    raise TakenBackError
                ranker = self._items.noticed()  # what was put since: the store tells its revision
                accepted = [event for outcome, event in kept if outcome is Outcome.ACCEPTED]
                for user_id in dict.fromkeys(event.user_id for event in accepted):
                    caught_up(self.store, ranker, user_id)
        except TakenBackError:
            return nothing_kept(checked, found)
        return found

    def recommend(
        self,
        user_id: str | None = None,
        k: int = 10,
        at: float | datetime | str | None = None,
        exclude_seen: bool = True,
        objective: str | None = None,
        user: Mapping[str, Any] | None = None,
        history: Iterable[Any] = (),
        candidates: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
    ) -> RecommendResult:
        """Return the k best items for a user.

        One without events gets the list of an empty history, or what `first_list` asked for.

        Parameters
        ----------
        user_id
            The user; somebody of whom nothing is kept when left out.
        at
            The time of asking, now when left out. Earlier than the last event: what is known by
            then counts.
        objective
            What is asked for where the model has several objectives; the first when left out.
        user
            Attributes that count for this list, over those that are kept of the user. Nothing is
            stored.
        history
            Events on top of those that are kept: item ids, pairs (item id, timestamp), or mappings.
        candidates, exclude
            Only these items, and none of those; what is unknown is passed over.

        Raises
        ------
        UsageError
            When the model has no such objective.
        InputError
            When `user` names an attribute that the model was not trained with, though it reads
            some.
        """
        ranker = self._items.noticed()
        if user is not None and ranker.model.profile.is_read:
            check_given(user, ranker.bundle.user_encoder)
        asking = Asking(
            None if user_id is None else str(user_id),
            k,
            self.now_ms(),
            None if at is None else time_ms_of(at),
            exclude_seen,
            objective or "",
            user or {},
            in_order(history),
            None if candidates is None else list(candidates),
            list(exclude),
        )
        standing = Standing()
        if asking.user_id is not None:
            standing = self._standing(ranker, asking.user_id)
        return recommended(self.store, ranker, asking, standing, self._first_list)

    def similar(self, item_id: str, k: int = 10) -> tuple[RankedItem, ...]:
        """Return the k items most like an item."""
        return self._items.noticed().similar(item_id, k)

    def forget(self, user_id: str) -> ForgetReceipt:
        """Delete all that is kept of a user; a replay of events up to now stays out."""
        return self.store.forget(str(user_id), self.now_ms())

    def use(self, model: Bundle | str | Path | Any) -> None:
        """Answer with another bundle from now on.

        Notes
        -----
        It has memories of its own, folded from the log when a user is next touched; those of the
        bundle before stay, so that the change can be taken back.
        """
        self._take(model)

    def _take(self, model: Any) -> None:
        """Answer with a bundle, and with the items that came after its training."""
        self._items = CurrentItems(_ranker_of(model, self._new_item_bonus), self.store)

    def put_item(self, item: Mapping[str, Any]) -> PutItemResult:
        """Keep an item's attributes; one that is new can be recommended at once.

        Notes
        -----
        An item that the bundle was not trained on has a vector where the bundle reads what is said
        of it, such as its title. Otherwise it is kept, and not recommended until a bundle that
        knows it is used. The first item that is read opens the language model, which takes seconds.
        """
        [result] = self.put_items([item])
        return result

    def put_items(self, items: Iterable[Mapping[str, Any]]) -> list[PutItemResult]:
        """Keep the attributes of many items, in one transaction; texts are read before it."""
        given = [item_given(item) for item in items]
        self._items.put_many(given)
        ranker = self._items.ranker
        results = [put_item_result(ranker, item_id) for item_id, _ in given]
        without = [result for result in results if not result.can_be_recommended]
        if without:
            more = f" So it is with {len(without)} of {len(results)} items."
            _log.warning("%s%s", without[0].message, more if len(without) > 1 else "")
        return results

    def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> PutItemResult:
        """Change some of an item's attributes; `None` takes one away.

        Raises
        ------
        UnknownItemError
            When there is no such item, neither in the store nor in the bundle.
        """
        self._items.patch(item_id, changes)
        return put_item_result(self._items.ranker, item_id)

    def hide_item(self, item_id: str) -> None:
        """Take an item out of all lists until it is put again; what it moved stays moved.

        Raises
        ------
        UnknownItemError
            When there is no such item, neither in the store nor in the bundle.
        """
        self._items.hide(item_id)

    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> PutUserResult:
        """Keep a user's attributes in place of those before.

        Notes
        -----
        Where the bundle reads them and they are others than before, the user's memory is folded
        again before the next list.
        """
        if not isinstance(attributes, Mapping):
            raise InputError(
                f"Attributes must be given by name but are {type(attributes).__name__}.",
                'Say live.put_user("u1", {"age": 31}).',
            )
        given = {str(name): entry for name, entry in attributes.items() if name != "user_id"}
        self.store.put_user(str(user_id), given)
        read = [each.name for each in self._ranker.bundle.user_encoder.attributes]
        return PutUserResult(str(user_id), tuple(name for name in read if name in given))

    def _standing(self, ranker: Ranker, user_id: str) -> Standing:
        """Return what stands of a user with all of the log folded in; mostly one read."""
        standing = self.store.standing(user_id, ranker.bundle.id)
        if is_current(standing, ranker):
            return standing
        with self.store.transaction(user_id):
            return caught_up(self.store, ranker, user_id)

    def _checked(
        self, given: Event | Mapping[str, Any], now_ms: int, ranker: Ranker
    ) -> LoggedEvent | RejectedError:
        """Return an event as a log keeps it, or why it is not let in."""
        try:
            event = Event.of(given).logged(now_ms)
        except RejectedError as error:
            return error
        if event.time_ms > now_ms + self._max_ahead_ms:
            return RejectedError(
                "in_the_future",
                f"An event must not be later than now by more than {self._max_ahead_ms / 1000:g} s "
                f"but is by {(event.time_ms - now_ms) / 1000:g} s.",
                "Give timestamp in epoch seconds, and check the clock.",
            )
        if event.item_id not in ranker.items:
            _log.info('Item "%s" is unknown: the event is kept and moves nothing.', event.item_id)
        return event


def _ranker_of(model: Any, new_item_bonus: float) -> Ranker:
    if isinstance(model, str | Path):
        return Ranker(Bundle.load(model), new_item_bonus)
    bundle = getattr(model, "bundle", model)
    if not isinstance(bundle, Bundle):
        raise InputError(
            f"Live answers with a Recommender, a Bundle or a path but got {type(model).__name__}.",
            "Say Live(rec), or Live(directory of a run).",
        )
    return Ranker(bundle, new_item_bonus)
