"""`penchant doctor`: what this machine offers, for people who ask why something does not work."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from penchant.cli.options import JsonOption
from penchant.cli.output import Output

REQUIRED = ("torch", "numpy", "polars", "pydantic", "safetensors", "tensorboard", "typer", "rich")
OPTIONAL = {
    "pandas": "pandas", "pyarrow": "pandas", "fastexcel": "excel",
    "transformers": "text", "tokenizers": "text", "peft": "text", "gguf": "text",
    "sentencepiece": "text", "faiss": "ann",
}  # fmt: skip
"""Packages that a part needs, and the extra that installs each."""

DISTRIBUTIONS = {"faiss": "faiss-cpu"}
"""Names on the index that are not those of the packages."""


def doctor(as_json: JsonOption = False) -> None:
    """Show versions, devices, optional parts, memory and disk."""
    import penchant

    out = Output(as_json)
    body = {
        "penchant": penchant.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in REQUIRED},
        "optional": {name: _version(name) for name in OPTIONAL},
        "devices": _devices(),
        "num_cpus": _num_cpus(),
        "memory": _memory(),
        "disk": _disk(Path.cwd()),
    }
    _print(out, body)
    out.document(body)


def _print(out: Output, body: dict[str, Any]) -> None:
    out.line(f"penchant {body['penchant']}, Python {body['python']}, {body['platform']}")
    out.line(f"installed in {sys.prefix}")
    rows = [(name, version or "MISSING") for name, version in body["packages"].items()]
    for name, version in body["optional"].items():
        hint = f"not installed: pip install 'penchant[{OPTIONAL[name]}]'"
        rows.append((f"{name} (optional)", version or hint))
    out.table(["package", "version"], rows)
    memory, disk = body["memory"], body["disk"]
    out.line()
    out.line(f"devices: {', '.join(body['devices'])}; {body['num_cpus']} processors")
    out.line(
        f"memory: {_gigabytes(memory['free_bytes'])} of {_gigabytes(memory['total_bytes'])} free"
    )
    out.line(
        f"disk here: {_gigabytes(disk['free_bytes'])} of {_gigabytes(disk['total_bytes'])} free"
    )


def _version(package: str) -> str | None:
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return metadata.version(DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        return "unknown"


def _devices() -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return ["none: torch is missing"]
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        numbers = range(torch.cuda.device_count())
        found += [f"cuda:{number} ({torch.cuda.get_device_name(number)})" for number in numbers]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _num_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> dict[str, int | None]:
    """Return bytes of memory, `None` where the system does not tell."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return {"total_bytes": None, "free_bytes": None}
    return {"total_bytes": total, "free_bytes": _available_bytes()}


def _available_bytes() -> int | None:
    table = Path("/proc/meminfo")
    if not table.exists():
        return None
    for line in table.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _disk(place: Path) -> dict[str, int]:
    usage = shutil.disk_usage(place)
    return {"total_bytes": usage.total, "free_bytes": usage.free}


def _gigabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e9:.1f} GB"
