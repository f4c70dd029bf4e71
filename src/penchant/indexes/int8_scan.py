"""Rough scores from one byte a number: less to read, and an error that is known.

A vector is a scale times whole numbers from -127 to 127, plus a rest whose length is kept; so is a
query. By Cauchy and Schwarz the rests bound the error of each product, so that the exact search
loses nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch

from penchant.indexes.rows import Block

GREATEST_CODE: Final = 127
SAFE_CODE: Final = 63
"""What two products of fit into 16 bits, where a processor adds them there."""

BLOCK_ROWS: Final = 2**16


class Int8Scan:
    """One product of whole numbers.

    Parameters
    ----------
    base
        The rows.

    Notes
    -----
    D + 4 bytes a row beside the rows. The product is torch's, which is several times faster than
    float32 where the processor multiplies bytes (AVX-512 VNNI and its like), and slower elsewhere.
    """

    def __init__(self, base: Block) -> None:
        self.greatest = greatest_code()
        size, width = base.vectors.shape
        codes = np.empty((size, width), np.int8)
        self.scale = np.empty(size, np.float32)
        self.rest, self.length = 0.0, 0.0
        for start in range(0, size, BLOCK_ROWS):
            block = base.vectors[start : start + BLOCK_ROWS]
            scale = np.abs(block).max(1, initial=0.0) / np.float32(self.greatest)
            scale[scale == 0] = 1
            whole = np.rint(block / scale[:, None])
            near = whole * scale[:, None]
            codes[start : start + BLOCK_ROWS] = whole
            self.scale[start : start + BLOCK_ROWS] = scale
            self.rest = max(self.rest, _longest(block - near))
            self.length = max(self.length, _longest(near))
        self._codes = torch.from_numpy(codes)

    @property
    def num_bytes(self) -> int:
        """Bytes held beside the rows."""
        return self._codes.numel() + self.scale.nbytes

    def scores(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (U, n) products, the best of K, and (U,) bounds on their error."""
        num_users, num_interests, _ = queries.shape
        found = np.empty((num_users, len(self.scale)), np.float32)
        errors = np.zeros(num_users)
        for user in range(num_users):
            for place in range(num_interests):
                scores, error = self._one(queries[user, place])
                errors[user] = max(errors[user], error)
                if place == 0:
                    found[user] = scores
                else:
                    np.maximum(found[user], scores, out=found[user])
        return found, errors

    def _one(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """Return (n,) products of one query (D,), and the bound on their error."""
        step = float(np.abs(query).max(initial=0.0)) / self.greatest or 1.0
        whole = np.rint(query / step)
        length, rest = np.linalg.norm(query), np.linalg.norm(query - whole * step)
        asked = torch.from_numpy(whole.astype(np.int8))
        # One query at a time: for several this product is slower than one after another.
        counts = torch._int_mm(asked[None], self._codes.T)[0].numpy()  # (n,)
        # Products of lengths, and a little for their own rounding.
        error = 1.0001 * float(length * self.rest + rest * self.length)
        scales = self.scale * np.float32(step)
        return np.multiply(counts, scales, dtype=np.float32, casting="unsafe"), error


@cache
def greatest_code() -> int:
    """Return the greatest whole number whose products this processor adds without clipping."""
    for greatest in (GREATEST_CODE, SAFE_CODE):
        ones = torch.full((1, 64), greatest, dtype=torch.int8)
        both = torch.cat([ones, -ones]).repeat(32, 1)
        found = torch._int_mm(ones, both.T)
        if torch.equal(found, ones.int() @ both.int().T):
            return greatest
    raise AssertionError("bytes must be multiplied exactly")


def _longest(vectors: np.ndarray) -> float:
    return float(np.sqrt(np.square(vectors, dtype=np.float64).sum(1).max(initial=0.0)))
