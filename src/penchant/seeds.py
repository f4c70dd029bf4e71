"""Random numbers: one seed in, independent named streams out.

Each purpose (order of the data, dropout, bootstrap) has a stream of its own, so that drawing more
for one never shifts another.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np


def stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return the generator of a purpose, the same in every process and on every machine.

    Examples
    --------
    >>> int(stream(7, "order", 3).integers(1000)) == int(stream(7, "order", 3).integers(1000))
    True
    """
    name = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, name, *indices])


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy's global generator and torch (all devices)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries outside still read the global generator
    torch.manual_seed(seed)
