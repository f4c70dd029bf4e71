"""What every store is: one log of events per user, and one memory per user and bundle.

A store keeps bytes and plain values, knows nothing of models, and never imports torch. Its
contract is proved by `tests/stores/contract.py`, which every member passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any


class Outcome(Enum):
    """What became of an event that was handed to a store."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "event_id_conflict"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as the log keeps it.

    Parameters
    ----------
    event_id
        Unique in the whole store.
    time_ms
        Milliseconds since 1970.
    arrival_time
        The event came without a time and was given that of its arrival; a retry may carry another.
    sequence
        Place in the store's log, given by the store: rises with every accepted event, never reused.
    """

    user_id: str
    item_id: str
    time_ms: int
    event_id: str
    event_type: str = "event"
    value: float | None = None
    session_id: str | None = None
    arrival_time: bool = False
    sequence: int = 0

    def same_content(self, other: LoggedEvent) -> bool:
        """Say whether a repeat under this event's id is the same event.

        Examples
        --------
        >>> first = LoggedEvent("u1", "i1", 5, "e1", arrival_time=True, sequence=3)
        >>> first.same_content(LoggedEvent("u1", "i1", 9, "e1", arrival_time=True))
        True
        >>> first.same_content(LoggedEvent("u1", "i2", 5, "e1"))
        False
        """
        timed = not (self.arrival_time or other.arrival_time)
        compared = ["user_id", "item_id", "event_type", "value", "session_id", *["time_ms"] * timed]
        return all(getattr(self, name) == getattr(other, name) for name in compared)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of a user under one bundle.

    Parameters
    ----------
    state
        The model's state as bytes, of constant size; empty before the first event.
    seen
        Item indices that the user has seen, compressed.
    num_events
        Events folded in, those of unknown items included.
    last_time_ms
        Time of the newest event folded in, `None` before the first.
    applied_through
        The greatest log sequence folded in; a memory behind its log catches up when it is read.
    revision
        Grows with every put, survives forgetting, and is the key of compare-and-set.
    user_revision
        The revision of the user's attributes that it was folded with; one with another revision is
        folded again when it is read.
    """

    state: bytes = b""
    seen: bytes = b""
    num_events: int = 0
    last_time_ms: int | None = None
    applied_through: int = 0
    revision: int = 0
    user_revision: int = 0

    @property
    def num_bytes(self) -> int:
        """Bytes of the state and of the seen items."""
        return len(self.state) + len(self.seen)


@dataclass(frozen=True, slots=True)
class StoredUser:
    """Attributes of a user, and a revision that grows with every change; 0 before the first."""

    attributes: dict[str, Any] = field(default_factory=dict)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class ForgetReceipt:
    """What was deleted when a user was forgotten, place by place.

    Parameters
    ----------
    through_ms
        Events of this user up to this time are refused from now on.
    num_attributes
        Attributes of the user.
    """

    user_id: str
    num_events: int
    num_event_ids: int
    num_memories: int
    through_ms: int
    num_attributes: int = 0


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much a store holds."""

    num_users: int
    num_events: int
    num_memories: int
    num_items: int
    num_tombstones: int
    memory_bytes: int
    num_profiles: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class Store(ABC):
    """Events, memories, users, items and tombstones; safe to use from several threads.

    Notes
    -----
    The log of a user is read in the order (time, sequence). An event that was accepted is read by
    every later call.
    """

    url: str

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Hold the store: what is written inside is seen together, or not at all if it raises."""

    @abstractmethod
    def append(self, event: LoggedEvent) -> tuple[Outcome, LoggedEvent]:
        """Add an event to its user's log, once.

        Returns
        -------
        outcome, event
            The event as it is kept, with its sequence; for a repeated id the one kept before.
        """

    @abstractmethod
    def events(
        self, user_id: str, *, after_sequence: int = 0, through_ms: int | None = None
    ) -> Sequence[LoggedEvent]:
        """Return a user's events in the order (time, sequence)."""

    @abstractmethod
    def history_complete(self, user_id: str) -> bool:
        """Say whether the kept log of a user is all that was ever accepted and not forgotten."""

    @abstractmethod
    def get_memory(self, user_id: str, bundle_id: str) -> Memory:
        """Return the memory of a user, an empty one where there is none."""

    @abstractmethod
    def put_memory(self, user_id: str, bundle_id: str, memory: Memory) -> Memory:
        """Keep a memory made from the revision it carries; return it under its new revision.

        Raises
        ------
        StaleMemoryError
            When the kept memory has another revision by now, or its user was forgotten in between.
        """

    @abstractmethod
    def drop_memories(self, bundle_id: str) -> int:
        """Delete the memories of a bundle; return how many there were."""

    @abstractmethod
    def forget(self, user_id: str, now_ms: int) -> ForgetReceipt:
        """Delete all that is kept of a user and leave a keyed tombstone.

        Notes
        -----
        The tombstone is an HMAC of the user's id with a key of the store. It refuses the user's
        events up to `now_ms` or up to the last of the events deleted, whichever is later, so that
        a replay of an old log leaves no trace.
        """

    @abstractmethod
    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> StoredUser:
        """Keep a user's attributes in place of those before; the revision grows if they changed.

        Notes
        -----
        Memories that were folded with the attributes before are told by their `user_revision`. A
        revision is never used again for the same user, forgetting included.
        """

    @abstractmethod
    def get_user(self, user_id: str) -> StoredUser:
        """Return a user's attributes, none under revision 0 where none were put."""

    @abstractmethod
    def put_item(self, item_id: str, attributes: Mapping[str, Any]) -> None:
        """Keep an item's attributes in place of those before."""

    @abstractmethod
    def get_item(self, item_id: str) -> dict[str, Any] | None:
        """Return an item's attributes, `None` where none were put."""

    @abstractmethod
    def items(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """Return ids and attributes of all items, in the order in which they were first put."""

    @abstractmethod
    def stats(self) -> StoreStats:
        """Count what is kept."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; harmless when repeated."""

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
