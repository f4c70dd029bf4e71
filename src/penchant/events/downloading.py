"""Brings one file here, proves that it is the right one, and unpacks it without trusting it.

A download goes on where it broke off, is tried again when the connection breaks, and gives up at
once where there is no network. An archive is refused when a member would land outside its folder,
is a link, or when all of it would unpack to an absurd size.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import json
import queue
import stat
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from penchant.errors import EnvironmentFault, InputError

Progress = Callable[[str, int, int | None], None]
"""Told the file's name, the bytes that are here, and the bytes in all where known."""

CHUNK_BYTES = 1 << 18
MOST_UNPACKED_BYTES = 16 << 30
MOST_TIMES_LARGER, SMALL_BYTES = 100, 100 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, and how often to ask again.

    Parameters
    ----------
    connect_s
        For finding and reaching the server, all addresses and redirections included.
    stall_s
        Without a byte.
    num_retries
        After a connection that broke, or a server that says it is busy.
    pause_s
        Before the first retry; it grows by as much with each.
    """

    connect_s: float = 8.0
    stall_s: float = 20.0
    num_retries: int = 3
    pause_s: float = 1.0


def download(
    address: str,
    path: Path,
    *,
    checksum: str = "",
    progress: Progress | None = None,
    patience: Patience = Patience(),
) -> Path:
    """Bring the file at an address to `path`; what is there already is kept and gone on with.

    Parameters
    ----------
    address
        http or https.
    path
        Where to. Until the file is whole and proved, it is called `path` + `.part`.
    checksum
        `md5:…` or `sha256:…`, or empty.
    progress
        Told about every chunk.
    patience
        Times and retries.

    Raises
    ------
    EnvironmentFault
        When the file cannot be had, or is not the one that the checksum names.
    """
    part = path.with_name(path.name + ".part")
    if path.exists() and (not checksum or checksum_of(path, checksum) == checksum):
        return path
    before = _size(part)
    for attempt in range(patience.num_retries + 1):
        try:
            _go_on(address, part, checksum, progress, patience)
            break
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if attempt == patience.num_retries or not _may_pass(error, part, before):
                raise _unreachable(address, error) from error
            time.sleep(patience.pause_s * (attempt + 1))
    try:
        verify(part, checksum, address)
    except EnvironmentFault:
        part.unlink()
        raise
    finally:
        _note_of(part).unlink(missing_ok=True)
    return part.replace(path)


def verify(path: Path, checksum: str, source: str) -> None:
    """Refuse a file that is not the one its checksum names.

    Raises
    ------
    EnvironmentFault
        When it is not.
    """
    found = checksum_of(path, checksum) if checksum else ""
    if found != checksum:
        raise EnvironmentFault(
            f"{source} must give a file with {checksum} but gives one with {found}.",
            "Try again; if it stays so, the file has been replaced or altered on the way.",
        )


def checksum_of(path: Path, like: str) -> str:
    """Return the checksum of a file, with the algorithm that `like` names.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty"
    >>> path.touch()
    >>> checksum_of(path, "md5:")
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    algorithm = like.partition(":")[0]
    with path.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def unpack(archive: Path, into: Path, names: tuple[str, ...]) -> None:
    """Take files out of a zip by name (or the one file out of a gzip), flat, into a folder.

    Raises
    ------
    InputError
        When a member would land outside the folder, is a link, or the size is absurd.
    EnvironmentFault
        When the archive is cut or damaged, or a name is missing.
    """
    most = min(MOST_UNPACKED_BYTES, max(SMALL_BYTES, MOST_TIMES_LARGER * archive.stat().st_size))
    try:
        if archive.suffix == ".gz":
            with gzip.open(archive) as packed:
                _copy(packed, into / names[0], most, archive.name)
        else:
            with zipfile.ZipFile(archive) as box:
                _unzip(box, archive.name, into, names, most)
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, RuntimeError) as error:
        raise _damaged(archive, error) from error


def unpack_folder(archive: Path, into: Path, folder: str) -> None:
    """Take one folder of a zip, with all that is in it, and put what it holds into another.

    Raises
    ------
    InputError, EnvironmentFault
        As `unpack`.
    """
    most = min(MOST_UNPACKED_BYTES, max(SMALL_BYTES, MOST_TIMES_LARGER * archive.stat().st_size))
    try:
        with zipfile.ZipFile(archive) as box:
            _check_safe(box, archive.name, most)
            names = [name for name in box.namelist() if name.startswith(f"{folder}/")]
            if not names:
                raise EnvironmentFault(f"{archive.name} must hold {folder} and does not.")
            for name in (name for name in names if not name.endswith("/")):
                path = into / PurePosixPath(name).relative_to(folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                with box.open(name) as packed:
                    _copy(packed, path, most, archive.name)
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:
        raise _damaged(archive, error) from error


def _go_on(
    address: str, part: Path, checksum: str, progress: Progress | None, patience: Patience
) -> None:
    """Ask for what is missing of a file, and append it; or for all of it."""
    note = _read_note(part)
    known = note.get("address") == address and bool(note.get("validator") or checksum)
    start = _size(part) if known else 0
    headers = {"User-Agent": "penchant", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if note.get("validator"):
            headers["If-Range"] = note["validator"]
    with _open(urllib.request.Request(address, headers=headers), patience) as response:
        if response.status != http.client.PARTIAL_CONTENT:
            start = 0
        length = response.headers["Content-Length"]
        total = start + int(length) if length else None
        validator = response.headers["ETag"] or response.headers["Last-Modified"]
        _note_of(part).write_text(json.dumps({"address": address, "validator": validator}))
        with part.open("ab" if start else "wb") as target:
            done = start
            while chunk := response.read(CHUNK_BYTES):
                target.write(chunk)
                done += len(chunk)
                if progress:
                    progress(part.stem, done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _open(request: urllib.request.Request, patience: Patience) -> Any:
    """Open an address, within the time to connect whatever the resolver and the proxies do."""
    answer: queue.Queue[Any] = queue.Queue(1)

    def ask() -> None:
        try:
            answer.put(urllib.request.urlopen(request, timeout=patience.stall_s))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=patience.connect_s)
    except queue.Empty:
        raise TimeoutError(f"no answer within {patience.connect_s:g} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _may_pass(error: Exception, part: Path, before: int) -> bool:
    """Tell whether asking again may help: not where no byte came, nor where the disk is full."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            return True
        return error.code >= 500 or error.code == http.client.TOO_MANY_REQUESTS
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EACCES, errno.EROFS):
        return False
    return _size(part) != before


def _unreachable(address: str, error: Exception) -> EnvironmentFault:
    """Return the error for an address that gives nothing."""
    if isinstance(error, urllib.error.HTTPError):
        reason = f"answers {error.code} {error.reason}"
    else:
        reason = f"cannot be had: {getattr(error, 'reason', error)}"
    where = address if isinstance(error, urllib.error.HTTPError) else urlsplit(address).netloc
    return EnvironmentFault(f"{where} {reason}.", "Check the network, or name a mirror.")


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _note_of(part: Path) -> Path:
    """Return where it stands which file a `.part` is a part of."""
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> dict[str, str]:
    """Return the address and the validator (ETag or date) of a `.part`, empty where unknown."""
    try:
        return dict(json.loads(_note_of(part).read_text()))
    except (OSError, ValueError):
        return {}


def _check_safe(box: zipfile.ZipFile, name: str, most: int) -> None:
    """Refuse a zip that is unsafe as a whole."""
    for member in box.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise _unsafe(name, f"holds {member.filename}, which would land outside its folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _unsafe(name, f"holds {member.filename}, which is a link")
    size = sum(member.file_size for member in box.infolist())
    if size > most:
        raise _unsafe(name, f"would unpack to {size} bytes, at most {most}")


def _unzip(box: zipfile.ZipFile, name: str, into: Path, names: tuple[str, ...], most: int) -> None:
    """Take the named files out of a zip that is safe."""
    _check_safe(box, name, most)
    deepest_first = sorted(box.infolist(), key=lambda member: -member.filename.count("/"))
    found = {PurePosixPath(member.filename).name: member for member in deepest_first}
    for wanted in names:
        if wanted not in found:
            raise EnvironmentFault(
                f"{name} must hold {wanted} and does not.", "Is it the owner's file?"
            )
        with box.open(found[wanted]) as packed:
            _copy(packed, into / wanted, most, name)


def _copy(packed: Any, path: Path, most: int, name: str) -> None:
    """Write a stream to a file, but never more than `most` bytes."""
    with path.open("wb") as target:
        _copy_some(packed, target, most)
        if packed.read(1):
            raise _unsafe(name, f"unpacks to more than {most} bytes")


def _copy_some(packed: Any, target: BinaryIO, most: int) -> None:
    """Copy at most `most` bytes."""
    while most > 0 and (chunk := packed.read(min(CHUNK_BYTES, most))):
        target.write(chunk)
        most -= len(chunk)


def _damaged(archive: Path, error: Exception) -> EnvironmentFault:
    """Return the error for an archive that cannot be read to its end."""
    return EnvironmentFault(f"{archive.name} is no whole archive: {error}.", "Fetch it again.")


def _unsafe(name: str, reason: str) -> InputError:
    """Return the error for an archive that must not be unpacked."""
    return InputError(
        f"{name} is refused: it {reason}.",
        "Nothing was unpacked; do not use this file.",
    )
