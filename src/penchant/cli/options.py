"""Options and arguments that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EventsArgument = Annotated[
    str,
    typer.Argument(metavar="EVENTS", help="CSV, TSV, Parquet, JSON Lines, or a folder of parts."),
]
EventsOrStoreArgument = Annotated[
    str,
    typer.Argument(
        metavar="EVENTS|STORE_URL",
        help="CSV, TSV, Parquet, JSON Lines, a folder of parts, or a store: sqlite:///penchant.db.",
    ),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="PENCHANT_STORE",
        help="sqlite:///penchant.db, or sqlite:////abs.db.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting: training.num_epochs=5."),
]
DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Prepared data, from `penchant prepare`.")
]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run, from `penchant train`, or a bundle.")
]
ItemsOption = Annotated[str | None, typer.Option(metavar="FILE", help="Table of items.")]
UsersOption = Annotated[str | None, typer.Option(metavar="FILE", help="Table of users.")]
GraphOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Triples on items: head, relation, tail."),
]
GraphLinksOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Which item an entity of the graph is: entity_id, item_id."),
]
GraphColumnsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=COLUMN,...",
        help="What the graph's columns are called: head=h,relation=r,tail=t (numbers where its "
        "file has no header).",
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=COLUMN,...",
        help="What the columns are called: user_id=UID,timestamp=ts (numbers with --no-header).",
    ),
]
HeaderOption = Annotated[
    bool, typer.Option("--no-header", help="The first line of the file is an event.")
]
DelimiterOption = Annotated[
    str | None, typer.Option(help="Of a text file; found out when left out.")
]
TimeUnitOption = Annotated[str, typer.Option(help="auto, s, ms or us; a guess is told.")]
OrderByOption = Annotated[str, typer.Option(help="timestamp, or position.")]
WhereOption = Annotated[
    str | None, typer.Option(metavar="EXPR", help='Keep these rows: "position is not null".')
]
BadRowsOption = Annotated[str, typer.Option(help="refuse, or drop and count.")]
DataOption = Annotated[
    Path | None,
    typer.Option(metavar="DATA", help="Prepared data in place of the run's own."),
]
NewItemsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table of items that came after the training."),
]
ObjectiveOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Which of several objectives; the first when left out."),
]
CountOption = Annotated[int, typer.Option("--k", "-k", metavar="N", help="Length of a list.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what stands at --out.")]
