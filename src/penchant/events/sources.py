"""From what a caller names to the parts that can be parsed: files, folders of parts, gzip.

A gzipped part is unpacked block by block into a temporary file, which lives as long as the
`Scratch` that holds it; so parts can be read several times and in pieces, whatever their size.
"""

from __future__ import annotations

import difflib
import gzip
import shutil
import tempfile
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from penchant.errors import EnvironmentFault, InputError, MissingFileError

Kind = Literal["delimited", "json", "parquet"]

SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat", ".data"), "delimited"),
    **dict.fromkeys((".inter", ".item", ".user", ".kg", ".link"), "delimited"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
READABLE = ".csv, .tsv, .txt, .jsonl, .ndjson, .parquet, each also with .gz"


@dataclass(frozen=True)
class Part:
    """One file: `shown` is its name in messages, `path` where its (unpacked) bytes lie."""

    shown: str
    path: Path
    kind: Kind


class Scratch:
    """A temporary folder that goes away with the last reference to it, or at exit."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="penchant-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def unpack(self, path: Path, shown: str) -> Path:
        """Return where the unpacked bytes of a gzip file lie.

        Raises
        ------
        InputError
            When the file is cut or damaged.
        EnvironmentFault
            When the disk for temporary files is full or cannot be written.
        """
        target = self.path / f"{len(list(self.path.iterdir()))}-{path.name.removesuffix('.gz')}"
        try:
            with gzip.open(path) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                f"{shown} is a cut or damaged gzip file: {str(error).rstrip('.')}.",
                "Fetch or pack it again.",
            ) from None
        except OSError as error:
            raise EnvironmentFault(
                f"{shown} cannot be unpacked to {self.path}: {error.strerror}.",
                "Free some space there, or set TMPDIR to another folder.",
            ) from None
        return target


def find_parts(source: str | Path) -> tuple[list[Part], tuple[Scratch, ...]]:
    """Return the parts of a file or folder, and what keeps their temporary files alive.

    Raises
    ------
    MissingFileError
        When there is no such file or folder.
    InputError
        When a folder holds nothing readable or parts of several kinds, or a part is empty.
    """
    path = Path(source)
    if not path.exists():
        near = difflib.get_close_matches(path.name, _names(path.parent), n=1, cutoff=0.8)
        hint = f"Did you mean {path.with_name(near[0])}?" if near else "Check the path."
        raise MissingFileError(f"{source} does not exist.", hint)
    files = _files_of(path) if path.is_dir() else [path]
    scratch = Scratch() if any(_is_gzip(file) for file in files) else None
    parts = [_open_part(file, scratch) for file in files]
    for part in parts[1:]:
        if part.kind != parts[0].kind:
            raise InputError(
                f"{source} mixes kinds of files: {parts[0].shown} and {part.shown}.",
                "Keep the parts of one log in a folder of their own.",
            )
    return parts, (scratch,) if scratch else ()


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def _files_of(folder: Path) -> list[Path]:
    found = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(n[0] in "._" for n in file.relative_to(folder).parts)
    ]
    files = [f for f in found if _kind_by_name(f) or f.name.startswith("part-")]
    if not files:
        names = ", ".join(file.name for file in found[:3]) or "nothing"
        raise InputError(
            f"{folder} is a folder without readable parts; it holds {names}.",
            f"Readable are {READABLE}.",
        )
    return files


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz" or _magic(path)[:2] == b"\x1f\x8b"


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened: {error.strerror}.", "Check that you may read it."
        ) from None


def _kind_by_name(path: Path) -> Kind | None:
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return SUFFIXES.get(bare.suffix.lower())


def _open_part(path: Path, scratch: Scratch | None) -> Part:
    shown = str(path)
    is_gzip = scratch is not None and _is_gzip(path)
    bytes_at = scratch.unpack(path, shown) if scratch is not None and is_gzip else path
    magic = _magic(bytes_at)
    if not magic:
        raise InputError(f"{shown} is empty.", "It must hold rows.")
    return Part(shown, bytes_at, _kind_by_name(path) or _kind_by_content(magic))


def _kind_by_content(magic: bytes) -> Kind:
    if magic.startswith(b"PAR1"):
        return "parquet"
    return "json" if magic.lstrip().startswith(b"{") else "delimited"
