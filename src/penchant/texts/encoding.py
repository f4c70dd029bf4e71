"""Texts in, vectors out: the one door to all models, with a cache behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from penchant.texts.base import MAX_TOKENS, Progress, TextModel, Vectors
from penchant.texts.cache import VectorCache
from penchant.texts.cleaning import clean
from penchant.texts.known import open_text_model

NUM_TEXTS_AT_ONCE: Final = 1024
"""Texts between two writes to the cache: what an interruption can cost."""


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Vectors of texts, and where they come from.

    Parameters
    ----------
    vectors
        (N, E) float32; zeros where a text is empty.
    name, fingerprint
        Of the model that was used.
    num_encoded, num_cached
        Distinct texts that the model read now, and that the cache knew.
    """

    vectors: Vectors
    name: str
    fingerprint: str
    num_encoded: int
    num_cached: int


def encode_texts(
    texts: Sequence[str],
    model: TextModel | str = "auto",
    max_tokens: int = MAX_TOKENS,
    cache: VectorCache | Literal["default"] | None = "default",
    progress: Progress | None = None,
) -> EncodedTexts:
    """Return a vector for each text.

    Parameters
    ----------
    texts
        Any strings. They are cleaned and cut first (`penchant.texts.cleaning`); an empty one is
        given to no model and has a row of zeros.
    model
        One that is open, or what `open_text_model` opens.
    max_tokens
        What stands behind so many tokens of a text is not read.
    cache
        Vectors that are known already, and a place for the others; none where None. A model that
        is quicker than any cache does without.
    progress
        Told how many distinct texts have their vectors.

    Notes
    -----
    The longest texts come first, and what is done goes to the cache every 1,024 texts: an
    encoding that was interrupted goes on where it was.

    Examples
    --------
    >>> found = encode_texts(["green soap", "", "soap, green"], "hashing")
    >>> found.vectors.shape, found.num_encoded, found.name
    ((3, 256), 2, 'hashing')
    >>> bool(found.vectors[1].any()), bool(found.vectors[0] @ found.vectors[2] > 0.7)
    (False, True)
    """
    opened = open_text_model(model) if isinstance(model, str) else model
    cleaned = [clean(text, max_tokens) for text in texts]
    distinct = sorted({text for text in cleaned if text}, key=lambda text: (-len(text), text))
    kept = VectorCache() if cache == "default" else cache
    try:
        book = _Book(opened, max_tokens, kept if opened.is_cached else None)
        rows, num_cached = book.vectors(distinct, progress)
    finally:
        if cache == "default" and kept is not None:
            kept.close()
    place = {text: index for index, text in enumerate(distinct)}
    vectors = np.zeros((len(cleaned), opened.width), np.float32)
    filled = [index for index, text in enumerate(cleaned) if text]
    vectors[filled] = rows[[place[cleaned[index]] for index in filled]]
    return EncodedTexts(
        vectors, opened.name, opened.fingerprint, len(distinct) - num_cached, num_cached
    )


@dataclass(frozen=True, slots=True)
class _Book:
    """A model, and what is known of its vectors."""

    model: TextModel
    max_tokens: int
    cache: VectorCache | None

    def vectors(self, distinct: Sequence[str], progress: Progress | None) -> tuple[Vectors, int]:
        """Return (n, E) vectors of distinct texts, the longest first, and how many were known."""
        rows = np.zeros((len(distinct), self.model.width), np.float32)
        known = {}
        if self.cache is not None:
            known = self.cache.get(
                self.model.fingerprint, self.max_tokens, distinct, self.model.width
            )
        for place, vector in known.items():
            rows[place] = vector
        missing = [place for place in range(len(distinct)) if place not in known]
        for start in range(0, len(missing), NUM_TEXTS_AT_ONCE):
            places = missing[start : start + NUM_TEXTS_AT_ONCE]
            chunk = [distinct[place] for place in places]
            told = _behind(progress, len(known) + start, len(distinct))
            rows[places] = self.model.encode(chunk, self.max_tokens, told)
            if self.cache is not None:
                self.cache.put(self.model.fingerprint, self.max_tokens, chunk, rows[places])
        return rows, len(known)


def _behind(progress: Progress | None, num_before: int, num_all: int) -> Progress | None:
    """Return a progress of a part that counts what was done before it."""
    if progress is None:
        return None
    told = progress
    return lambda name, num_done, _: told(name, num_before + num_done, num_all)
