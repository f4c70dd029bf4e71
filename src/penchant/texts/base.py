"""What every model of texts is: a name, a fingerprint, a width, and texts in, vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[str, int, int | None], None]
"""Told what is done, how much of it is done, and of how much where that is known."""

Vectors = NDArray[np.float32]

MAX_TOKENS = 128
"""Tokens of a text that are read unless said otherwise."""


class TextModel(ABC):
    """Turns texts into vectors.

    Relations
    ---------
    `encode([a, b])[1]` equals `encode([b])[0]`: a vector does not depend on its company.
    """

    name: str
    """The short name, hub name or path that was asked for; after `auto` the one that was taken."""

    fingerprint: str
    """Hex digest of all that a vector depends on: weights, tokens, pooling."""

    width: int
    """Numbers in a vector, E."""

    is_cached: bool = True
    """Whether keeping vectors pays; not where making them costs less than reading them."""

    @abstractmethod
    def encode(
        self,
        texts: Sequence[str],
        max_tokens: int = MAX_TOKENS,
        progress: Progress | None = None,
    ) -> Vectors:
        """Return (N, E) vectors; zeros for a text in which nothing stands.

        Parameters
        ----------
        texts
            In any order and length; they are put into batches by length.
        max_tokens
            What stands behind so many tokens is not read.
        progress
            Told how many texts are done.
        """
