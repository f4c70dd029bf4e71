"""What an engine must give: statements, counters, and who may write when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

Row = tuple[Any, ...]
MOST_MARKS: Final = 2**13
"""Values asked for in one statement; SQLite takes 32,766, PostgreSQL twice as many."""


class Sql(ABC):
    """One connection of an engine, used by one thread at a time."""

    def __init__(self) -> None:
        self.is_scrub_due = False

    @abstractmethod
    def all(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""

    @abstractmethod
    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""

    @abstractmethod
    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each row of values."""

    @abstractmethod
    def take(self, counter: str, count: int = 1) -> int:
        """Return the first of `count` numbers in a row that nobody had before."""

    @abstractmethod
    def last(self, counter: str) -> int:
        """Return the greatest number that was taken, 0 if none was."""

    def one(self, statement: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, `None` where there is none."""
        rows = self.all(statement, values)
        return rows[0] if rows else None

    def matching(self, statement: str, values: Iterable[Any]) -> list[Row]:
        """Return the rows of a query whose `{}` stands for the values that something is IN.

        Examples
        --------
        >>> [len(part) for part in padded(list(range(11)))]
        [16]
        >>> padded([7, 8, 9])
        [[7, 8, 9, 9]]
        """
        rows: list[Row] = []
        for part in padded(list(values)):
            rows += self.all(statement.format(marks(len(part))), part)
        return rows


def padded(values: list[Any]) -> list[list[Any]]:
    """Return values in parts whose sizes are powers of two, so that few statements differ."""
    parts = [values[start : start + MOST_MARKS] for start in range(0, len(values), MOST_MARKS)]
    return [part + [part[-1]] * ((1 << (len(part) - 1).bit_length()) - len(part)) for part in parts]


def marks(count: int) -> str:
    """Return so many marks for values."""
    return ", ".join("?" * count)


class Database(ABC):
    """Connections of one store."""

    url: str

    @abstractmethod
    def secret(self) -> bytes:
        """Return the secret of the store, the same for all who open it."""

    @abstractmethod
    def writing(self, *users: bytes) -> AbstractContextManager[Sql]:
        """Hold the store for writing; inside another of the same thread: the same.

        Parameters
        ----------
        users
            Who is written, blinded: an engine may hold these alone.

        Notes
        -----
        When it has been left, what was written is durable, or an error was raised and nothing is
        written.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Sql]:
        """Look at one moment; inside `writing` at what has been written."""

    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """Return bytes on disk and in the process."""

    def not_reached(self) -> tuple[str, ...]:
        """Say where copies of what was deleted may still be, one sentence each."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Close all connections; harmless when repeated."""


class SqlPart:
    """What all parts of the contract in SQL share.

    Parameters
    ----------
    database
        How the engine is reached.
    """

    def __init__(self, database: Database) -> None:
        from penchant.stores.sql.sealing import Vault

        self._database = database
        self.vault = Vault(database.secret())

    @contextmanager
    def transaction(self, *user_ids: str) -> Iterator[None]:
        """Hold the store; take back what was written when the block raises."""
        with self._writing(*user_ids):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Look at one moment."""
        with self._database.reading():
            yield

    def _writing(self, *user_ids: str) -> AbstractContextManager[Sql]:
        return self._database.writing(*(self.vault.blind(user_id) for user_id in user_ids))
