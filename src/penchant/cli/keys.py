"""`penchant keys`: keys for the HTTP interface."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.options import JsonOption
from penchant.cli.output import Output
from penchant.errors import UsageError

FileOption = Annotated[Path, typer.Option("--file", metavar="F", help="The file of keys.")]


def create(
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="read, write or admin.")],
    to: FileOption,
    rate_limit: Annotated[
        float | None,
        typer.Option(metavar="N", help="Requests a second; 0 for none. Else as the service says."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and show it once.

    The file holds a keyed hash of it. Services that use the file know it after a second.
    """
    from penchant.serving.app.keys import create_key

    if rate_limit is not None and not rate_limit >= 0:
        raise UsageError(f"--rate-limit must be 0 or more but is {rate_limit:g}.")
    out = Output(as_json)
    key = create_key(to, role, rate_limit)
    out.line(key)
    out.warn("This is the only time that the key is shown. Send it in the header X-API-Key.")
    out.document({"key": key, "id": key.split("_")[1], "role": role, "file": to})


def show(to: FileOption, as_json: JsonOption = False) -> None:
    """List the keys of a file, by their ids."""
    from penchant.serving.app.keys import read_keys

    out = Output(as_json)
    kept = read_keys(to)
    rows = [
        [
            key.id,
            key.role,
            "" if key.rate_limit is None else f"{key.rate_limit:g}",
            datetime.fromtimestamp(key.created_at, UTC).isoformat(),
        ]
        for key in kept
    ]
    out.table(["id", "role", "rate limit", "made"], rows)
    told = [
        {
            "id": key.id,
            "role": key.role,
            "rate_limit": key.rate_limit,
            "created_at": key.created_at,
        }
        for key in kept
    ]
    out.document({"keys": told})


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `penchant keys list` has it.")],
    to: FileOption,
    as_json: JsonOption = False,
) -> None:
    """Take a key away; services that use the file refuse it after a second."""
    from penchant.serving.app.keys import revoke_key

    out = Output(as_json)
    revoke_key(to, key_id)
    out.line(f"{key_id} opens nothing any more.")
    out.document({"id": key_id, "file": to})
