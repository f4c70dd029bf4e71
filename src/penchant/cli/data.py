"""Commands on logs: public data sets, validation, preparation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import (
    BadRowsOption,
    ColumnsOption,
    DelimiterOption,
    EventsArgument,
    EventsOrStoreArgument,
    GraphColumnsOption,
    GraphLinksOption,
    GraphOption,
    HeaderOption,
    ItemsOption,
    JsonOption,
    OrderByOption,
    OverwriteOption,
    TimeUnitOption,
    UsersOption,
    WhereOption,
)
from penchant.cli.output import Output
from penchant.cli.progress import BYTES, Progress

if TYPE_CHECKING:
    from penchant.events import EventLog

SplitOption = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT",
        help="time:0.9, time:2026-05-01, leave-one-out, published-time:0.9, or none: train on "
        "everything; the first by default where there are times, else leave-one-out.",
    ),
]
MinUserOption = Annotated[int, typer.Option(metavar="N", help="Fewest events of a user.")]
MinItemOption = Annotated[int, typer.Option(metavar="N", help="Fewest events of an item.")]
TypesOption = Annotated[
    str | None, typer.Option(metavar="TYPE,...", help="Keep events of these types.")
]
MinValueOption = Annotated[
    float | None, typer.Option(metavar="X", help="Keep events of at least this value.")
]
MaxUserOption = Annotated[
    int | None, typer.Option(metavar="N", help="Drop users with more events, as bots.")
]
RepeatsOption = Annotated[
    bool,
    typer.Option(
        "--drop-consecutive-repeats", help="Keep the first of an item several times in a row."
    ),
]
ColdOption = Annotated[
    str, typer.Option(help="keep or drop validation and test events of new users and items.")
]
HoldOutOption = Annotated[
    float | None,
    typer.Option(
        "--hold-out-items",
        metavar="SHARE",
        help="Keep this share of the items out of training, as targets of the validation part "
        "alone, and as many others for the test part (leave-one-out).",
    ),
]
HoldOutSeedOption = Annotated[int, typer.Option(metavar="N", help="Draws the held-out items.")]


def datasets(as_json: JsonOption = False) -> None:
    """List the public data sets that `fetch` knows."""
    from penchant.events.datasets import DATASETS

    out = Output(as_json)
    rows = [
        (
            entry.name,
            f"{entry.num_users:,}",
            f"{entry.num_items:,}",
            f"{entry.num_events:,}",
            "" if entry.download_mb is None else f"{entry.download_mb:g} MB",
            entry.licence,
        )
        for entry in DATASETS.values()
    ]
    out.table(["name", "users", "items", "events", "download", "licence"], rows)
    out.line()
    out.line("Fetch one with: penchant fetch NAME --out DIR")
    fields = ("name", "title", "licence", "page", "num_users", "num_items", "num_events")
    out.document(
        {
            "datasets": [
                {field: getattr(entry, field) for field in fields}
                | {
                    "download_mb": entry.download_mb,
                    "files": [
                        {"name": file.name, "address": file.address, "checksum": file.checksum}
                        for file in entry.files
                    ],
                }
                for entry in DATASETS.values()
            ]
        }
    )


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See `penchant datasets`.")],
    to: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    mirror: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Folder or address that holds the owner's files."),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch a public data set from its owner or a mirror."""
    from penchant.events.fetching import fetch as fetch_dataset

    out = Output(as_json)
    with Progress(BYTES) as progress:
        fetched = fetch_dataset(
            name, to, mirror=mirror, overwrite=overwrite, progress=progress.told
        )
    out.line(
        f"{fetched.dataset.title}: {fetched.num_events:,} events of {fetched.num_users:,} users on "
        f"{fetched.num_items:,} items, from {fetched.source}, in {to}"
    )
    out.line(f"Licence: {fetched.dataset.licence} ({fetched.dataset.page})")
    for note in fetched.notes:
        out.warn(note)
    graph = "" if fetched.graph is None else f" --graph {fetched.graph}"
    out.line(f"Next: penchant prepare {fetched.events} --items {fetched.items}{graph} --out DATA")
    out.document(
        {
            "name": fetched.dataset.name,
            "path": fetched.path,
            "source": fetched.source,
            "licence": fetched.dataset.licence,
            "num_users": fetched.num_users,
            "num_items": fetched.num_items,
            "num_events": fetched.num_events,
            "notes": fetched.notes,
        }
    )


def validate(
    events: EventsArgument,
    items: ItemsOption = None,
    users: UsersOption = None,
    graph: GraphOption = None,
    graph_links: GraphLinksOption = None,
    graph_columns: GraphColumnsOption = None,
    columns: ColumnsOption = None,
    no_header: HeaderOption = False,
    delimiter: DelimiterOption = None,
    time_unit: TimeUnitOption = "auto",
    order_by: OrderByOption = "timestamp",
    where: WhereOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Any fault exits with 1.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Report what is odd in a log.

    Each finding comes with a count, an example and what to do.
    Exits with 1 if `prepare` would refuse the log, or on any fault with --strict.
    """
    from penchant.events.draft import ReadOptions
    from penchant.events.log import validate_log

    out = Output(as_json)
    options = ReadOptions(columns, delimiter, not no_header, time_unit, order_by, where)
    report = validate_log(
        events,
        items=items,
        users=users,
        graph=graph,
        graph_links=graph_links,
        graph_columns=graph_columns,
        options=options,
    )
    out.line(report.render())
    out.document(report.to_dict())
    if report.refused or (strict and report.faults):
        raise typer.Exit(1)


def prepare(
    events: EventsOrStoreArgument,
    to: Annotated[Path, typer.Option("--out", metavar="DATA", help="Folder to write.")],
    items: ItemsOption = None,
    users: UsersOption = None,
    graph: GraphOption = None,
    graph_links: GraphLinksOption = None,
    graph_columns: GraphColumnsOption = None,
    columns: ColumnsOption = None,
    no_header: HeaderOption = False,
    delimiter: DelimiterOption = None,
    time_unit: TimeUnitOption = "auto",
    order_by: OrderByOption = "timestamp",
    where: WhereOption = None,
    on_bad_rows: BadRowsOption = "refuse",
    split: SplitOption = None,
    min_user_events: MinUserOption = 1,
    min_item_events: MinItemOption = 1,
    event_types: TypesOption = None,
    min_value: MinValueOption = None,
    max_user_events: MaxUserOption = None,
    drop_consecutive_repeats: RepeatsOption = False,
    cold: ColdOption = "keep",
    hold_out_items: HoldOutOption = None,
    hold_out_seed: HoldOutSeedOption = 0,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    # limit: function-lines: half of them are the options
) -> None:
    """Clean, split and code a log for training.

    A store is read with its items and the attributes of its users.
    """
    from penchant.cli.stored import source_of
    from penchant.events import EventLog
    from penchant.events.directories import check_free
    from penchant.events.prepared import MARKER

    check_free(to, MARKER, overwrite=overwrite)
    source = source_of(events, columns, delimiter, no_header)
    log = EventLog.read(
        source.events,
        items=items or source.items,
        users=users or source.users,
        graph=graph,
        graph_links=graph_links,
        graph_columns=graph_columns,
        columns=columns,
        delimiter=delimiter,
        header=not no_header,
        time_unit=time_unit,
        order_by=order_by,
        where=where,
        on_bad_rows=on_bad_rows,
    )
    log = replace(log, source=source.shown)
    cleaning = {
        "min_user_events": min_user_events,
        "min_item_events": min_item_events,
        "cold": cold,
        "event_types": [kind.strip() for kind in event_types.split(",")] if event_types else None,
        "min_value": min_value,
        "max_user_events": max_user_events,
        "drop_consecutive_repeats": drop_consecutive_repeats,
        "hold_out_items": hold_out_items,
        "hold_out_seed": hold_out_seed,
    }
    _keep(log, split, cleaning, to, overwrite, Output(as_json))


def _keep(
    log: EventLog,
    split: str | None,
    cleaning: dict[str, Any],
    to: Path,
    overwrite: bool,
    out: Output,
) -> None:
    """Prepare a log, write it, and tell what was done to it."""
    data = log.prepare(split, **cleaning)
    data.save(to, overwrite=overwrite)
    for line in data.summary_text().splitlines():
        out.line(line)
    out.line(f"Next: penchant train {to} --out RUN")
    out.document({"path": to, **data.summary()})
