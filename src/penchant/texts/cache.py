"""Keeps the vectors of texts, so that no model reads a text twice.

One SQLite file for all models and runs of a machine; any number of processes may use it at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from penchant.errors import CorruptBundleError, EnvironmentFault
from penchant.texts.base import Vectors
from penchant.texts.places import cache_folder

FORMAT: Final = 1
BUSY_TIMEOUT_S: Final = 60.0
NUM_ASKED_AT_ONCE: Final = 500
PAGE_BYTES: Final = 1 << 14
"""Vectors take 1 to 8 kilobytes: smaller pages would stay half empty."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS models (
    id INTEGER PRIMARY KEY, fingerprint TEXT, max_tokens INTEGER, UNIQUE (fingerprint, max_tokens)
);
CREATE TABLE IF NOT EXISTS vectors (
    model INTEGER, text BLOB, vector BLOB, UNIQUE (model, text)
);
"""


class VectorCache:
    """Vectors by model, number of tokens read, and text.

    Parameters
    ----------
    path
        The file; `texts.sqlite` in Penchant's cache folder when left out. It is made when first
        written to.

    Notes
    -----
    A vector takes 4 bytes a number: float32, so that what is read is what was put, bit for bit
    (float16 would halve the file and change each number by up to a 2,000th part of it). Texts
    are not kept, only their SHA-256. The file stands in write-ahead mode: readers and one writer
    do not wait for each other, two writers do, up to a minute. Threads may share an object;
    processes open one each.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "texts.sqlite"
    >>> with VectorCache(path) as cache:
    ...     cache.put("f1", 128, ["soap"], np.float32([[1, 2]]))
    ...     cache.get("f1", 128, ["comb", "soap"])
    {1: array([1., 2.], dtype=float32)}
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else cache_folder() / "texts.sqlite"
        self._lock = threading.RLock()
        self._opened: sqlite3.Connection | None = None

    def __enter__(self) -> VectorCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many vectors there are."""
        if not self.path.exists():
            return 0
        with self._lock, self._told() as connection:
            return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def get(
        self, fingerprint: str, max_tokens: int, texts: Sequence[str], width: int = 0
    ) -> dict[int, Vectors]:
        """Return the vectors that are there, by the place of their text.

        Parameters
        ----------
        fingerprint, max_tokens
            Of the model, and how much of a text it reads.
        texts
            Asked for.
        width
            Numbers that a vector must have; not looked at where 0.

        Raises
        ------
        CorruptBundleError
            When the file is damaged or of a newer version.
        EnvironmentFault
            When it cannot be opened, or another process holds it for more than a minute.
        """
        if not self.path.exists():
            return {}
        wanted: dict[bytes, list[int]] = {}
        for place, text in enumerate(texts):
            wanted.setdefault(_key(text), []).append(place)
        with self._lock, self._told() as connection:
            rows = _read(connection, (fingerprint, max_tokens), list(wanted))
        found = {}
        for key, blob in rows:
            if len(blob) % 4 or (width and len(blob) != 4 * width):
                raise self._corrupt(f"a vector of {len(blob)} bytes where {4 * width} must stand")
            vector = np.frombuffer(blob, np.dtype("<f4"))  # (E,)
            found.update(dict.fromkeys(wanted[key], vector))
        return found

    def put(
        self, fingerprint: str, max_tokens: int, texts: Sequence[str], vectors: Vectors
    ) -> None:
        """Keep vectors, all or none of them; a text that is there already keeps its vector.

        Parameters
        ----------
        fingerprint, max_tokens
            Of the model, and how much of a text it reads.
        texts, vectors
            N texts and their (N, E) vectors.

        Raises
        ------
        CorruptBundleError, EnvironmentFault
            As `get`, and when the disk is full.
        """
        rows = [
            (_key(text), np.ascontiguousarray(vector, "<f4").tobytes())
            for text, vector in zip(texts, vectors, strict=True)
        ]
        with self._lock, self._told() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                model = _model(connection, (fingerprint, max_tokens))
                statement = "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)"
                connection.executemany(statement, ((model, key, blob) for key, blob in rows))
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, and turn what goes wrong with it into errors of this project."""
        try:
            if self._opened is None:
                self._opened = self._open()
            yield self._opened
        except sqlite3.OperationalError as error:
            raise EnvironmentFault(
                f"The cache of text vectors {self.path} cannot be used: {error}.",
                "Close what holds it, make room, or name another folder in PENCHANT_CACHE.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._corrupt(str(error)) from error
        except OSError as error:
            raise EnvironmentFault(
                f"The cache of text vectors {self.path} cannot be made: {error.strerror}.",
                "Name another folder in PENCHANT_CACHE.",
            ) from error

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise self._corrupt(f"it has format {version}, and this version reads {FORMAT}")
            if version == 0:
                _make(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _corrupt(self, reason: str) -> CorruptBundleError:
        return CorruptBundleError(
            f"{self.path} is no whole cache of text vectors: {reason}.",
            "Delete it; the vectors are made again.",
        )


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables; two processes may do so at once."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:  # this one statement does not wait by itself
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def _model(connection: sqlite3.Connection, model: tuple[str, int]) -> int:
    """Return the number of a model, which is entered if it is new."""
    connection.execute(
        "INSERT OR IGNORE INTO models (fingerprint, max_tokens) VALUES (?, ?)", model
    )
    statement = "SELECT id FROM models WHERE fingerprint = ? AND max_tokens = ?"
    return int(connection.execute(statement, model).fetchone()[0])


def _read(
    connection: sqlite3.Connection, model: tuple[str, int], keys: list[bytes]
) -> list[tuple[bytes, bytes]]:
    """Return the keys that are there, with the bytes of their vectors."""
    rows: list[tuple[bytes, bytes]] = []
    for start in range(0, len(keys), NUM_ASKED_AT_ONCE):
        asked = keys[start : start + NUM_ASKED_AT_ONCE]
        marks = ", ".join("?" * len(asked))
        rows += connection.execute(
            "SELECT text, vector FROM vectors WHERE model = (SELECT id FROM models"
            f" WHERE fingerprint = ? AND max_tokens = ?) AND text IN ({marks})",
            (*model, *asked),
        ).fetchall()
    return rows
