"""Keys and values that a decoder has made of the first events of windows, kept in the process.

They are found by the numbers that they were made of, so nothing need be told when items, weights or
users change: what has changed is not found. They are a cache and never part of a memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any, Final

from torch import Tensor

CACHE_BYTES: Final = 256 * 2**20
"""What is kept at most; the longest unused goes first."""

Layers = list[tuple[Tensor, Tensor]]
"""Keys and values (1, H, T, E) of each layer."""


class Prefixes:
    """A cache of layers by what they were made of; safe to use from threads.

    Parameters
    ----------
    most_bytes
        What is kept at most.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self.num_bytes = 0
        self._kept: OrderedDict[Hashable, Layers] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Prefixes, (self.most_bytes,)  # a copy of a model starts with an empty cache

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Layers | None:
        """Return what is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, layers: Layers) -> None:
        """Keep layers, in place of those that were unused for longest."""
        with self._lock:
            self.num_bytes += _bytes(layers) - _bytes(self._kept.pop(key, []))
            self._kept[key] = layers
            while self.num_bytes > self.most_bytes:
                _, oldest = self._kept.popitem(last=False)
                self.num_bytes -= _bytes(oldest)

    def drop(self, key: Hashable) -> None:
        """Forget what is kept under a key."""
        with self._lock:
            self.num_bytes -= _bytes(self._kept.pop(key, []))


def digest(rows: Tensor) -> bytes:
    """Return what tells vectors (T, D) from all others."""
    plain = rows.detach().cpu().contiguous()
    return hashlib.blake2b(plain.numpy().tobytes(), digest_size=16).digest()


def _bytes(layers: Layers) -> int:
    return sum(part.numel() * part.element_size() for pair in layers for part in pair)
