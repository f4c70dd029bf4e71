"""Tables of items and users: one row for each id, whatever the file held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from penchant.errors import InputError
from penchant.events.naming import guess_column
from penchant.events.readers import ROW, RawTable, open_table


@dataclass(frozen=True)
class Table:
    """Attributes by id.

    Parameters
    ----------
    frame
        The id (String, each once) and attributes; of repeated ids the first row.
    raw
        What was read.
    key
        `item_id` or `user_id`.
    num_rows
        Rows of the source.
    num_repeated
        Rows left out because their id stood before.
    first_repeated
        Number of the first such row.
    num_missing
        Rows left out because they have no id.
    first_missing
        Number of the first such row.
    """

    frame: pl.DataFrame
    raw: RawTable
    key: str
    num_rows: int
    num_repeated: int
    first_repeated: int | None
    num_missing: int
    first_missing: int | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, one sentence each."""
        notes = []
        if self.num_repeated:
            notes.append(
                f"{self.raw.source}: {self.num_repeated:,} rows repeat an id; the first was kept."
            )
        if self.num_missing:
            notes.append(
                f"{self.raw.source}: {self.num_missing:,} rows without {self.key} left out."
            )
        return tuple(notes)


def read_table(source: Any, key: str, columns: Mapping[str, str]) -> Table:
    """Read a table of items or users.

    Parameters
    ----------
    source
        A path or a frame.
    key
        `item_id` or `user_id`.
    columns
        The mapping that was given for the events; its column for `key` is accepted here too.

    Raises
    ------
    InputError
        When the source is broken or has no column for the id.
    """
    raw = open_table(source)
    column = next((name for name in (key, columns.get(key)) if name in raw.names), None)
    if column is None:
        guess = guess_column(key, list(raw.names))
        raise InputError(
            f"{raw.source} has no column {key}; found: {', '.join(raw.names[:12])}.",
            f"Rename {guess} to {key} there." if guess else f"Give each row its {key}.",
        )
    rows = raw.collect(raw.frame).rename({column: key})
    rows = rows.with_columns(as_ids(rows[key]))
    missing = rows.filter(pl.col(key).is_null())
    rows = rows.filter(pl.col(key).is_not_null())
    repeated = rows.filter(~pl.col(key).is_first_distinct())
    kept = rows.filter(pl.col(key).is_first_distinct())
    is_text = bool(raw.parts) and raw.parts[0].part.kind != "parquet"
    attributes = kept.drop(key, ROW)
    return Table(
        pl.concat([kept.select(key), _as_values(attributes) if is_text else attributes],
                  how="horizontal"),
        raw,
        key,
        len(missing) + len(rows),
        len(repeated),
        repeated[ROW].min() if len(repeated) else None,  # type: ignore[arg-type]
        len(missing),
        missing[ROW].min() if len(missing) else None,  # type: ignore[arg-type]
    )  # fmt: skip


def as_ids(ids: pl.Series) -> pl.Series:
    """Return ids as texts, null where empty; whole floats lose their `.0`."""
    if ids.dtype.is_float() and (ids.drop_nans().drop_nulls() % 1 == 0).all():
        ids = ids.fill_nan(None).cast(pl.Int64)
    texts = ids.cast(pl.String)
    return texts.set(texts.str.strip_chars().eq("").fill_null(False), None)


def _as_values(attributes: pl.DataFrame) -> pl.DataFrame:
    """Cast text columns that hold nothing but numbers or nothing but JSON lists.

    Codes such as `05415` stay texts.
    """
    return attributes.select(_as_value(column) for column in attributes.get_columns())


def _as_value(texts: pl.Series) -> pl.Series:
    if texts.dtype != pl.String or texts.null_count() == len(texts):
        return texts
    if (texts.str.starts_with('["') & texts.str.ends_with('"]')).all():
        try:
            return texts.str.json_decode(pl.List(pl.String))
        except pl.exceptions.ComputeError:
            return texts
    if texts.str.contains(r"^\s*[+-]?0\d").any():
        return texts
    for dtype in (pl.Int64, pl.Float64):
        numbers = texts.str.strip_chars().cast(dtype, strict=False)
        if numbers.null_count() == texts.null_count():
            return numbers
    return texts
