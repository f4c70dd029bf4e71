"""Files that a command leaves: refused where one stands, whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penchant.cli.output import jsonable
from penchant.errors import OutputExistsError, UsageError

if TYPE_CHECKING:
    import polars as pl


class TableWriter(Protocol):
    """Takes a table piece by piece."""

    def write(self, piece: pl.DataFrame) -> None:
        """Append a piece."""

    def close(self) -> None:
        """Finish the file."""


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse a place that is taken.

    Raises
    ------
    OutputExistsError
        When something stands there that is not to be overwritten, or is a folder.
    """
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder.", "Give the name of a file.")
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} exists already.", "Choose another place, or say --overwrite."
        )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a document under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.writing-{os.getpid()}")
    try:
        text = json.dumps(jsonable(content), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing_table(path: Path, overwrite: bool = False) -> Iterator[TableWriter]:
    """Give a writer of the kind that the name asks for; the file appears when the block ends.

    Raises
    ------
    UsageError
        When the name ends in none of the known kinds.
    OutputExistsError
        When something stands there already.
    """
    kind = _WRITERS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"--out must end in {', '.join(_WRITERS)} but is {path}.", "Say --out recs.parquet."
        )
    check_free(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing-{os.getpid()}")
    try:
        writer = kind(temporary)
        try:
            yield writer
        finally:
            writer.close()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class _CsvWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._is_new = True

    def write(self, piece: pl.DataFrame) -> None:
        piece.write_csv(self._file, include_header=self._is_new)
        self._is_new = False

    def close(self) -> None:
        self._file.close()


class _JsonLinesWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, piece: pl.DataFrame) -> None:
        for row in piece.iter_rows(named=True):
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class _ParquetWriter:
    """Keeps pieces and writes them at the end: columns of numbers and short texts are small."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: list[Any] = []

    def write(self, piece: pl.DataFrame) -> None:
        self._pieces.append(piece)

    def close(self) -> None:
        import polars as pl

        pl.concat(self._pieces).write_parquet(self._path)


_WRITERS: dict[str, type] = {
    ".parquet": _ParquetWriter,
    ".csv": _CsvWriter,
    ".jsonl": _JsonLinesWriter,
}
