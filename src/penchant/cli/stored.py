"""A store read as an event log: its events, items and users' attributes as frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penchant.errors import InputError, UsageError
from penchant.stores import LoggedEvent, Store, blot, is_store_url, open_store

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Source:
    """What `prepare` reads: a path, or the frames of a store; `shown` names it without password."""

    events: Any
    shown: str
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None


def source_of(given: str, columns: Any, delimiter: str | None, no_header: bool) -> Source:
    """Return what a name or an address stands for.

    Raises
    ------
    UsageError
        When options that say how a file is written are given for a store.
    InputError
        When the store holds no events.
    """
    if not is_store_url(given):
        return Source(given, given)
    if columns is not None or delimiter is not None or no_header:
        raise UsageError(
            "--columns, --delimiter and --no-header say how a file is written, but "
            f"{blot(given)} is a store.",
            "Leave them out.",
        )
    with open_store(given, must_exist=True) as store:
        events = event_frame(store)
        if events.is_empty():
            raise InputError(
                f"A log must have events, but the store {blot(given)} holds none.",
                "Name the store that the service writes to.",
            )
        items = [{"item_id": each.item_id, **each.attributes} for each in store.items()]
        users = [{"user_id": name, **user.attributes} for name, user in store.users()]
    return Source(events, blot(given), attribute_frame(items), attribute_frame(users))


def event_frame(store: Store) -> pl.DataFrame:
    """Return all events; `position` is their sequence, which orders events of one moment."""
    import polars as pl

    schema: dict[str, Any] = {
        "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Datetime("ms"),
        "position": pl.Int64, "event_id": pl.String, "event_type": pl.String,
        "value": pl.Float64, "session_id": pl.String,
    }  # fmt: skip
    pieces = [
        pl.DataFrame([_row(event) for event in piece], schema, orient="row")
        for piece in store.all_events()
    ]
    return pl.concat(pieces) if pieces else pl.DataFrame(schema=schema)


def _row(event: LoggedEvent) -> tuple[Any, ...]:
    return (
        event.user_id, event.item_id, event.time_ms, event.sequence, event.event_id,
        event.event_type, event.value, event.session_id,
    )  # fmt: skip


def attribute_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame | None:
    """Return attributes as a table, None where there are none.

    Examples
    --------
    >>> attribute_frame([{"item_id": "a", "tags": ["x"]}, {"item_id": "b", "price": 3}]).rows()
    [('a', ['x'], None), ('b', None, 3)]
    >>> attribute_frame([{"item_id": "a", "size": 3}, {"item_id": "b", "size": "XL"}]).rows()
    [('a', '3'), ('b', 'XL')]
    """
    import polars as pl

    if not rows:
        return None
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names])


def _column(name: str, entries: list[Any]) -> pl.Series:
    """Return a column of one type: what differs or is nested deeper becomes text."""
    import polars as pl

    kinds = {type(entry) for entry in entries if entry is not None}
    if kinds == {int, float}:
        return pl.Series(name, [None if each is None else float(each) for each in entries])
    if len(kinds) <= 1 and kinds <= {str, int, float, bool}:
        return pl.Series(name, entries, dtype=None if kinds else pl.String)
    if kinds == {list} and all(_are_texts(each) for each in entries if each is not None):
        return pl.Series(name, entries, dtype=pl.List(pl.String))
    return pl.Series(name, [_text(entry) for entry in entries], dtype=pl.String)


def _are_texts(entries: Iterable[Any]) -> bool:
    return all(isinstance(entry, str) for entry in entries)


def _text(entry: Any) -> str | None:
    return entry if entry is None or isinstance(entry, str) else json.dumps(entry)
