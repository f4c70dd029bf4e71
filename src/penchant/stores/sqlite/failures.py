"""What goes wrong with a file of SQLite, said in one clear error."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

from penchant.errors import CorruptStoreError, EnvironmentFault, PenchantError

_SURROUNDINGS: Final = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Make room, and try again."),
    sqlite3.SQLITE_READONLY: ("it may not be written", "Make the file and its folder writable."),
    sqlite3.SQLITE_PERM: ("it may not be written", "Make the file and its folder writable."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Name a file in a folder that exists."),
    sqlite3.SQLITE_IOERR: ("the disk fails", "Look after the disk, and start again."),
    sqlite3.SQLITE_BUSY: ("another process holds it", "Close what holds it, and try again."),
    sqlite3.SQLITE_LOCKED: ("another process holds it", "Close what holds it, and try again."),
}  # fmt: skip
_CORRUPT: Final = {
    sqlite3.SQLITE_NOTADB: "it is no database",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
}


def failure_of(error: sqlite3.Error, shown: str) -> PenchantError:
    """Return the error of this project that says what one of SQLite means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _CORRUPT:
        return CorruptStoreError(
            f"The store {shown} cannot be read: {_CORRUPT[code]} ({error}).",
            "Name another file, or put back a copy of this one.",
        )
    what, hint = _SURROUNDINGS.get(code, ("", "Nothing was written."))
    return EnvironmentFault(f"The store {shown} cannot be used: {what or error} ({error}).", hint)


@contextlib.contextmanager
def told(shown: str) -> Iterator[None]:
    """Turn errors of SQLite into those of this project."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise  # a fault of ours
        raise failure_of(error, shown) from error
