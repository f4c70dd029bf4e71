"""Bare histories: lists of items, with or without times, that are a user without being one.

They come from outside (a notebook, a file, a command line) and are checked here once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from penchant.errors import InputError, UnknownItemError, UsageError
from penchant.registry import nearest
from penchant.serving.events import time_ms_of, value_of

OnUnknown = Literal["skip", "error"]


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """An event of a bare history; `time_ms` is `None` where nobody knows when it was."""

    item_id: str
    time_ms: int | None = None
    event_type: str = "event"
    value: float | None = None

    @classmethod
    def of(cls, given: Any) -> HistoryEvent:
        """Take an item id, a pair (item id, timestamp), or a mapping with the fields of an event.

        Raises
        ------
        InputError
            When it is none of these.

        Examples
        --------
        >>> HistoryEvent.of("tea"), HistoryEvent.of({"item_id": 7, "timestamp": 1.5}).time_ms
        (HistoryEvent(item_id='tea', time_ms=None, event_type='event', value=None), 1500)
        """
        if isinstance(given, HistoryEvent):
            return given
        if isinstance(given, tuple | list) and len(given) == 2:
            given = {"item_id": given[0], "timestamp": given[1]}
        if not isinstance(given, Mapping):
            given = {"item_id": given}
        item_id, timestamp = given.get("item_id"), given.get("timestamp")
        if isinstance(item_id, bool) or not isinstance(item_id, str | Integral) or item_id == "":
            raise InputError(
                f"An event of a history must name an item but has item_id {item_id!r}.",
                'Give "item 5", ("item 5", 1777636800) or {"item_id": "item 5", ...}.',
            )
        return cls(
            str(item_id),
            None if timestamp is None else time_ms_of(timestamp),
            str(given.get("event_type") or "event"),
            value_of(given.get("value")),
        )


def in_order(history: Iterable[Any]) -> list[HistoryEvent]:
    """Return the events of a history by time, ties as given; as given where a time is missing.

    Raises
    ------
    InputError
        When the history is a bare text, or holds what is no event.

    Examples
    --------
    >>> [event.item_id for event in in_order([("b", 20), ("c", 20), ("a", 5)])]
    ['a', 'b', 'c']
    """
    if isinstance(history, str | bytes | Mapping):
        raise InputError(
            f"A history must be a list of events but is {type(history).__name__}.",
            'Say histories=[["item 5", "item 9"]]: one list per user.',
        )
    events = [HistoryEvent.of(given) for given in history]
    times = [event.time_ms for event in events]
    if None in times:
        return events
    return sorted(events, key=lambda event: event.time_ms or 0)


def unknown_items(
    histories: Iterable[Sequence[HistoryEvent]], known: Any, on_unknown: OnUnknown
) -> list[str]:
    """Return the items that the vocabulary does not hold, each once, or refuse them.

    Raises
    ------
    UnknownItemError
        When there is one and `on_unknown` is `error`.
    UsageError
        When `on_unknown` is neither `skip` nor `error`.
    """
    if on_unknown not in ("skip", "error"):
        raise UsageError(
            f'What to do with unknown items must be skip or error but is "{on_unknown}".'
        )
    ids = dict.fromkeys(event.item_id for history in histories for event in history)
    unknown = [item_id for item_id in ids if item_id not in known]
    if unknown and on_unknown == "error":
        raise no_such_item(unknown[0], known)
    return unknown


def no_such_item(item_id: str, known: Any) -> UnknownItemError:
    """Return the error that an unknown item deserves, with the nearest known one as a hint."""
    close = nearest(item_id, list(known.ids)) if len(known) <= 20_000 else ""
    return UnknownItemError(
        f'Item "{item_id}" must be one of the {len(known):,} items of the model, and is not.',
        close.partition(" Known: ")[0] if close.startswith("Did you mean") else "",
    )
