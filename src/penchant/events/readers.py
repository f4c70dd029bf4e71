"""Readers: files, folders and frames as one lazy frame with its own column names.

Text arrives as strings, column by column; what they mean is decided later (`draft.py`). Every
row carries its number, so that a message can say in which line it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from penchant.errors import InputError, MissingExtraError
from penchant.events.json_lines import json_keys
from penchant.events.sources import Part, find_parts
from penchant.events.text import TextForm, inspect_delimited, line_of, text_blocks

ROW = "__row"
"""Name of the column that numbers the rows of the source, from 0."""


@dataclass(frozen=True)
class OpenPart:
    """A part with its lazy rows; `form` is there for delimited text."""

    part: Part
    frame: pl.LazyFrame
    form: TextForm | None = None

    def place(self, row: int) -> str:
        """Return where a row of this part stands, for a message."""
        if self.part.kind == "parquet":
            return f"{self.part.shown}, row {row + 1}"
        return f"{self.part.shown}, line {line_of(self.part.path, row, self.form)}"

    def reread(self) -> None:
        """Read the part by itself, so that what is wrong with it is told of it."""
        if self.part.kind == "json":
            json_keys(self.part.path, self.part.shown)
        read_all = self.frame.select(pl.all().null_count())
        guarded(self.part.shown, lambda: read_all.collect(engine="streaming"))


@dataclass(frozen=True)
class RawTable:
    """Rows as the source has them, under its own names, plus `ROW`.

    Parameters
    ----------
    frame
        Lazy rows.
    source
        What was read, for messages.
    names
        Columns of the source in their order.
    parts
        The files; empty for a frame.
    aliases
        Canonical name → column, where the kind of file says so.
    notes
        What was guessed while opening, one sentence each.
    resources
        Keeps temporary files alive.
    """

    frame: pl.LazyFrame
    source: str
    names: tuple[str, ...]
    parts: tuple[OpenPart, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    resources: tuple[Any, ...] = ()

    def place(self, row: int) -> str:
        """Return where the row numbered `row` stands: file and line, or row (from 1)."""
        for part in self.parts[:-1]:
            num_rows = self._num_rows(part)
            if row < num_rows:
                return part.place(row)
            row -= num_rows
        if self.parts:
            return self.parts[-1].place(row)
        return f"{self.source}, row {row + 1}"

    def _num_rows(self, part: OpenPart) -> int:
        if part.form is not None:
            return part.form.num_rows
        return self.collect(part.frame.select(pl.len())).item()

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over this table in pieces; what the parser finds wrong names the source.

        Raises
        ------
        InputError
            When the query fails; the message names the part, and in JSON Lines the line.
        """
        try:
            return guarded(self.source, lambda: frame.collect(engine="streaming"))
        except InputError:
            for part in self.parts:
                part.reread()
            raise


def guarded(source: str, query: Callable[[], Any]) -> Any:
    """Run a query of the table library; its errors come out as one clear message.

    Raises
    ------
    InputError
        When the query fails.
    """
    try:
        return query()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        first = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise InputError(
            f"{source} cannot be read: {first}.", "Check that the file is whole, or write it again."
        ) from None


def open_table(source: Any, delimiter: str | None = None, has_header: bool = True) -> RawTable:
    """Open a path (file, gzipped file, folder of parts) or a polars, pandas or pyarrow frame.

    Raises
    ------
    InputError
        When the source is broken; the message names the file and the line or column.
    MissingFileError
        When there is no such file.
    """
    if not isinstance(source, (str, Path)):
        frame = _lazy_frame(source)
        names = tuple(guarded("the frame", frame.collect_schema).names())
        return RawTable(_numbered(frame), "the frame", names)
    parts, resources = find_parts(source)
    opened = tuple(_open(part, delimiter, has_header) for part in parts)
    frames, names = _agree(opened)
    typed = any(part.form is not None and part.form.is_typed for part in opened)
    return RawTable(
        _numbered(pl.concat(frames, how="vertical_relaxed") if len(frames) > 1 else frames[0]),
        str(source),
        names,
        opened,
        {"value": "rating"} if typed and "rating" in names else {},
        tuple(_notes(opened)),
        resources,
    )


def _numbered(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))


def _notes(parts: tuple[OpenPart, ...]) -> list[str]:
    form = parts[0].form
    if form is None:
        return []
    notes = [] if form.delimiter == "," else [f"The delimiter is {form.delimiter!r}."]
    if form.is_typed:
        rating = ', and "rating" as value' if "rating" in form.names else ""
        notes.append(f"The header carries types; names were read without them{rating}.")
    if any(part.form is not None and part.form.has_blank_lines for part in parts):
        notes.append("Blank lines were skipped.")
    return notes


def _open(part: Part, delimiter: str | None, has_header: bool) -> OpenPart:
    if part.kind == "parquet":
        return OpenPart(part, _scan_parquet(part))
    if part.kind == "json":
        return OpenPart(part, _scan_json(part))
    form = inspect_delimited(part.path, part.shown, _unescape(delimiter), has_header)
    return OpenPart(part, _scan_delimited(part, form), form)


def _unescape(delimiter: str | None) -> str | None:
    return "\t" if delimiter in ("\\t", "tab") else delimiter


def _scan_delimited(part: Part, form: TextForm) -> pl.LazyFrame:
    if len(form.delimiter) > 1:
        return _scan_split(part, form)
    frame = pl.scan_csv(
        part.path,
        has_header=False,
        skip_lines=form.num_skipped_lines,
        schema=dict.fromkeys(form.names, pl.String),
        separator=form.delimiter,
        quote_char='"' if form.is_quoted else None,
    )
    if form.has_blank_lines:
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return frame


def _scan_split(part: Part, form: TextForm) -> pl.LazyFrame:
    """Read whole lines and cut them at a delimiter of several characters (`::`)."""
    lines = pl.scan_csv(
        part.path,
        has_header=False,
        skip_lines=form.num_skipped_lines,
        schema={"line": pl.String},
        separator="\x1f",
        quote_char=None,
    ).filter(pl.col("line").is_not_null())
    fields = pl.col("line").str.split_exact(form.delimiter, len(form.names) - 1)
    return lines.select(fields.struct.rename_fields(form.names).alias("f")).unnest("f")


def _scan_json(part: Part) -> pl.LazyFrame:
    # A list, so that every block is looked at.
    has_text = [bool(block.strip()) for _, block in text_blocks(part.path, part.shown)]
    if not any(has_text):
        raise InputError(f"{part.shown} is empty.", "It must hold one JSON object a line.")
    try:
        names = tuple(pl.scan_ndjson(part.path, infer_schema_length=None).collect_schema())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        names = json_keys(part.path, part.shown)
    return pl.scan_ndjson(part.path, schema=dict.fromkeys(names, pl.String))


def _scan_parquet(part: Part) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(part.path)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InputError(
            f"{part.shown} is no readable Parquet file: {str(error).split(chr(10))[0][:120]}.",
            "Check that it was copied whole, or name it by what it is.",
        ) from None
    return frame


def _agree(parts: tuple[OpenPart, ...]) -> tuple[list[pl.LazyFrame], tuple[str, ...]]:
    """Bring the parts to the same columns, or say which of them differs."""
    schemas = [part.frame.collect_schema() for part in parts]
    names = tuple(dict.fromkeys(name for schema in schemas for name in schema))
    for part, schema in zip(parts, schemas, strict=True):
        for name in names:
            if name not in schema and part.part.kind != "json":
                other = next(p for p, s in zip(parts, schemas, strict=True) if name in s)
                raise _differs(other, part, f"column {name} stands only in the first")
            if name in schema and _family(schema[name]) != _family(schemas[0].get(name)):
                raise _differs(parts[0], part, f"{name} is {schemas[0][name]} and {schema[name]}")
    absent = [[name for name in names if name not in schema] for schema in schemas]
    frames = [
        part.frame.with_columns(pl.lit(None, pl.String).alias(n) for n in gaps).select(names)
        for part, gaps in zip(parts, absent, strict=True)
    ]
    return frames, names


def _family(dtype: Any) -> str:
    if dtype is None or dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum)):
        return "text"
    return "number" if dtype.is_numeric() else str(dtype)


def _differs(first: OpenPart, other: OpenPart, what: str) -> InputError:
    return InputError(
        f"{first.part.shown} and {other.part.shown} do not agree: {what}.",
        "All parts of a log must have the same columns, of the same types.",
    )


def _lazy_frame(source: Any) -> pl.LazyFrame:
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    library = type(source).__module__.partition(".")[0]
    if library not in ("pandas", "pyarrow"):
        raise InputError(
            f"A log must be a path or a polars, pandas or pyarrow frame, not {type(source)}.",
            "For a list of dicts, pass polars.DataFrame(rows).",
        )
    convert = pl.from_pandas if library == "pandas" else pl.from_arrow
    try:
        frame = convert(source)
    except ImportError as error:
        raise MissingExtraError(
            f"Reading a pandas frame needs pyarrow: {error}.", "pip install 'penchant[pandas]'"
        ) from None
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"The {library} frame cannot be read: {str(error).split(chr(10))[0]}.",
            "A column must hold values of one kind; df[name].astype(str) makes it text.",
        ) from None
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()
