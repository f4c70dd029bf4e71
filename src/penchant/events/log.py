"""`EventLog`: what happened, as read from files or frames, checked at the door.

The first object of the Python interface. It holds a lazy frame with canonical columns; reading
looks at every row once, in pieces, and keeps none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from penchant.errors import UsageError
from penchant.events.cleaning import CleaningOptions
from penchant.events.columns import EventFrame
from penchant.events.door import Survey, admit, survey
from penchant.events.draft import ReadOptions, draft
from penchant.events.holding_out import HoldOut
from penchant.events.naming import parse_columns
from penchant.events.prepared import PreparedData
from penchant.events.preparing import prepare
from penchant.events.tables import Table, read_table
from penchant.events.triples import Triples, read_triples
from penchant.events.validation import ValidationReport, validate_survey


@dataclass(frozen=True)
class EventLog(EventFrame):
    """A log of events with canonical columns, and tables of its items and users.

    Made by `EventLog.read`.

    Parameters
    ----------
    survey
        What the door counted, on rows that still have their faults.
    tables
        The tables as they were read, repeated ids counted.
    triples
        The graph as it was read.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"uid": [7, 7], "item_id": ["a", "b"], "timestamp": [2e9, 2e9 + 1]})
    >>> log = EventLog.read(frame, columns="user_id=uid")
    >>> log.frame.select("user_id", "item_id", "time_ms").collect().rows()
    [('7', 'a', 2000000000000), ('7', 'b', 2000000001000)]
    >>> log.notes
    ('Times were taken for seconds.',)
    """

    survey: Survey | None = None
    tables: tuple[Table, ...] = ()
    triples: Triples | None = None

    @classmethod
    def read(
        cls,
        source: Any,
        *,
        items: Any = None,
        users: Any = None,
        graph: Any = None,
        graph_links: Any = None,
        graph_columns: str | Mapping[str, str | int] | None = None,
        columns: str | Mapping[str, str | int] | None = None,
        delimiter: str | None = None,
        header: bool = True,
        time_unit: str = "auto",
        order_by: str = "timestamp",
        where: str | None = None,
        on_bad_rows: str = "refuse",
    ) -> EventLog:
        """Read a log. The contract names each of these options; so they stand here one by one.

        Parameters
        ----------
        source
            Path of a CSV, TSV, JSON Lines or Parquet file, gzipped or not, or of a folder of
            them; or a polars, pandas or pyarrow frame.
        items, users
            Tables of attributes, the same way.
        graph
            Triples of a knowledge graph, the same way: `head`, `relation` and `tail`; items stand
            there by their ids.
        graph_links
            Table of `entity_id` and `item_id`, where the graph has names of its own for items, or
            of `entity_id` and `title`.
        graph_columns
            `head=h,relation=r,tail=t` or a dict; numbers where the graph's file has no header.
        columns
            `user_id=UID,timestamp=ts` or a dict: canonical name to the source's name.
        delimiter
            Of text files; sniffed when None.
        header
            False where text files start with data; columns are then called 0, 1, …
        time_unit
            Of times that are numbers: `auto`, `s`, `ms`, `us`. A guess stands in `notes`.
        order_by
            `timestamp` (ties by position, then file order) or `position`.
        where
            SQL expression over the source's columns: rows to keep.
        on_bad_rows
            `refuse` (the message names the first) or `drop` (counted in `record`).

        Raises
        ------
        MissingFileError
            When a file does not exist.
        InputError
            When a source is broken, a column is missing, or there are bad rows.
        """
        options = ReadOptions(columns, delimiter, header, time_unit, order_by, where, on_bad_rows)
        found = survey(draft(source, options))
        admitted = admit(found)
        given = parse_columns(columns)
        tables = {
            key: read_table(table, key, given)
            for key, table in (("item_id", items), ("user_id", users))
            if table is not None
        }
        notes = [note for table in tables.values() for note in table.notes]
        triples = _read_graph(graph, graph_links, graph_columns, tables.get("item_id"))
        if triples is not None:
            notes += triples.admitted(on_bad_rows).notes
        return cls(
            frame=admitted.frame,
            items=tables["item_id"].frame if "item_id" in tables else None,
            users=tables["user_id"].frame if "user_id" in tables else None,
            graph=None if triples is None else triples.frame,
            source=admitted.source,
            order_by=admitted.order_by,
            notes=(*admitted.notes, *notes),
            record=admitted.record,
            resources=admitted.resources,
            survey=found,
            tables=tuple(tables.values()),
            triples=triples,
        )

    def validate(self, *, now_ms: int | None = None) -> ValidationReport:
        """Report what is odd in the log as it was given, rows dropped at the door included.

        Parameters
        ----------
        now_ms
            The clock: later times are in the future. The machine's clock when None.
        """
        assert self.survey is not None, "a log that was not read has nothing to report on"
        now = int(time.time() * 1000) if now_ms is None else now_ms
        return validate_survey(self.survey, self.tables, now, self.triples)

    def prepare(
        self,
        split: str | None = None,
        *,
        min_user_events: int = 1,
        min_item_events: int = 1,
        cold: Literal["keep", "drop"] = "keep",
        event_types: Sequence[str] | None = None,
        min_value: float | None = None,
        drop_duplicates: bool = True,
        max_user_events: int | None = None,
        drop_consecutive_repeats: bool = False,
        hold_out_items: float | None = None,
        hold_out_seed: int = 0,
    ) -> PreparedData:
        """Clean, split and code the log. Each step of cleaning is an option of its own.

        Parameters
        ----------
        split
            `time:0.9`, `time:2026-05-01`, `leave-one-out`, `published-time:0.9`, or `none`, which
            trains on everything; where there are times the first by default, else leave-one-out.
        min_user_events, min_item_events
            Users and items with fewer events are left out until all have enough.
        cold
            `drop` leaves out later events of users and items that training has not seen.
        event_types
            Keep events of these types.
        min_value
            Keep events of at least this value.
        drop_duplicates
            Of rows that agree in every column keep the first.
        max_user_events
            Leave out users with more events.
        drop_consecutive_repeats
            Of events of a user on the same item in a row keep the first.
        hold_out_items
            Under leave-one-out: the share of items that are kept out of training and are targets
            of the validation part alone, and again of others for the test part.
        hold_out_seed
            Of their draw.

        Raises
        ------
        UsageError
            When an option is not known, or does not go with another.
        InputError
            When nothing is left, or the log cannot be split so.
        """
        cleaning = CleaningOptions(
            event_types, min_value, drop_duplicates, max_user_events, drop_consecutive_repeats
        )
        return prepare(
            self,
            split,
            min_user_events=min_user_events,
            min_item_events=min_item_events,
            cold=cold,
            hold_out=None if hold_out_items is None else HoldOut(hold_out_items, hold_out_seed),
            cleaning=cleaning,
        )


def validate_log(
    source: Any,
    *,
    items: Any = None,
    users: Any = None,
    graph: Any = None,
    graph_links: Any = None,
    graph_columns: str | Mapping[str, str | int] | None = None,
    options: ReadOptions | None = None,
    now_ms: int | None = None,
) -> ValidationReport:
    """Report on a log without refusing it for its bad rows.

    Parameters
    ----------
    source, items, users, graph, graph_links, graph_columns
        As in `EventLog.read`.
    options
        How the log is read; `on_bad_rows` has no say.
    now_ms
        The clock; that of the machine when None.

    Raises
    ------
    InputError
        When a source cannot be read at all.
    """
    asked = options or ReadOptions()
    found = survey(draft(source, asked))
    given = parse_columns(asked.columns)
    pairs = (("item_id", items), ("user_id", users))
    named = {key: read_table(table, key, given) for key, table in pairs if table is not None}
    tables = list(named.values())
    now = int(time.time() * 1000) if now_ms is None else now_ms
    triples = _read_graph(graph, graph_links, graph_columns, named.get("item_id"))
    return validate_survey(found, tables, now, triples)


def _read_graph(
    graph: Any,
    links: Any,
    columns: str | Mapping[str, str | int] | None,
    items: Table | None,
) -> Triples | None:
    if graph is None and (links is not None or columns is not None):
        raise UsageError(
            "Links and columns of a graph need the graph, but none was given.",
            "Give it too: --graph F.",
        )
    if graph is None:
        return None
    return read_triples(graph, columns, links, None if items is None else items.frame)
