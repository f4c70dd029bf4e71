"""Peers' own virtual environments: made on first use, kept, made anew when what they hold changes.

PyTorch is pinned as in the project's `constraints.txt`, so that all train on the same build of it.
On Linux the index's build of it brings gigabytes for GPUs: give pip the CPU build by its own
settings (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL) where that matters.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLD_ARROW = ("pyarrow<20",)
LAST_LINES = 6


class UnavailableError(Exception):
    """A peer cannot be had; says why."""


@dataclass(frozen=True)
class Peer:
    """What pip is asked for, and within which bounds."""

    name: str
    requirements: tuple[str, ...]
    bounds: tuple[str, ...] = OLD_ARROW

    @property
    def script(self) -> Path:
        return Path(__file__).with_name(f"run_{self.name}.py")


PEERS = {
    peer.name: peer
    for peer in (
        Peer("rectools", ("rectools[torch]==0.19.0",)),
        # its own bounds are open above, and newer releases of what it uses break it
        Peer(
            "recbole",
            ("recbole==1.2.1", "setuptools<81"),
            (*OLD_ARROW, "numpy<2", "pandas<2.2", "scipy<1.13", "setuptools<81"),
        ),
        Peer("penchant", ()),
    )
}


def torch_pin() -> str:
    """Return the project's own pin of PyTorch."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    [pin] = [line for line in lines if line.startswith("torch==")]
    return pin


def python_of(peer: Peer, folder: Path, python: str) -> Path:
    """Return the interpreter of a peer's environment, which is made if need be.

    Raises
    ------
    UnavailableError
        When the environment cannot be made or pip cannot fill it.
    """
    if not peer.requirements:
        return Path(sys.executable)
    home = folder / peer.name
    inside = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    wanted = "\n".join((torch_pin(), *peer.bounds, *peer.requirements)) + "\n"
    ready = home / "ready.txt"
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return inside
    print(f"Making {home}: a minute or two, once.", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    _run(peer, [python, "-m", "venv", str(home)])
    bounds = home / "bounds.txt"
    bounds.write_text("\n".join((torch_pin(), *peer.bounds)) + "\n", encoding="utf-8")
    pip = [str(inside), "-m", "pip", "install", "--quiet", "--no-input", "--retries", "1"]
    _run(peer, [*pip, "--constraint", str(bounds), *peer.requirements])
    ready.write_text(wanted, encoding="utf-8")
    return inside


def _run(peer: Peer, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise UnavailableError(f"{peer.name} cannot be installed: {error}") from error
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line and "WARNING" not in line]
        raise UnavailableError(
            f"{peer.name} cannot be installed: `{' '.join(command)}` ended with:\n  "
            + "\n  ".join(told[-LAST_LINES:])
        )
