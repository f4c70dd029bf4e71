"""Transactions of several threads that share one commit, and so one wait for the disk.

Whoever comes while another writes joins: each writes within a savepoint of its own, the last one
commits for all, and nobody returns before that. Alone, one commits at once.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Final

from penchant.stores.sqlite.connection import SqliteConnection

MOST_JOINED: Final = 64
LONGEST_S: Final = 0.005
SCRUB_S: Final = 2.0
"""How long a log that holds deleted pages is tried to be emptied while others read it."""


class _Group:
    """Transactions that will be committed together."""

    def __init__(self) -> None:
        self.num_joined = 0
        self.deadline = time.monotonic() + LONGEST_S
        self.is_done = threading.Event()
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None) -> None:
        """Let all go on, or tell all what went wrong."""
        self.error = error
        self.is_done.set()


class Commits:
    """The one connection of a process that writes, and the groups that share its commits.

    Parameters
    ----------
    connection
        Used by nobody else.
    """

    def __init__(self, connection: SqliteConnection) -> None:
        self.connection = connection
        self.num_commits = 0
        self.is_scrubbed = True
        self._lock = threading.Lock()
        self._count = threading.Lock()
        self._num_waiting = 0
        self._group: _Group | None = None

    @contextlib.contextmanager
    def joined(self) -> Iterator[SqliteConnection]:
        """Write in a savepoint; when this is left, the commit has returned.

        Raises
        ------
        sqlite3.Error
            When the commit failed, for all who joined it.
        """
        with self._turn():
            group = self._opened()
            self.connection.raw.execute("SAVEPOINT one")
            try:
                yield self.connection
                self.connection.raw.execute("RELEASE one")
            except BaseException as error:
                self._take_back(group, error)
                raise
            finally:
                self._left(group)
        while not group.is_done.wait(1.0):  # the next in line commits, unless it was interrupted
            with self._lock:
                if group is self._group:
                    self._commit(group)
        if group.error is not None:
            raise group.error

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        with self._count:
            self._num_waiting += 1
        try:
            self._lock.acquire()
        finally:
            with self._count:
                self._num_waiting -= 1
        try:
            yield
        finally:
            self._lock.release()

    def _opened(self) -> _Group:
        """Return the group to join; one that has waited long enough is committed before."""
        if self._group is not None and time.monotonic() > self._group.deadline:
            self._commit(self._group)
        if self._group is None:
            self.connection.begin()
            self._group = _Group()
        return self._group

    def _take_back(self, group: _Group, error: BaseException) -> None:
        """Undo one savepoint; where the engine has undone everything, all who joined failed."""
        if self.connection.raw.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self.connection.raw.execute("ROLLBACK TO one")
                self.connection.raw.execute("RELEASE one")
                return
            with contextlib.suppress(sqlite3.Error):
                self.connection.raw.execute("ROLLBACK")
        self._group = None
        group.end(
            error if isinstance(error, sqlite3.Error) else sqlite3.OperationalError(str(error))
        )

    def _left(self, group: _Group) -> None:
        if group is not self._group:
            return
        group.num_joined += 1
        is_late = time.monotonic() > group.deadline
        if not self._num_waiting or is_late or group.num_joined >= MOST_JOINED:
            self._commit(group)

    def _commit(self, group: _Group) -> None:
        self._group = None
        try:
            self.connection.raw.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self.connection.raw.execute("ROLLBACK")
            group.end(error)
            return
        self.num_commits += 1
        if self.connection.is_scrub_due:
            self._scrub()
        group.end()

    def _scrub(self) -> None:
        """Move the log into the file and empty it: pages that it held of deleted rows are gone."""
        deadline = time.monotonic() + SCRUB_S if self.is_scrubbed else 0.0
        while True:
            [(is_busy, _, _)] = self.connection.all("PRAGMA wal_checkpoint(TRUNCATE)")
            self.is_scrubbed = not is_busy
            if self.is_scrubbed or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        self.connection.is_scrub_due = not self.is_scrubbed
