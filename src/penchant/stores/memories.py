"""The part of the contract that is about users: attributes, memories and snapshots of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from penchant.stores.records import Memory, Snapshot, Standing, StoredUser


class Memories(ABC):
    """Attributes of users, and one memory per user and bundle."""

    @abstractmethod
    def standing(self, user_id: str, bundle_id: str) -> Standing:
        """Return all that a list of a user rests on, from one look; empty where nothing is kept."""

    def get_memory(self, user_id: str, bundle_id: str) -> Memory:
        """Return the memory of a user, an empty one where there is none."""
        return self.standing(user_id, bundle_id).memory

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
        """Delete the memories of a bundle, their snapshots and the bundle's item vectors.

        Returns
        -------
        num_memories
            How many there were.
        """

    @abstractmethod
    def memories_of(self, user_id: str) -> dict[str, Memory]:
        """Return all memories of a user by bundle."""

    @abstractmethod
    def put_snapshot(self, user_id: str, bundle_id: str, memory: Memory, keep: int = 4) -> None:
        """Keep a memory that holds the log up to one place, to fold late events from.

        Parameters
        ----------
        memory
            Its `applied_through` is the sequence of its last event, so that this and `last_time_ms`
            are the place.
        keep
            So many of a user and bundle are kept, those at the latest places.
        """

    @abstractmethod
    def snapshot_before(self, user_id: str, bundle_id: str, time_ms: int) -> Snapshot | None:
        """Return the latest snapshot without an event after a time; later ones are deleted.

        Notes
        -----
        What is behind its place (`events(after=…)`) is to be folded on top of it. Later ones lack
        the event for which this is asked, so that nobody must read them again.
        """

    @abstractmethod
    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> StoredUser:
        """Keep a user's attributes in place of those before; the revision grows if they changed.

        Notes
        -----
        A revision is never used again for the same user, forgetting included.
        """

    @abstractmethod
    def patch_user(self, user_id: str, changes: Mapping[str, Any]) -> StoredUser:
        """Change some of a user's attributes; `None` takes one away."""

    @abstractmethod
    def get_user(self, user_id: str) -> StoredUser:
        """Return a user's attributes, none under revision 0 where none were put."""

    @abstractmethod
    def users(self) -> Iterator[tuple[str, StoredUser]]:
        """Go through all users who have attributes, in pieces."""
