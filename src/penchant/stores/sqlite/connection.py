"""One connection to a SQLite file: how it is opened, and statements on it."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from penchant.errors import CorruptStoreError
from penchant.stores.sql.database import Row, Sql
from penchant.stores.sqlite.schema import APPLICATION, MIGRATIONS, VERSION

BUSY_S: Final = 60.0
"""How long another process may write before this one gives up."""
CACHE_KIB: Final = 8 * 1024
WRITER_CACHE_KIB: Final = 64 * 1024
NUM_LOGGED_PAGES: Final = 4_000
"""Pages in the log when it is moved into the file: 16 MB, so that a page written often is moved
once."""
_SYNCHRONOUS: Final = {"disk": "FULL", "process": "NORMAL"}


class SqliteConnection(Sql):
    """A connection in autocommit: transactions are begun and ended by hand.

    Parameters
    ----------
    place
        A path, or `:memory:`.
    durability
        `disk`, or `process`: what is acknowledged survives a power cut, or only a killed process.
    """

    def __init__(self, place: str, durability: str = "disk") -> None:
        super().__init__()
        self.raw = sqlite3.connect(
            place,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            self.raw.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
            self.raw.execute("PRAGMA secure_delete = ON")
            self.raw.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self.raw.execute(f"PRAGMA wal_autocheckpoint = {NUM_LOGGED_PAGES}")
            self.raw.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            self.raw.close()
            raise

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""
        return self.raw.execute(statement, values).fetchall()

    def one(self, statement: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query."""
        row: Row | None = self.raw.execute(statement, values).fetchone()
        return row

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return self.raw.execute(statement, values).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each row of values."""
        self.raw.executemany(statement, rows)

    def take(self, counter: str, count: int = 1) -> int:
        """Return the first of `count` numbers in a row that nobody had before."""
        statement = "UPDATE counters SET value = value + ? WHERE name = ? RETURNING value"
        [(last,)] = self.all(statement, (count, counter))
        return int(last) - count + 1

    def last(self, counter: str) -> int:
        """Return the greatest number that was taken."""
        [(last,)] = self.all("SELECT value FROM counters WHERE name = ?", (counter,))
        return int(last)

    def begin(self) -> None:
        """Become the one who writes; wait while another process does."""
        waiting(lambda: self.raw.execute("BEGIN IMMEDIATE"))

    def migrate(self, shown: str) -> None:
        """Bring the tables to this version.

        Raises
        ------
        CorruptStoreError
            When the file is another program's, or was written by a newer version.
        """
        self.begin()
        try:
            [(version,)] = self.all("PRAGMA user_version")
            [(application,)] = self.all("PRAGMA application_id")
            [(num_tables,)] = self.all("SELECT COUNT(*) FROM sqlite_master")
            _check(shown, version, application, num_tables)
            for statements in MIGRATIONS[version:]:
                for statement in statements.split(";"):
                    self.raw.execute(statement)
            if version < VERSION:
                self.raw.execute(f"PRAGMA application_id = {APPLICATION}")
                self.raw.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            self.raw.execute("ROLLBACK")
            raise
        self.raw.execute("COMMIT")


def _check(shown: str, version: int, application: int, num_tables: int) -> None:
    """Refuse what is no store, or one of a newer version."""
    if application != APPLICATION and (num_tables or version):
        raise CorruptStoreError(
            f"{shown} is a database of another program: it has {num_tables} tables and indexes and "
            "no mark of a store.",
            "Name a file of its own for the store.",
        )
    if version > VERSION:
        raise CorruptStoreError(
            f"{shown} has schema {version}, and this version of Penchant reads up to {VERSION}.",
            "Install the version that wrote it, or a newer one.",
        )


def waiting(act: Any) -> None:
    """Do what another process may be in the way of, as soon as it is not."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.0001, 0.002))


def in_write_ahead_mode(connection: SqliteConnection, path: Path) -> None:
    """Bring a file into write-ahead mode; the one statement that never waits by itself."""
    waiting(lambda: connection.raw.execute("PRAGMA journal_mode = WAL"))
    [(mode,)] = connection.all("PRAGMA journal_mode")
    if mode != "wal":
        raise CorruptStoreError(
            f"{path} must stand in write-ahead mode but stands in {mode}.",
            "Give the store a place on a local disk.",
        )
