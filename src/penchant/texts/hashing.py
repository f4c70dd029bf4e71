"""A model of texts that needs nothing: words and their pieces, hashed into directions.

It knows no meanings: texts are near when they share words, parts of words or, in scripts without
spaces, characters. Always there, the same in every process, 100 times as fast as a transformer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penchant.texts.base import MAX_TOKENS, Progress, TextModel, Vectors
from penchant.texts.cleaning import clean

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Weights = NDArray[np.float64]

NUM_TEXTS_AT_ONCE: Final = 4096
PIECES: Final = (3, 4, 5)
"""Lengths of the pieces of words, a mark at either end counted."""
PIECE_WEIGHT: Final = 0.7
PAIR_WEIGHT: Final = 0.6
FULL_WORD: Final = 4
"""A word of fewer letters tells less: its weight is in proportion to its length."""

_PRIME: Final = np.uint64(0x100000001B3)
_NEWLINE: Final = 10
# Chinese and Japanese characters, and Thai: scripts that write no spaces between words.
_UNSPACED: Final = (
    (0x0E01, 0x0E5B), (0x3041, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)  # fmt: skip


class HashingTextModel(TextModel):
    """Counts of words, pairs of words and pieces of words, with signs, at unit length.

    Notes
    -----
    Letters are compared without case and accents. A character of a script without spaces is a
    word. There are no frequencies to learn; a word's length stands in for how much it tells.

    References
    ----------
    K. Weinberger et al., "Feature hashing for large scale multitask learning", 2009.

    Examples
    --------
    >>> titles = ["Café au lait soap", "cafe soap with milk", "Steel comb"]
    >>> a, b, c = HashingTextModel().encode(titles)
    >>> bool(a @ b > 0.4 > a @ c)
    True
    """

    is_cached = False

    def __init__(self, width: int = 256) -> None:
        self.name = "hashing"
        self.width = width
        self.fingerprint = f"hashing-1-{width}"

    def encode(
        self,
        texts: Sequence[str],
        max_tokens: int = MAX_TOKENS,
        progress: Progress | None = None,
    ) -> Vectors:
        """Return (N, E) vectors; zeros for a text without letters and digits."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for start in range(0, len(texts), NUM_TEXTS_AT_ONCE):
            chunk = texts[start : start + NUM_TEXTS_AT_ONCE]
            cleaned = [clean(text, max_tokens) for text in chunk]
            vectors[start : start + len(chunk)] = self._encoded(cleaned, max_tokens)
            if progress:
                progress(self.name, start + len(chunk), len(texts))
        return vectors

    def _encoded(self, texts: Sequence[str], max_tokens: int) -> Vectors:
        words = _Words(texts, max_tokens)
        sums = np.zeros(len(texts) * self.width)
        for text_index, hashes, weights in words.traits():
            mixed = _mix(hashes)
            signs = np.where(mixed >> np.uint64(63), 1.0, -1.0)
            places = text_index * self.width + (mixed % np.uint64(self.width)).astype(np.int64)
            sums += np.bincount(places, weights * signs, len(sums))
        vectors = sums.reshape(len(texts), self.width)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


class _Words:
    """The words of many texts, end to end.

    Parameters
    ----------
    texts
        Clean ones: a line each.
    most
        Words of a text that are kept.
    """

    def __init__(self, texts: Sequence[str], most: int) -> None:
        letters, text_index, is_alone = _letters(texts)
        before = np.r_[False, letters[:-1] != 0]
        starts = np.flatnonzero((letters != 0) & (~before | is_alone | np.r_[False, is_alone[:-1]]))
        text_of_word = text_index[starts]
        place = np.arange(len(starts)) - np.searchsorted(text_of_word, text_of_word)
        word = np.cumsum(np.bincount(starts, minlength=len(letters))) - 1  # of each letter
        kept = (letters != 0) & (word >= 0)
        kept[kept] = place[word[kept]] < most
        self.letters = letters[kept].astype(np.uint64)
        self.text_index = text_index[kept]
        _, self.word = np.unique(word[kept], return_inverse=True)
        self.starts = np.flatnonzero(np.r_[True, np.diff(self.word) > 0]) if kept.any() else starts
        self.lengths = np.diff(np.r_[self.starts, len(self.letters)])
        self.is_alone = is_alone[kept][self.starts]

    def traits(self) -> Iterator[tuple[Numbers, Hashes, Weights]]:
        """Yield which text has what, and how much it tells, one kind of trait at a time."""
        if not len(self.letters):
            return
        text_index = self.text_index[self.starts]
        hashes = self._hashes()
        weights = np.where(self.is_alone, 1.0, np.minimum(self.lengths / FULL_WORD, 1.0))
        yield text_index, hashes, weights
        same = text_index[1:] == text_index[:-1]
        pairs = _mix(hashes[:-1]) * _PRIME + hashes[1:]
        pair_weights = PAIR_WEIGHT * np.minimum(weights[1:], weights[:-1])
        yield text_index[1:][same], pairs[same], pair_weights[same]
        yield from self._pieces()

    def _hashes(self) -> Hashes:
        """Return a number for each word."""
        place = np.arange(len(self.letters)) - self.starts[self.word]
        powers = np.cumprod(np.full(place.max() + 1, _PRIME, np.uint64))
        return np.add.reduceat(_mix(self.letters) * powers[place], self.starts)

    def _pieces(self) -> Iterator[tuple[Numbers, Hashes, Weights]]:
        """Yield the pieces of words with several letters, each word with a mark at its ends."""
        long = ~self.is_alone
        lengths = self.lengths[long] + 2
        ends = np.cumsum(lengths)
        marked = np.ones(int(lengths.sum()), np.uint64)  # 1 stands for a mark: no letter has it
        word = np.repeat(np.arange(len(lengths)), lengths)
        inner = np.ones(len(marked), bool)
        inner[ends - 1] = inner[ends - lengths] = False
        marked[inner] = self.letters[long[self.word]]
        text_index = self.text_index[self.starts[long]]
        mixed = _mix(marked)
        for size in PIECES:
            last = len(marked) - size + 1
            if last <= 0:
                return
            whole = word[:last] == word[size - 1 :]
            hashes = np.full(last, size, np.uint64)
            for place in range(size):
                hashes = hashes * _PRIME + mixed[place : place + last]
            owner = word[:last][whole]
            weights = PIECE_WEIGHT / np.sqrt((lengths[owner] - size + 1) * len(PIECES))
            weights *= np.minimum((lengths[owner] - 2) / FULL_WORD, 1.0)
            yield text_index[owner], hashes[whole], weights


def _letters(texts: Sequence[str]) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Return all characters (0 where no letter stands), their texts, and which are words alone."""
    plain = unicodedata.normalize("NFKD", "\n".join(texts).casefold())
    codes = np.frombuffer(plain.encode("utf-32-le", "replace"), np.uint32).astype(np.int64)
    codes = codes[(codes < 0x300) | (codes > 0x36F)]  # accents
    text_index = np.cumsum(codes == _NEWLINE)
    known, inverse = np.unique(codes, return_inverse=True)
    is_letter = np.array([chr(code).isalnum() for code in known], bool)
    is_alone = np.zeros(len(known), bool)
    for first, last in _UNSPACED:
        is_alone |= (known >= first) & (known <= last)
    is_letter |= is_alone & (known >= 0x0E01) & (known <= 0x0E5B)  # Thai vowels are no letters
    return np.where(is_letter[inverse], codes, 0), text_index, (is_alone & is_letter)[inverse]


def _mix(numbers: NDArray[np.uint64]) -> Hashes:
    """Return numbers of which every bit depends on all bits of what came in (splitmix64)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
