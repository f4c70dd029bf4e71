"""The store that lives in the process and is gone with it: `memory://`."""

from __future__ import annotations

from penchant.stores.sql import SqlStore
from penchant.stores.sqlite.database import ProcessDatabase


class InProcessStore(SqlStore):
    """The tables of a store in the memory of the process, under one lock.

    Parameters
    ----------
    key
        Secret of the tombstones; drawn at random where none is given.

    Examples
    --------
    >>> from penchant.stores import LoggedEvent
    >>> store = InProcessStore()
    >>> for time_ms, item in [(20, "b"), (10, "a")]:
    ...     outcome, _ = store.append(LoggedEvent("u1", item, time_ms, event_id=item))
    >>> [event.item_id for event in store.events("u1")]
    ['a', 'b']
    """

    def __init__(self, key: bytes | None = None) -> None:
        super().__init__(ProcessDatabase(key))
