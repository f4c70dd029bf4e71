"""The store that lives in the process and is gone with it: `memory://`."""

from __future__ import annotations

import bisect
import copy
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from penchant.errors import StaleMemoryError
from penchant.stores.base import (
    ForgetReceipt,
    LoggedEvent,
    Memory,
    Outcome,
    Store,
    StoredUser,
    StoreStats,
)


@dataclass(frozen=True, slots=True)
class _Tombstone:
    through_ms: int
    revision: int


def _time(event: LoggedEvent) -> int:
    return event.time_ms


def _sequence(event: LoggedEvent) -> int:
    return event.sequence


def _order(event: LoggedEvent) -> tuple[int, int]:
    return event.time_ms, event.sequence


class InProcessStore(Store):
    """A store of dictionaries under one lock.

    Parameters
    ----------
    key
        Secret of the tombstones; drawn at random where none is given.

    Examples
    --------
    >>> store = InProcessStore()
    >>> for time_ms, item in [(20, "b"), (10, "a")]:
    ...     outcome, _ = store.append(LoggedEvent("u1", item, time_ms, event_id=item))
    >>> [event.item_id for event in store.events("u1")]
    ['a', 'b']
    """

    url = "memory://"

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._lock = threading.RLock()
        self._logs: dict[str, list[LoggedEvent]] = {}  # by (time, sequence)
        self._arrivals: dict[str, list[LoggedEvent]] = {}  # the same by sequence
        self._by_event_id: dict[str, LoggedEvent] = {}
        self._memories: dict[str, dict[str, Memory]] = {}
        self._tombstones: dict[bytes, _Tombstone] = {}
        self._users: dict[str, StoredUser] = {}
        self._items: dict[str, dict[str, Any]] = {}
        self._sequence = 0
        self._revision = 0
        self._undo: list[Callable[[], object]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the store; take back what was written when the block raises."""
        with self._lock:
            if self._undo is not None:  # inside another: the outer one decides
                yield
                return
            self._undo = []
            try:
                yield
            except BaseException:
                for take_back in reversed(self._undo):
                    take_back()
                raise
            finally:
                self._undo = None

    def _on_failure(self, take_back: Callable[[], object]) -> None:
        if self._undo is not None:
            self._undo.append(take_back)

    def append(self, event: LoggedEvent) -> tuple[Outcome, LoggedEvent]:
        """Add an event to its user's log, once."""
        with self._lock:
            kept = self._by_event_id.get(event.event_id)
            if kept is not None:
                same = kept.same_content(event)
                return (Outcome.DUPLICATE if same else Outcome.CONFLICT), kept
            tombstone = self._tombstones.get(self._blind(event.user_id))
            if tombstone is not None and event.time_ms <= tombstone.through_ms:
                return Outcome.FORGOTTEN, event
            self._sequence += 1
            kept = replace(event, sequence=self._sequence)
            log = self._logs.setdefault(event.user_id, [])
            bisect.insort(log, kept, key=_order)
            self._arrivals.setdefault(event.user_id, []).append(kept)
            self._by_event_id[event.event_id] = kept
            self._on_failure(lambda: self._take_out(kept))
            return Outcome.ACCEPTED, kept

    def _take_out(self, event: LoggedEvent) -> None:
        for logs in (self._logs, self._arrivals):
            logs[event.user_id].remove(event)
            if not logs[event.user_id]:
                del logs[event.user_id]
        del self._by_event_id[event.event_id]

    def events(
        self, user_id: str, *, after_sequence: int = 0, through_ms: int | None = None
    ) -> Sequence[LoggedEvent]:
        """Return a user's events in the order (time, sequence)."""
        with self._lock:
            if after_sequence:
                log = self._arrivals.get(user_id, [])
                log = log[bisect.bisect_right(log, after_sequence, key=_sequence) :]
                log.sort(key=_order)
            else:
                log = list(self._logs.get(user_id, []))
            if through_ms is not None:
                del log[bisect.bisect_right(log, through_ms, key=_time) :]
            return log

    def history_complete(self, user_id: str) -> bool:  # noqa: ARG002  nothing is ever cut here
        """Say that the log is whole: this store never cuts one."""
        return True

    def get_memory(self, user_id: str, bundle_id: str) -> Memory:
        """Return the memory of a user, an empty one where there is none."""
        with self._lock:
            kept = self._memories.get(user_id, {}).get(bundle_id)
            if kept is not None:
                return kept
            tombstone = self._tombstones.get(self._blind(user_id))
            return Memory(revision=tombstone.revision if tombstone else 0)

    def put_memory(self, user_id: str, bundle_id: str, memory: Memory) -> Memory:
        """Keep a memory that was made from the revision it carries."""
        with self._lock:
            kept = self.get_memory(user_id, bundle_id)
            if kept.revision != memory.revision:
                raise StaleMemoryError(
                    f"A memory must be put with the newest revision ({kept.revision}) "
                    f"but carries {memory.revision}.",
                    "Get the memory again, fold what it lacks, and put it again.",
                )
            self._revision += 1
            renewed = replace(memory, revision=self._revision)
            of_user = self._memories.setdefault(user_id, {})
            before = of_user.get(bundle_id)
            of_user[bundle_id] = renewed
            self._on_failure(lambda: self._restore(user_id, bundle_id, before))
            return renewed

    def _restore(self, user_id: str, bundle_id: str, before: Memory | None) -> None:
        if before is not None:
            self._memories.setdefault(user_id, {})[bundle_id] = before
            return
        del self._memories[user_id][bundle_id]
        if not self._memories[user_id]:
            del self._memories[user_id]

    def drop_memories(self, bundle_id: str) -> int:
        """Delete the memories of a bundle; return how many there were."""
        with self._lock:
            held = [user for user, memories in self._memories.items() if bundle_id in memories]
            for user_id in held:
                before = self._memories[user_id].pop(bundle_id)
                self._on_failure(partial(self._restore, user_id, bundle_id, before))
                if not self._memories[user_id]:
                    del self._memories[user_id]
            return len(held)

    def forget(self, user_id: str, now_ms: int) -> ForgetReceipt:
        """Delete all that is kept of a user and leave a keyed tombstone."""
        with self._lock:
            log = self._logs.pop(user_id, [])
            self._arrivals.pop(user_id, None)
            ids = {event.event_id: self._by_event_id.pop(event.event_id) for event in log}
            memories = self._memories.pop(user_id, {})
            user = self._users.pop(user_id, None)
            blind = self._blind(user_id)
            before = self._tombstones.get(blind)
            through_ms = max([now_ms, *(event.time_ms for event in log[-1:])])
            if before is not None:
                through_ms = max(through_ms, before.through_ms)
            self._revision += 1
            self._tombstones[blind] = _Tombstone(through_ms, self._revision)
            self._on_failure(lambda: self._remember(user_id, log, memories, before))
            self._on_failure(lambda: self._restore_user(user_id, user))
            num_attributes = len(user.attributes) if user is not None else 0
            counts = len(log), len(ids), len(memories)
            return ForgetReceipt(user_id, *counts, through_ms, num_attributes)

    def _remember(
        self,
        user_id: str,
        log: list[LoggedEvent],
        memories: dict[str, Memory],
        tombstone: _Tombstone | None,
    ) -> None:
        if log:
            self._logs[user_id] = log
            self._arrivals[user_id] = sorted(log, key=_sequence)
        if memories:
            self._memories[user_id] = memories
        self._by_event_id.update((event.event_id, event) for event in log)
        del self._tombstones[self._blind(user_id)]
        if tombstone is not None:
            self._tombstones[self._blind(user_id)] = tombstone

    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> StoredUser:
        """Keep a user's attributes in place of those before; the revision grows if they changed."""
        with self._lock:
            before = self._users.get(user_id)
            if before is not None and before.attributes == dict(attributes):
                return before
            self._revision += 1
            kept = StoredUser(copy.deepcopy(dict(attributes)), self._revision)
            self._users[user_id] = kept
            self._on_failure(lambda: self._restore_user(user_id, before))
            return kept

    def _restore_user(self, user_id: str, before: StoredUser | None) -> None:
        self._users.pop(user_id, None)
        if before is not None:
            self._users[user_id] = before

    def get_user(self, user_id: str) -> StoredUser:
        """Return a user's attributes, none under revision 0 where none were put."""
        with self._lock:
            kept = self._users.get(user_id, StoredUser())
            return replace(kept, attributes=copy.deepcopy(kept.attributes))

    def put_item(self, item_id: str, attributes: Mapping[str, Any]) -> None:
        """Keep an item's attributes in place of those before."""
        with self._lock:
            before = self._items.get(item_id)
            self._items[item_id] = dict(attributes)
            if before is None:
                self._on_failure(lambda: self._items.pop(item_id))
            else:
                self._on_failure(lambda: self._items.__setitem__(item_id, before))

    def items(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """Return ids and attributes of all items, in the order in which they were first put."""
        with self._lock:
            return [(item_id, dict(kept)) for item_id, kept in self._items.items()]

    def get_item(self, item_id: str) -> dict[str, Any] | None:
        """Return an item's attributes, `None` where none were put."""
        with self._lock:
            kept = self._items.get(item_id)
            return None if kept is None else dict(kept)

    def stats(self) -> StoreStats:
        """Count what is kept."""
        with self._lock:
            memories = [kept for held in self._memories.values() for kept in held.values()]
            return StoreStats(
                num_users=len(self._logs),
                num_events=len(self._by_event_id),
                num_memories=len(memories),
                num_items=len(self._items),
                num_tombstones=len(self._tombstones),
                memory_bytes=sum(memory.num_bytes for memory in memories),
                num_profiles=len(self._users),
            )

    def close(self) -> None:
        """Do nothing: the store goes with its last reference."""

    def _blind(self, user_id: str) -> bytes:
        return hmac.new(self._key, user_id.encode(), hashlib.sha256).digest()
