"""A SQLite file as the engine of a store, and one that lives in the process alone."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from penchant.stores.sql.database import Database, Sql
from penchant.stores.sqlite.commits import Commits
from penchant.stores.sqlite.connection import (
    CACHE_KIB,
    WRITER_CACHE_KIB,
    SqliteConnection,
    in_write_ahead_mode,
)
from penchant.stores.sqlite.failures import told


class _Held(threading.local):
    """The connection that this thread works on."""

    reading: Sql | None = None
    writing: Sql | None = None


class FileDatabase(Database):
    """One file, one connection that writes and as many that read as threads do at once.

    Parameters
    ----------
    path
        The file; made where there is none, in a folder that exists.
    durability
        `disk` or `process`.
    """

    def __init__(self, path: Path, durability: str = "disk") -> None:
        self.url = f"sqlite:///{path}"
        self.path = path
        self._durability = durability
        self._held = _Held()
        self._idle: list[SqliteConnection] = []
        self._all: list[SqliteConnection] = []
        self._is_closed = False
        with told(str(path)):
            connection = self._connected()
            try:
                in_write_ahead_mode(connection, path)
                connection.migrate(str(path))
                self._secret = _secret_of(connection)
            except BaseException:
                connection.raw.close()
                raise
        connection.raw.execute("PRAGMA busy_timeout = 0")  # `begin` waits in shorter steps
        connection.raw.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        self.commits = Commits(connection)

    def _free(self) -> SqliteConnection:
        """Return a connection that nobody reads with."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return self._connected()

    def _connected(self) -> SqliteConnection:
        connection = SqliteConnection(str(self.path), self._durability)
        self._all.append(connection)
        return connection

    def secret(self) -> bytes:
        """Return the secret of the store."""
        return self._secret

    @contextlib.contextmanager
    def writing(self, *_users: bytes) -> Iterator[Sql]:
        """Hold the file for writing, whoever is written; durable when it has been left."""
        held = self._held
        if held.writing is not None:
            yield held.writing
            return
        with told(str(self.path)), self.commits.joined() as connection:
            before, held.reading, held.writing = held.reading, connection, connection
            try:
                yield connection
            finally:
                held.reading, held.writing = before, None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Sql]:
        """Look at one moment, beside whoever writes."""
        held = self._held
        if held.reading is not None:
            yield held.reading
            return
        with told(str(self.path)):
            connection = self._free()
            try:
                connection.raw.execute("BEGIN")
                held.reading = connection
                yield connection
            finally:
                held.reading = None
                if connection.raw.in_transaction:
                    connection.raw.execute("ROLLBACK")
                self._idle.append(connection)

    def sizes(self) -> tuple[int, int]:
        """Return bytes of the files, and the most that the caches of their pages take."""
        files = [Path(f"{self.path}{end}") for end in ("", "-wal", "-shm")]
        on_disk = sum(file.stat().st_size for file in files if file.exists())
        caches = WRITER_CACHE_KIB + (len(self._all) - 1) * CACHE_KIB
        return on_disk, caches * 1024

    def not_reached(self) -> tuple[str, ...]:
        """Say where copies of what was deleted may still be."""
        copies = "Copies of the files that were made before (backups, snapshots of the disk)."
        if self.commits.is_scrubbed:
            return (copies,)
        log = f"{self.path}-wal, which others read; it is emptied with the next thing written."
        return log, copies

    def close(self) -> None:
        """Close all connections; the last process to do so leaves one file."""
        if not self._is_closed:
            self._is_closed = True
            for connection in self._all:
                connection.raw.close()


class ProcessDatabase(Database):
    """Tables in the memory of the process, under one lock; gone with it.

    Parameters
    ----------
    secret
        Of the digests; drawn at random where none is given.
    """

    url = "memory://"

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._connection = SqliteConnection(":memory:")
        self._connection.migrate(self.url)
        self._lock = threading.RLock()
        self._is_writing = False

    def secret(self) -> bytes:
        """Return the secret of the store."""
        return self._secret

    @contextlib.contextmanager
    def writing(self, *_users: bytes) -> Iterator[Sql]:
        """Hold the store; what was written is taken back when the block raises."""
        with self._lock:
            if self._is_writing:
                yield self._connection
                return
            self._connection.raw.execute("BEGIN")
            self._is_writing = True
            try:
                yield self._connection
                self._connection.raw.execute("COMMIT")
            except BaseException:
                self._connection.raw.execute("ROLLBACK")
                raise
            finally:
                self._is_writing = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[Sql]:
        """Hold the store: nobody writes meanwhile."""
        with self._lock:
            yield self._connection

    def sizes(self) -> tuple[int, int]:
        """Return nothing on disk, and the bytes of all pages."""
        with self._lock:
            [(pages,)] = self._connection.all("PRAGMA page_count")
            [(page_bytes,)] = self._connection.all("PRAGMA page_size")
        return 0, pages * page_bytes

    def close(self) -> None:
        """Do nothing: the store goes with its last reference."""


def _secret_of(connection: SqliteConnection) -> bytes:
    """Return the secret that stands in the file; the first who opens it draws it."""
    connection.begin()
    connection.run(
        "INSERT INTO settings VALUES ('secret', ?) ON CONFLICT (name) DO NOTHING",
        (secrets.token_bytes(32),),
    )
    [(secret,)] = connection.all("SELECT value FROM settings WHERE name = 'secret'")
    connection.raw.execute("COMMIT")
    return bytes(secret)
