"""What the live engine answers: frozen values with the names of the HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penchant.serving.events import RejectedError
from penchant.serving.ranking import RankedItem
from penchant.stores import LoggedEvent, Outcome

Fate = tuple[Outcome, LoggedEvent] | RejectedError
"""What became of one event: kept, repeated or refused by the store, or rejected at the door."""

_REFUSALS = {
    Outcome.CONFLICT: "event_id {} is taken by an event with other content; give each its own id.",
    Outcome.FORGOTTEN: "Event {} is from before its user was forgotten, and stays out.",
    Outcome.DELETED: "Event {} was deleted, and stays out.",
    Outcome.EXPIRED: "Event {} is from before what is kept of its user's history.",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event was not let in: its place in what was given, a code, and a message."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ObserveResult:
    """What became of the events that were given.

    Parameters
    ----------
    duplicates
        Events whose id was there before with the same content; acknowledged, not applied again.
    event_ids
        Of each event in the order given, `None` for a rejected one.
    """

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]
    event_ids: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class RecommendResult:
    """A list, and what it rests on; iterating gives its items.

    Parameters
    ----------
    model_version
        Id of the bundle.
    num_events
        Events of the user up to the time of asking, those of unknown items included.
    history_complete
        Whether the kept log is the whole history.
    truncated_by
        Why there are fewer items than asked for: `candidates`, `exclude`, `seen`, `hidden`, or
        `catalogue` where it has no more.
    """

    items: tuple[RankedItem, ...]
    model_version: str
    num_events: int
    history_complete: bool
    truncated_by: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[RankedItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def item_ids(self) -> list[str]:
        """The ids, best first."""
        return [item.item_id for item in self.items]


@dataclass(frozen=True, slots=True)
class PutItemResult:
    """What became of an item: whether the present bundle can recommend it, and why not."""

    item_id: str
    can_be_recommended: bool
    message: str


@dataclass(frozen=True, slots=True)
class PutUserResult:
    """What became of a user's attributes: which of them the present bundle reads."""

    user_id: str
    read: tuple[str, ...]


def observe_result(outcomes: Sequence[Fate]) -> ObserveResult:
    """Sum up what became of the events of one call."""
    rejected: list[Rejection] = []
    event_ids: list[str | None] = []
    counts = dict.fromkeys(Outcome, 0)
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, RejectedError):
            rejected.append(Rejection(index, outcome.code, str(outcome)))
            event_ids.append(None)
            continue
        kind, event = outcome
        counts[kind] += 1
        if kind in _REFUSALS:
            rejected.append(Rejection(index, kind.value, _REFUSALS[kind].format(event.event_id)))
        event_ids.append(None if kind in _REFUSALS else event.event_id)
    return ObserveResult(
        counts[Outcome.ACCEPTED], counts[Outcome.DUPLICATE], tuple(rejected), tuple(event_ids)
    )


class TakenBackError(Exception):
    """Raised and caught inside an atomic call, so that the store takes back what was written."""


def nothing_kept(
    checked: Sequence[LoggedEvent | RejectedError], found: ObserveResult | None = None
) -> ObserveResult:
    """Return what an atomic call says of events of which one was rejected.

    Parameters
    ----------
    checked
        What the door made of each event.
    found
        What the store had said, where it was asked.
    """
    if found is not None:
        rejected = found.rejected
    else:
        rejected = tuple(
            Rejection(index, each.code, str(each))
            for index, each in enumerate(checked)
            if isinstance(each, RejectedError)
        )
    return ObserveResult(0, 0, rejected, (None,) * len(checked))
