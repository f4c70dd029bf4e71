"""Triples of a knowledge graph as a file gives them: read, checked, linked to items.

A triple says that a head has a relation to a tail: a film, directed by, a person. Heads and tails
that are called like an item are that item; a table of links may give them an item's id. What a
triple means to the items of a log is found out later (`item_graph.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from penchant.errors import InputError, UsageError
from penchant.events.door import Fault
from penchant.events.naming import parse_columns
from penchant.events.readers import ROW, RawTable, open_table
from penchant.events.tables import Table, as_ids, read_table
from penchant.registry import nearest

ROLES: Final = ("head", "relation", "tail")
"""The columns of a graph."""

LINK_ROLES: Final = ("entity_id", "item_id")
"""The columns of a table of links."""

_SYNONYMS: Final = {
    "head": ("head_id", "subject", "source"),
    "relation": ("relation_id", "predicate", "property"),
    "tail": ("tail_id", "object", "target"),
}
_LINK: Final = "__item"


@dataclass(frozen=True)
class Triples:
    """A graph as it was read.

    Parameters
    ----------
    frame
        `head`, `relation` and `tail` (String), each triple once, in the order of the file.
    raw
        What was read.
    num_rows
        Rows of the source.
    num_bad_rows
        Rows in which something is empty.
    faults
        By code: what is empty in how many rows.
    repeated
        Rows that say what an earlier row said.
    loops
        Rows whose head is their tail.
    links
        The table that linked entities to items, if there was one.
    """

    frame: pl.DataFrame
    raw: RawTable
    num_rows: int
    num_bad_rows: int
    faults: Mapping[str, Fault]
    repeated: Fault
    loops: Fault
    links: Table | None = None

    def admitted(self, on_bad_rows: str) -> Triples:
        """Return the triples, unless bad rows are to be refused and there are any.

        Raises
        ------
        InputError
            When there are bad rows and they are to be refused, or no good ones.
        """
        firsts = [(fault.first_row, code) for code, fault in self.faults.items() if fault.count]
        if firsts and on_bad_rows == "refuse":
            row, code = min(firsts)
            assert row is not None
            verb = "is" if self.num_bad_rows == 1 else "are"
            raise InputError(
                f"{self.raw.place(row)}: {code.removeprefix('missing_')} is empty. "
                f"{self.num_bad_rows:,} of {self.num_rows:,} rows {verb} bad.",
                "Mend the rows, or leave them out with --on-bad-rows drop.",
            )
        if self.frame.height == 0:
            raise InputError(
                f"{self.raw.source} must hold triples, but none of its {self.num_rows:,} rows is "
                "one.",
                "Give each row a head, a relation and a tail.",
            )
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, one sentence each."""
        told = (
            (self.num_bad_rows, "were bad and left out"),
            (self.repeated.count, "repeat a triple; each was kept once"),
            (self.loops.count, "have their head as tail and were left out"),
        )
        notes = [f"{self.raw.source}: {count:,} rows {what}." for count, what in told if count]
        return (*notes, *(() if self.links is None else self.links.notes))


def read_triples(
    source: Any, columns: str | Mapping[str, str | int] | None = None, links: Any = None
) -> Triples:
    """Read the triples of a graph; bad rows are counted and left out.

    Parameters
    ----------
    source
        Path of a CSV, TSV, JSON Lines or Parquet file or of a folder of them, or a frame.
    columns
        `head=h,relation=r,tail=t` or a dict; also `entity_id` and `item_id` of the links. Numbers
        mean that the file has no header.
    links
        Table of `entity_id` and `item_id`: what the graph calls an entity, and which item it is.

    Raises
    ------
    InputError
        When a source is broken or lacks a column.
    UsageError
        When `columns` names something that no graph has.

    Examples
    --------
    >>> frame = pl.DataFrame({"h": ["m1", "m1"], "r": ["by", "by"], "t": ["ann", "ann"]})
    >>> links = pl.DataFrame({"entity_id": ["m1"], "item_id": ["7"]})
    >>> triples = read_triples(frame, "head=h,relation=r,tail=t", links)
    >>> triples.frame.rows(), triples.repeated.count
    ([('7', 'by', 'ann')], 1)
    """
    given = _given(columns)
    raw, named = _open(source, given, ROLES)
    rows = raw.collect(raw.frame.select(ROW, **{role: named[role] for role in ROLES}))
    rows = rows.with_columns(as_ids(rows[role]) for role in ROLES)
    is_bad = pl.any_horizontal(pl.col(role).is_null() for role in ROLES)
    good = rows.filter(~is_bad)
    linked = None if links is None else _read_links(links, given)
    if linked is not None:
        good = good.with_columns(_as_items(good, role, linked.frame) for role in ("head", "tail"))
    is_loop = pl.col("head") == pl.col("tail")
    whole = good.filter(~is_loop)
    is_first = pl.struct(ROLES).is_first_distinct()
    return Triples(
        whole.filter(is_first).select(ROLES),
        raw,
        rows.height,
        rows.height - good.height,
        {f"missing_{role}": _fault(rows.filter(pl.col(role).is_null())) for role in ROLES},
        _fault(whole.filter(~is_first)),
        _fault(good.filter(is_loop)),
        linked,
    )


def _given(columns: str | Mapping[str, str | int] | None) -> dict[str, str]:
    given = parse_columns(columns)
    for role in given:
        if role not in (*ROLES, *LINK_ROLES):
            raise UsageError(
                f'--graph-columns names "{role}", which no graph has.',
                nearest(role, [*ROLES, *LINK_ROLES]),
            )
    return given


def _open(
    source: Any, given: Mapping[str, str], roles: Sequence[str]
) -> tuple[RawTable, dict[str, str]]:
    """Open a file and find the columns that play some roles."""
    asked = [given[role] for role in roles if role in given]
    has_header = not (asked and all(column.isdecimal() for column in asked))
    raw = open_table(source, has_header=has_header)
    named: dict[str, str] = {}
    for role in roles:
        wanted = (given[role],) if role in given else (role, *_SYNONYMS.get(role, ()))
        found = next((name for name in wanted if name in raw.names), None)
        if found is None:
            raise InputError(
                f"{raw.source} has no column {wanted[0]}; found: {', '.join(raw.names[:12])}.",
                "Name them: --graph-columns head=COLUMN,relation=COLUMN,tail=COLUMN (numbers where "
                "the file has no header: head=0,relation=1,tail=2).",
            )
        named[role] = found
    return raw, named


def _read_links(source: Any, given: Mapping[str, str]) -> Table:
    """Read which item an entity is; of an entity that stands twice the first row counts."""
    table = read_table(source, "entity_id", given)
    column = given.get("item_id", "item_id")
    if column not in table.frame.columns:
        raise InputError(
            f"{table.raw.source} has no column {column}; found: {', '.join(table.raw.names[:12])}.",
            "Name it: --graph-columns item_id=COLUMN.",
        )
    links = table.frame.select("entity_id", as_ids(table.frame[column]).alias(_LINK))
    return replace(table, frame=links)


def _as_items(rows: pl.DataFrame, role: str, links: pl.DataFrame) -> pl.Series:
    """Return a column in which entities that are items have their ids."""
    asked = rows.select(entity_id=role)
    found = asked.join(links, on="entity_id", how="left", maintain_order="left")
    return found.select(pl.coalesce(_LINK, "entity_id").alias(role)).to_series()


def _fault(rows: pl.DataFrame) -> Fault:
    return Fault(rows.height, rows[ROW].min() if rows.height else None)  # type: ignore[arg-type]
