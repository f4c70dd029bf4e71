"""`penchant store`: figures of a store, retention, and what a user may ask for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli.options import JsonOption, OverwriteOption, StoreOption
from penchant.cli.output import Output, jsonable
from penchant.errors import InputError, OutputExistsError, UnknownUserError, UsageError

if TYPE_CHECKING:
    from penchant.stores import Store

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
DAY_S = 86_400


def stats(url: StoreOption, as_json: JsonOption = False) -> None:
    """Count what a store holds, and the bytes that it takes."""
    from penchant.stores import blot

    out = Output(as_json)
    with _opened(url) as store:
        found = store.stats().to_dict()
    out.table(["what", "how much"], _rows(found), title=blot(url))
    users, memories = found["num_users"], found["num_memories"]
    if users and found["disk_bytes"]:
        out.line(f"{found['disk_bytes'] / users:,.0f} bytes on disk per user with events")
    if memories:
        out.line(f"{found['memory_bytes'] / memories:,.0f} bytes per memory")
    out.document({"store": blot(url), **found})


def retain(
    url: StoreOption,
    days: Annotated[
        float | None, typer.Option(metavar="N", help="Events and impressions older than this go.")
    ] = None,
    newest: Annotated[
        int | None, typer.Option(metavar="N", help="Of each user only so many events stay.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Cut the logs of all users.

    Memories of the users whose log was cut are folded again when they are next read.
    """
    if days is None and newest is None:
        raise UsageError("Retention needs --days or --newest, and neither was given.")
    if (days is not None and not days > 0) or (newest is not None and newest < 1):
        raise UsageError("--days must be above 0 and --newest 1 or more.", "Say --days 400.")
    out = Output(as_json)
    since_ms = None if days is None else round((time.time() - days * DAY_S) * 1000)
    with _opened(url) as store:
        receipt = store.retain(since_ms=since_ms, num_newest=newest)
    out.line(
        f"{receipt.num_events:,} events of {receipt.num_users:,} users and "
        f"{receipt.num_impressions:,} impressions were cut."
    )
    out.document(receipt.to_dict())


def export_user(
    user: UserArgument,
    url: StoreOption,
    to: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Written there, else printed.")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything that is kept of one user, as JSON."""
    if to is not None and to.exists() and not overwrite:
        raise OutputExistsError(f"{to} exists.", "Name another file, or say --overwrite.")
    out = Output(as_json)
    with _opened(url) as store:
        found = store.export_user(user)
    if not any(found[name] for name in ("events", "attributes", "memories", "served", "shown")):
        raise UnknownUserError(f'Nothing is kept of the user "{user}".', "Look at the id.")
    if to is not None:
        to.write_text(json.dumps(jsonable(found), indent=2) + "\n", encoding="utf-8")
        out.line(f"{len(found['events']):,} events and all else that is kept of {user}: {to}")
    elif not as_json:
        out.line(json.dumps(jsonable(found), indent=2))
    out.document(found if to is None else {"path": to, "num_events": len(found["events"])})


def forget(user: UserArgument, url: StoreOption, as_json: JsonOption = False) -> None:
    """Delete all that is kept of one user, and say what that was.

    Events from before now stay out when they come again.
    """
    out = Output(as_json)
    with _opened(url) as store:
        receipt = store.forget(user, round(time.time() * 1000))
    counts = {name: n for name, n in receipt.to_dict().items() if name.startswith("num_")}
    out.table(["deleted", "how many"], _rows(counts))
    for place in receipt.not_reached:
        out.line(f"Not reached: {place}")
    out.document(receipt.to_dict())


def _rows(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return counts as rows of a table, by names without `num_`."""
    return [(name.removeprefix("num_").replace("_", " "), f"{n:,}") for name, n in counts.items()]


def _opened(url: str) -> Store:
    """Open a store that is there already.

    Raises
    ------
    InputError
        When the address names what lives in another process.
    """
    from penchant.stores import open_store

    if url.startswith("memory:"):
        raise InputError(
            "A store in memory lives in the process that has it, and no command can reach it.",
            "Name the store of a service: --store sqlite:///penchant.db.",
        )
    return open_store(url, must_exist=True)
