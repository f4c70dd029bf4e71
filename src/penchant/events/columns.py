"""The canonical columns of a log, and the frame that carries them from reading to preparing.

Whatever a file calls its columns, after reading they are called as here. The frame stays lazy:
nothing in this file reads a row. Rows stand in the order of the file; who needs another order
sorts by `sort_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

CANONICAL: Mapping[str, Any] = {
    "user_id": pl.String,
    "item_id": pl.String,
    "time_ms": pl.Int64,
    "position": pl.Int64,
    "order": pl.Int64,
    "event_type": pl.String,
    "value": pl.Float64,
    "event_id": pl.String,
    "session_id": pl.String,
}
"""Every log has these columns after reading; further ones are context, under their own names."""

DEFAULT_EVENT_TYPE = "event"
"""The type of an event that names none."""


@dataclass(frozen=True)
class ReadRecord:
    """What happened at the door: kept in the prepared data, so that it can be told later.

    Parameters
    ----------
    num_rows
        Rows of the source that passed `where`, bad ones included.
    num_filtered_rows
        Rows that `where` left out.
    num_dropped_rows
        Bad rows left out under `on_bad_rows="drop"`; a row with two faults counts once.
    dropped
        Bad rows by reason; a row with two faults counts under both.
    time_unit
        `s`, `ms`, `us`, `ns`, `iso`, `datetime`, or `none` where the log has no times.
    where
        The expression that chose the rows, if any.
    """

    num_rows: int = 0
    num_filtered_rows: int = 0
    num_dropped_rows: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    time_unit: str = "none"
    where: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values for JSON."""
        return {
            "num_rows": self.num_rows,
            "num_filtered_rows": self.num_filtered_rows,
            "num_dropped_rows": self.num_dropped_rows,
            "dropped": dict(self.dropped),
            "time_unit": self.time_unit,
            "where": self.where,
        }


@dataclass(frozen=True)
class EventFrame:
    """A log with canonical columns, not yet prepared.

    Parameters
    ----------
    frame
        Lazy, rows in file order, the columns of `CANONICAL` and then context.
    items, users
        Tables with an `item_id` or a `user_id` (String, each once) and attributes, if given.
    graph
        `head`, `relation` and `tail` (String) of each triple of a graph of items, if given.
    source
        The path that was read, or `frame`.
    order_by
        `timestamp` or `position`: what the events of a user are ordered by.
    notes
        What was guessed or left out on the way, one sentence each.
    record
        What was counted on the way.
    resources
        Keeps temporary files (unpacked archives) alive as long as the frame is needed.
    """

    frame: pl.LazyFrame
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    graph: pl.DataFrame | None = None
    source: str = "frame"
    order_by: str = "timestamp"
    notes: tuple[str, ...] = ()
    record: ReadRecord = ReadRecord()
    resources: tuple[Any, ...] = ()

    @property
    def num_dropped_rows(self) -> int:
        """Bad rows that were left out."""
        return self.record.num_dropped_rows

    @property
    def has_times(self) -> bool:
        """Whether the log has times at all."""
        return self.record.time_unit != "none"

    @property
    def context(self) -> tuple[str, ...]:
        """Names of the columns beyond the canonical ones."""
        return tuple(name for name in self.frame.collect_schema() if name not in CANONICAL)

    @property
    def sort_keys(self) -> tuple[str, ...]:
        """Columns that order the events of one user; ties go by position, then by file order."""
        return sort_keys_of(self.order_by)


def sort_keys_of(order_by: str) -> tuple[str, ...]:
    """Return the columns that order the events of one user."""
    return ("position", "order") if order_by == "position" else ("time_ms", "position", "order")


def complete(frame: pl.LazyFrame | pl.DataFrame) -> pl.LazyFrame:
    """Return a frame with all canonical columns: those that are missing are filled in.

    `order` becomes the number of the row, `event_type` the default type, everything else null;
    present columns are cast to the canonical types. Further columns stand behind, unchanged.

    Examples
    --------
    >>> log = complete(pl.DataFrame({"user_id": [7, 7], "item_id": ["a", "b"], "time_ms": [5, 9]}))
    >>> log.select("user_id", "time_ms", "order", "event_type", "value").collect().rows()
    [('7', 5, 0, 'event', None), ('7', 9, 1, 'event', None)]
    """
    lazy = frame.lazy()
    present = lazy.collect_schema().names()
    if "order" not in present:
        lazy = lazy.with_row_index("order")
    missing = [name for name in CANONICAL if name not in present and name != "order"]
    lazy = lazy.with_columns(pl.lit(None).alias(name) for name in missing)
    context = [name for name in present if name not in CANONICAL]
    typed = [pl.col(name).cast(dtype) for name, dtype in CANONICAL.items()]
    lazy = lazy.select(*typed, *context)
    return lazy.with_columns(pl.col("event_type").fill_null(DEFAULT_EVENT_TYPE))


def event_frame(
    frame: pl.LazyFrame | pl.DataFrame,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    order_by: str = "timestamp",
    graph: pl.DataFrame | None = None,
) -> EventFrame:
    """Wrap a frame that already has canonical names, for code and tests that make their own log."""
    lazy = complete(frame)
    has_times = "time_ms" in frame.lazy().collect_schema()
    record = ReadRecord(time_unit="ms" if has_times else "none")
    return EventFrame(lazy, items, users, graph, order_by=order_by, record=record)
