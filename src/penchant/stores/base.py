"""What every store is: one log of events per user, one memory per user and bundle, and the rest.

A store keeps bytes and plain values, knows nothing of models, and never imports torch. Its
contract stands in four parts (`logs`, `memories`, `catalogue`, `operations`) and here, and is
proved by `tests/stores/contract.py`, which every member passes.
"""

from __future__ import annotations

import base64
from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from penchant.stores.catalogue import Catalogue
from penchant.stores.logs import EventLogs
from penchant.stores.memories import Memories
from penchant.stores.operations import Operations
from penchant.stores.receipts import ForgetReceipt, RetainReceipt, StoreStats


class Store(EventLogs, Memories, Catalogue, Operations):
    """Events, memories, users, items and all else a service keeps; safe to use from threads.

    Notes
    -----
    What was written when a call returned is read by every later call, on every process that has
    the store open.
    """

    url: str

    @abstractmethod
    def transaction(self, *user_ids: str) -> AbstractContextManager[None]:
        """Hold the store: what is written inside is seen together, or not at all if it raises.

        Parameters
        ----------
        user_ids
            The users that are written, so that a store which can holds these alone. A store may
            hold more, and a transaction inside another belongs to that.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Look at one moment: what others write meanwhile is not seen inside."""

    @abstractmethod
    def forget(self, user_id: str, now_ms: int) -> ForgetReceipt:
        """Delete all that is kept of a user and leave a keyed tombstone.

        Notes
        -----
        The tombstone is a keyed digest of the user's id. It refuses the user's events up to
        `now_ms` or up to the last of the events deleted, whichever is later, so that a replay of an
        old log leaves no trace.
        """

    @abstractmethod
    def retain(
        self, *, since_ms: int | None = None, num_newest: int | None = None
    ) -> RetainReceipt:
        """Cut all logs, and mark the users whose log was cut to be folded again.

        Parameters
        ----------
        since_ms
            Events and impressions from before this time go.
        num_newest
            Of each user only so many events stay, the newest.

        Notes
        -----
        Users are cut in pieces, each in a transaction of its own. Ids of events that were cut are
        not kept: events up to the time of the last one are refused instead (`EXPIRED`).
        """

    @abstractmethod
    def stats(self) -> StoreStats:
        """Count what is kept."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; harmless when repeated."""

    def export_user(self, user_id: str) -> dict[str, Any]:
        """Return everything that is kept of a user as JSON values; bytes in base 64."""
        with self.reading():
            memories = self.memories_of(user_id)
            return {
                "user_id": user_id,
                "attributes": self.get_user(user_id).attributes,
                "events": [asdict(event) for event in self.events(user_id)],
                "history_complete": self.history_complete(user_id),
                "memories": {
                    bundle_id: asdict(memory) | {"state": _text(memory.state)}
                    | {"seen": _text(memory.seen)}
                    for bundle_id, memory in memories.items()
                },
                "served": [asdict(each) for each in self.served_to(user_id)],
                "shown": [asdict(each) for each in self.shown_to(user_id)],
            }  # fmt: skip

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text(blob: bytes) -> str:
    return base64.b64encode(blob).decode("ascii")
