"""One asking for a list: what counts for it, and the list that is read from what stands of a user.

Nothing is stored here. A given history is folded on top of a copy of the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penchant.model import ModelState
from penchant.serving.first_list import popular_items
from penchant.serving.histories import HistoryEvent
from penchant.serving.memory import advance, decode_seen, decode_state, with_items
from penchant.serving.ranking import Ranker
from penchant.serving.results import RecommendResult
from penchant.stores import Memory, Standing, Store


@dataclass(frozen=True, slots=True)
class Asking:
    """What a list is asked with.

    Parameters
    ----------
    user_id
        `None` for somebody of whom nothing is kept.
    k
        Length of the list.
    now_ms
        The time of asking where none was given.
    at_ms
        The time of asking where one was given; what happened later does not count.
    told
        Attributes that count for this list alone.
    history
        Events on top of those that are kept, in order.
    candidates
        Only these items, where they are given.
    exclude
        None of these items.
    """

    user_id: str | None
    k: int
    now_ms: int
    at_ms: int | None = None
    exclude_seen: bool = True
    objective: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[HistoryEvent] = ()
    candidates: Sequence[str] | None = None
    exclude: Sequence[str] = ()

    @property
    def when_ms(self) -> int:
        """The time of asking."""
        return self.now_ms if self.at_ms is None else self.at_ms

    def is_known_by_then(self, event: HistoryEvent) -> bool:
        """Say whether an event of the given history counts; one without a time always does."""
        return self.at_ms is None or event.time_ms is None or event.time_ms <= self.at_ms


def recommended(
    store: Store, ranker: Ranker, asking: Asking, standing: Standing, first_list: bool
) -> RecommendResult:
    """Return the list that is asked for.

    Parameters
    ----------
    standing
        Of the user, with all of the log folded in; an empty one for nobody.
    first_list
        Somebody without events gets what is popular, where the bundle keeps that.
    """
    begin, memory = _memory_asked(store, ranker, asking, standing)
    state = decode_state(memory.state, begin) if memory.state else begin
    seen, num_events = decode_seen(memory.seen), memory.num_events
    given = [event for event in asking.history if asking.is_known_by_then(event)]
    if given:
        log = ranker.arrays([given])
        state, seen = ranker.fold(log, state), with_items(seen, ranker.seen(log)[0])
        num_events += len(given)
    left_out = _left_out(ranker, asking, seen)
    without = np.concatenate([*left_out.values(), np.array([], np.int64)])
    popular = ranker.bundle.first_list if first_list and num_events == 0 else None
    if popular is not None:
        told = {**standing.user.attributes, **asking.told}
        items = popular_items(ranker, popular, told, asking.k, left_out=without)
    else:
        [items] = ranker.lists(state, [asking.when_ms], asking.k, [without], asking.objective)
    why: tuple[str, ...] = ()
    if len(items) < asking.k:
        hides = ["hidden"] * bool(ranker.hidden)
        names = [name for name, these in left_out.items() if len(these)] + hides
        why = tuple(names or ["catalogue"])
    return RecommendResult(items, ranker.bundle.id, num_events, standing.is_complete, why)


def _left_out(ranker: Ranker, asking: Asking, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Return the items that the list does not hold, by the reason."""
    left_out: dict[str, np.ndarray] = {}
    if asking.candidates is not None:
        is_other = np.ones(ranker.num_items, bool)
        is_other[_known(ranker, asking.candidates)] = False
        left_out["candidates"] = np.flatnonzero(is_other)
    if asking.exclude:
        left_out["exclude"] = _known(ranker, asking.exclude)
    if asking.exclude_seen:  # another process may have folded an item that is not known here yet
        left_out["seen"] = seen[: np.searchsorted(seen, ranker.num_items)]
    return left_out


def _known(ranker: Ranker, item_ids: Sequence[str]) -> np.ndarray:
    at = ranker.items.indices([str(item_id) for item_id in item_ids])
    return at[at >= 0]


def _memory_asked(
    store: Store, ranker: Ranker, asking: Asking, standing: Standing
) -> tuple[ModelState, Memory]:
    """Return the state of who asks before any event, and the memory that counts at the time."""
    memory, last_ms = standing.memory, standing.memory.last_time_ms
    is_early = asking.at_ms is not None and last_ms is not None and asking.at_ms < last_ms
    is_told = bool(asking.told) and ranker.model.profile.is_read
    if memory.state and not is_early and not is_told:
        return ranker.begin(1), memory  # of which the form alone is looked at
    profiles = ranker.profiles([{**standing.user.attributes, **asking.told}])
    if memory.state and asking.user_id is not None:
        events = store.events(asking.user_id, through_ms=asking.at_ms)
        memory = advance(ranker, Memory(), events, profiles)
    return ranker.begin(1, profiles), memory
