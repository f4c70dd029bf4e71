"""What a store keeps, as frozen values: events, memories, users, items and their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Outcome(Enum):
    """What became of an event that was handed to a store."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "event_id_conflict"
    FORGOTTEN = "forgotten"
    DELETED = "deleted"
    EXPIRED = "expired"


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
    request_id
        The list that it came from, where it came from one.
    sequence
        Place in the store's log, given by the store: rises with every accepted event, never reused.
    item_revision
        Revision of its item when it was accepted, given by the store; 0 where the store knew of no
        such item. See `Memory.items_revision`.
    """

    user_id: str
    item_id: str
    time_ms: int
    event_id: str
    event_type: str = "event"
    value: float | None = None
    session_id: str | None = None
    arrival_time: bool = False
    request_id: str | None = None
    sequence: int = 0
    item_revision: int = 0

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
        is_timed = not (self.arrival_time or other.arrival_time)
        return self._content(is_timed) == other._content(is_timed)

    def _content(self, is_timed: bool) -> tuple[Any, ...]:
        said = self.event_type, self.value, self.session_id, self.request_id
        return self.user_id, self.item_id, *said, self.time_ms if is_timed else None

    def kept(self, sequence: int, item_revision: int) -> LoggedEvent:
        """Return the event with what a store gives it; a third of the time of `replace`."""
        return LoggedEvent(
            self.user_id, self.item_id, self.time_ms, self.event_id, self.event_type, self.value,
            self.session_id, self.arrival_time, self.request_id, sequence, item_revision,
        )  # fmt: skip

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the log of its user."""
        return self.time_ms, self.sequence


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
    fold_revision
        The `Standing.fold_revision` that it was folded under; one with another is folded again when
        it is read.
    items_revision
        `Standing.revision` when the folding began. Each event was folded with the vector of its
        item that is the newest up to this or up to the event's `item_revision`, the later of them.
    """

    state: bytes = b""
    seen: bytes = b""
    num_events: int = 0
    last_time_ms: int | None = None
    applied_through: int = 0
    revision: int = 0
    fold_revision: int = 0
    items_revision: int = 0

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
class Standing:
    """All that a list of one user rests on, from one look at the store.

    Parameters
    ----------
    memory
        Of the user under the bundle asked for.
    user
        The attributes.
    last_sequence
        The greatest sequence that the user's log ever had, 0 before the first event.
    num_events
        Events in the user's log.
    log_revision
        Grows with everything but new events and attributes that makes a memory stale: an event was
        deleted, the log was cut, an item in it became known.
    is_complete
        Whether the kept log is all that was ever accepted and not deleted by request.
    revision
        The greatest revision that the store has given to anything.
    """

    memory: Memory = field(default_factory=Memory)
    user: StoredUser = field(default_factory=StoredUser)
    last_sequence: int = 0
    num_events: int = 0
    log_revision: int = 0
    is_complete: bool = True
    revision: int = 0

    def fold_revision(self, reads_attributes: bool = True) -> int:
        """Return the revision that a memory must have been folded under to be whole.

        Parameters
        ----------
        reads_attributes
            Whether the bundle reads attributes of users; else their changes are passed over.

        Notes
        -----
        Revisions are drawn from one counter of the store, so the greater of two changes when
        either does.
        """
        return max(self.log_revision, self.user.revision if reads_attributes else 0)

    def is_current(self, reads_attributes: bool = True) -> bool:
        """Say whether the memory is the fold of the whole log."""
        if not self.num_events and not self.memory.num_events:
            return True
        is_through = self.memory.applied_through >= self.last_sequence
        return is_through and self.memory.fold_revision == self.fold_revision(reads_attributes)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A memory up to one place of a log, and the store's revision when it was put."""

    memory: Memory
    revision: int


@dataclass(frozen=True, slots=True)
class StoredItem:
    """Attributes of an item.

    Parameters
    ----------
    revision
        Grows with every change of the item, its hiding included.
    number
        Rises with the items in the order in which they first came; a place to read on from.
    hidden
        It is no candidate any more; its vector stays.
    """

    item_id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
    number: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class ItemVector:
    """Bytes of an item's vector under one bundle, made from one revision of the item."""

    item_id: str
    revision: int
    vector: bytes


def merged(kept: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with changes over them; `None` takes one away.

    Examples
    --------
    >>> merged({"title": "A", "price": 3}, {"price": None, "year": 1997})
    {'title': 'A', 'year': 1997}
    """
    left = {name: entry for name, entry in kept.items() if name not in changes}
    return left | {name: entry for name, entry in changes.items() if entry is not None}
