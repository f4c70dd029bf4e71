"""What is odd in a graph of items: findings as validation has them on events and tables."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from penchant.events.door import Fault
from penchant.events.findings import Finding, Severity
from penchant.events.readers import ROW
from penchant.events.triples import Triples, apart, touches


def graph_findings(triples: Triples, item_ids: pl.Series) -> list[Finding]:
    """Report on a graph.

    Parameters
    ----------
    triples
        As they were read.
    item_ids
        The items of the log, each once.
    """
    return [*_row_findings(triples), *_coverage(triples, item_ids)]


def _row_findings(triples: Triples) -> Iterator[Finding]:
    drop = "Mend them, or leave them out with --on-bad-rows drop."
    source = triples.raw.source
    cases: list[tuple[str, Severity, Fault, str, str]] = [
        (code, "error", fault, f"{code.removeprefix('missing_')} is empty in {source}.", drop)
        for code, fault in triples.faults.items()
    ]
    again = f"The row of {source} says what an earlier one said."
    itself = f"The row of {source} has its head as tail."
    cases += [
        ("repeated_triple", "warning", triples.repeated, again, "Each triple is used once."),
        ("looping_triple", "warning", triples.loops, itself, "It says nothing and is left out."),
    ]
    for code, severity, fault, message, advice in cases:
        if fault.first_row is not None:
            share = fault.count / triples.num_rows
            example = _example(triples, fault.first_row)
            yield Finding(code, severity, message, fault.count, share, example, advice)


def _coverage(triples: Triples, item_ids: pl.Series) -> Iterator[Finding]:
    """Yield what the graph leaves unsaid of the items, and what it says of nothing else."""
    frame, source = apart(triples.frame, item_ids), triples.raw.source
    known = item_ids.is_in(pl.concat([frame["head"], frame["tail"]]).unique().implode())
    without = frame.filter(~touches(item_ids))
    if without.height:
        none = without.height == frame.height
        yield Finding(
            "triple_without_item",
            "error" if none else "info",
            f"Neither head nor tail of the triple of {source} is an item of the log.",
            without.height,
            without.height / frame.height,
            without.row(0, named=True),
            "Link entities to items with --graph-links." if none else "It is left out.",
        )
    missing = item_ids.filter(~known)
    if len(missing) and known.any():
        yield Finding(
            "item_without_triple",
            "info",
            f"{source} says nothing of the item.",
            len(missing),
            len(missing) / len(item_ids),
            {"item_id": missing[0]},
            "It is known by its events and its other attributes alone.",
        )


def _example(triples: Triples, row: int) -> dict[str, str | None]:
    raw = triples.raw
    texts = raw.frame.filter(pl.col(ROW) == row).select(
        pl.col(name).cast(pl.String) for name in raw.names[:6]
    )
    return {"place": raw.place(row), **raw.collect(texts).row(0, named=True)}
