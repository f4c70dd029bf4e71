"""Directories that are there whole or not at all, and whose files are known by their checksums.

Written under a temporary name and renamed; read back only where every file is as it was written.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penchant.errors import CorruptBundleError, MissingFileError, OutputExistsError


@contextmanager
def writing_directory(
    directory: str | os.PathLike[str], marker: str, *, overwrite: bool = False
) -> Iterator[Path]:
    """Give a temporary directory that takes its name when the block ends, and goes when it fails.

    Parameters
    ----------
    directory
        The name it is to have.
    marker
        A file by which a directory of this kind is known: nothing else is ever overwritten.
    overwrite
        Put it in the place of an older one.

    Raises
    ------
    OutputExistsError
        When the place is taken and `overwrite` is not given, or by something of another kind.
    """
    target = Path(directory)
    check_free(target, marker, overwrite=overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.writing-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        _put_in_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_free(target: Path, marker: str, *, overwrite: bool) -> None:
    """Refuse a place that is taken, before the work is done rather than after it.

    Raises
    ------
    OutputExistsError
        As in `writing_directory`.
    """
    if not target.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{target} exists already.", "Choose another place, or ask to overwrite it."
        )
    is_empty = target.is_dir() and not any(target.iterdir())
    if not is_empty and not (target / marker).is_file():
        raise OutputExistsError(
            f"{target} is not overwritten: it holds something else (there is no {marker} in it).",
            "Choose another place, or remove it yourself.",
        )


def _put_in_place(temporary: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old-{os.getpid()}")
    has_old = target.exists()
    if has_old:
        target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        if has_old:
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def checksums(directory: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of every file in a directory, by name."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(directory.iterdir())
        if path.is_file()
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(
    directory: str | os.PathLike[str], marker: str, kind: str, newest_format: int
) -> dict[str, Any]:
    """Read the JSON that says what a directory is.

    Raises
    ------
    MissingFileError
        When there is no such directory.
    CorruptBundleError
        When the JSON is missing, cut, of another kind, or of a newer format.
    """
    path = Path(directory) / marker
    if not path.parent.is_dir():
        raise MissingFileError(f"There is no directory {path.parent}.", "Check the path.")
    if not path.is_file():
        raise CorruptBundleError(
            f"{path.parent} holds no {kind}: it has no {marker}.",
            "Check the path, or write it anew.",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found_kind, found_format = manifest["kind"], int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptBundleError(
            f"{path} is cut or altered: {error}.", "Write the directory anew."
        ) from None
    if found_kind != kind:
        raise CorruptBundleError(f"{path.parent} holds {found_kind} and no {kind}.")
    if found_format > newest_format:
        raise CorruptBundleError(
            f"{path} has format {found_format}, written by Penchant {manifest.get('version')}, but "
            f"this version reads formats up to {newest_format}.",
            "Update Penchant, or write the directory anew with this version.",
        )
    return manifest


def check_files(directory: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare the files of a directory with what was written down about them.

    Raises
    ------
    CorruptBundleError
        When a file is missing, cut or altered, by name.
    """
    for name, written in files.items():
        path = directory / name
        if not path.is_file():
            raise CorruptBundleError(f"{path} is missing.", "Copy it again, or write it anew.")
        found_bytes = path.stat().st_size
        if found_bytes != written["bytes"]:
            raise CorruptBundleError(
                f"{path} must have {written['bytes']} bytes but has {found_bytes}.",
                "Copy it again, or write it anew.",
            )
        if _sha256(path) != written["sha256"]:
            raise CorruptBundleError(
                f"{path} was altered: its SHA-256 is not the one it was written with.",
                "Copy it again, or write it anew.",
            )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a readable JSON file; a number that is none is a fault of the caller's."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
