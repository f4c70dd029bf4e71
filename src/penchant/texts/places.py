"""Where Penchant keeps on this machine what can be had again: models and their vectors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "PENCHANT_CACHE"
"""Environment variable that names the folder."""


def cache_folder() -> Path:
    """Return the folder, which may not exist yet.

    Notes
    -----
    `PENCHANT_CACHE`, or else `penchant` in the place that the system keeps for caches:
    `$XDG_CACHE_HOME` or `~/.cache`, on a Mac `~/Library/Caches`, on Windows `%LOCALAPPDATA%`.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "penchant"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "penchant"
