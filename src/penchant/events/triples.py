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
from penchant.events.titles import same_titles
from penchant.registry import nearest

ROLES: Final = ("head", "relation", "tail")
"""The columns of a graph."""

LINK_ROLES: Final = ("entity_id", "item_id", "title")
"""The columns of a table of links: an entity, and an item's id or its title."""

LINKED: Final = {"head": "head_is_linked", "tail": "tail_is_linked"}
"""Where there are links, columns that tell whether the end of a triple has one."""

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
        `head`, `relation` and `tail` (String), each triple once, in the order of the file; and the
        columns of `LINKED` where there are links.
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
    source: Any,
    columns: str | Mapping[str, str | int] | None = None,
    links: Any = None,
    items: pl.DataFrame | None = None,
) -> Triples:
    """Read the triples of a graph; bad rows are counted and left out.

    Parameters
    ----------
    source
        Path of a CSV, TSV, JSON Lines or Parquet file or of a folder of them, or a frame.
    columns
        `head=h,relation=r,tail=t` or a dict; also `entity_id`, `item_id` and `title` of the links.
        Numbers mean that the file has no header.
    links
        Table of `entity_id` and `item_id`: what the graph calls an entity, and which item it is;
        or of `entity_id` and `title`, when it is the item of that title (and `release_year`). An
        entity without a link is no item, whatever it is called.
    items
        Titles of the items.

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
    ([('7', 'by', 'ann', True, False)], 1)
    """
    given = _given(columns)
    raw, named = _open(source, given, ROLES)
    rows = raw.collect(raw.frame.select(ROW, **{role: named[role] for role in ROLES}))
    rows = rows.with_columns(as_ids(rows[role]) for role in ROLES)
    is_bad = pl.any_horizontal(pl.col(role).is_null() for role in ROLES)
    good = rows.filter(~is_bad)
    linked = None if links is None else _read_links(links, given, items)
    is_loop = pl.col("head") == pl.col("tail")
    if linked is not None:
        for end, name in LINKED.items():
            good = good.with_columns(**_as_items(good[end], linked.frame, name))
        is_loop &= pl.col("head_is_linked") == pl.col("tail_is_linked")
    named_so = [name for name in (*ROLES, *LINKED.values()) if name in good.columns]
    whole = good.filter(~is_loop)
    is_first = pl.struct(named_so).is_first_distinct()
    return Triples(
        whole.filter(is_first).select(named_so),
        raw,
        rows.height,
        rows.height - good.height,
        {f"missing_{role}": _fault(rows.filter(pl.col(role).is_null())) for role in ROLES},
        _fault(whole.filter(~is_first)),
        _fault(good.filter(is_loop)),
        linked,
    )


def touches(item_ids: pl.Series) -> pl.Expr:
    """Return whether an end of a triple is one of the items."""
    return pl.any_horizontal(pl.col(end).is_in(item_ids.implode()) for end in LINKED)


def apart(triples: pl.DataFrame, item_ids: pl.Series) -> pl.DataFrame:
    """Return triples in which nothing is called like an item but the item.

    An entity that has an item's id and no link is renamed, where there are links.
    """
    if not set(LINKED.values()) <= set(triples.columns):
        return triples
    named = {
        end: pl.when(pl.col(end).is_in(item_ids.implode()) & ~pl.col(is_linked))
        .then(pl.format("entity {}", end))
        .otherwise(end)
        for end, is_linked in LINKED.items()
    }
    return triples.with_columns(**named).select(ROLES)


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


def _read_links(source: Any, given: Mapping[str, str], items: pl.DataFrame | None) -> Table:
    """Read which item an entity is; of an entity that stands twice the first row counts."""
    table = read_table(source, "entity_id", given)
    frame = table.frame
    column, title = given.get("item_id", "item_id"), given.get("title", "title")
    if column in frame.columns:
        found = as_ids(frame[column])
    elif title not in frame.columns:
        raise InputError(
            f"{table.raw.source} has no column {column} and no column {title}; found: "
            f"{', '.join(table.raw.names[:12])}.",
            "Name one of them: --graph-columns item_id=COLUMN, or title=COLUMN.",
        )
    elif items is None or "title" not in items.columns:
        raise InputError(
            f"{table.raw.source} links entities to items by their titles, but the items have none.",
            "Give the table of items too (--items), with a column title.",
        )
    else:
        found = same_titles(frame.with_columns(title=title), items)
    return replace(table, frame=frame.select("entity_id", found.alias(_LINK)))


def _as_items(ends: pl.Series, links: pl.DataFrame, told_by: str) -> dict[str, pl.Series]:
    """Return a column in which entities that are items have their ids, and which they are."""
    asked = pl.DataFrame({"entity_id": ends})
    found = asked.join(links, on="entity_id", how="left", maintain_order="left")
    named = found.select(pl.coalesce(_LINK, "entity_id")).to_series()
    return {ends.name: named, told_by: found[_LINK].is_not_null()}


def _fault(rows: pl.DataFrame) -> Fault:
    return Fault(rows.height, rows[ROW].min() if rows.height else None)  # type: ignore[arg-type]
