"""Keeps the lists that were answered, some milliseconds after the answer and many at a time.

A list is no promise: what is lost with the process is a record of what was offered, no event. Where
more wait than are written, answers wait for the store.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Final

from penchant.errors import PenchantError
from penchant.stores import ServedList, Store

_log = logging.getLogger("penchant.http")

MOST_WAITING: Final = 2_000
MOST_AT_ONCE: Final = 256
PAUSE_S: Final = 0.05
"""So long lists are gathered before they are written."""


class ServedLists:
    """A queue before the store's impressions.

    Parameters
    ----------
    store
        Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.Queue[ServedList] = queue.Queue(MOST_WAITING)
        self._is_closed = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._go, name="served", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def keep(self, served: ServedList) -> None:
        """Keep a list soon."""
        try:
            self._waiting.put_nowait(served)
        except queue.Full:
            self.flush()
            self._waiting.put(served)

    def flush(self) -> None:
        """Write all that waits now."""
        with self._writing:
            while lists := self._taken():
                self._store.put_served(lists)

    def close(self) -> None:
        """Write what waits, and end."""
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def _taken(self) -> list[ServedList]:
        lists: list[ServedList] = []
        while len(lists) < MOST_AT_ONCE:
            try:
                lists.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return lists

    def _go(self) -> None:
        while not self._is_closed.wait(PAUSE_S):
            try:
                self.flush()
            except PenchantError as error:
                _log.error("lists were not kept", extra={"told": {"error": error.code}})
