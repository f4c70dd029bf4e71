"""Small models of texts, made once for a process and removed when it ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch

from .texts import tiny


@cache
def small_reader(kind: str = "bert") -> str:
    """Return the folder of an encoder (`bert`) or a decoder (`llama`) that knows a few words."""
    pytest.importorskip("peft")
    folder = Path(tempfile.mkdtemp(prefix="penchant-reader-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with torch.random.fork_rng(devices=[]):
        {"bert": tiny.save_bert, "llama": tiny.save_llama}[kind](folder)
    return str(folder)
