"""Rows in lists of what lies together: a search looks into the nearest lists alone.

The library is faiss: inverted lists with one byte a number. Inner products are turned into
distances: with one more number every row gets the length of the longest, and a query is given that
length too, so that the nearest lists are those with the greatest products.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from penchant.errors import MissingExtraError
from penchant.indexes.rows import Rows
from penchant.seeds import stream

LISTS_PER_ROOT: Final = 2.0
"""Lists for the square root of the number of rows; measured."""
POINTS_PER_LIST: Final = 48
"""Rows that the lists' centres are found from."""
NUM_ROUNDS: Final = 8
BLOCK_ROWS: Final = 2**16
BESIDE: Final = 2
"""Numbers behind a vector: the bias, and what lengthens it."""


class Lists:
    """Some rows of an index in lists.

    Parameters
    ----------
    rows
        Of whose base those are put into lists that may be found now.
    seed
        Of the rows from which the centres of lists are found.
    go_on
        Called between the steps of building, every few seconds; raises what is to end it.

    Raises
    ------
    MissingExtraError
        When faiss is not installed.

    Notes
    -----
    D + 2 bytes a row, rounded up to eights, and 8 for its number. Built by one thread.
    """

    def __init__(self, rows: Rows, seed: int, go_on: Callable[[], None] = lambda: None) -> None:
        self._faiss = _library()
        size = len(rows.base.item)
        self.is_in = rows.offset[:size] > -np.inf
        listed = np.flatnonzero(self.is_in)
        self.num_rows = len(listed)
        self.num_lists = max(1, min(int(LISTS_PER_ROOT * size**0.5), self.num_rows // 8))
        self.width = -(-(rows.width + BESIDE) // 8) * 8
        self._length = self._longest(rows, listed)
        with self._one_thread():
            self._index = self._empty(rows, listed, seed, go_on)
            for block in _blocks(listed):
                go_on()
                self._index.add_with_ids(self._lengthened(rows, block), block.astype(np.int64))
        self._plain: dict[int, Any] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of the lists and their centres."""
        centres = 4 * self.num_lists * self.width
        return centres + self.num_rows * (self.width + 8) + len(self.is_in)

    def near(
        self,
        queries: np.ndarray,
        num: int,
        num_probes: int,
        is_wanted: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return (n, num) rows whose products with queries (n, D) are about the greatest.

        Parameters
        ----------
        queries
            One a line.
        num
            Rows for each; -1 stands where there are no more.
        num_probes
            Lists that are looked into.
        is_wanted
            (R,) bool, the rows that count; all of them when left out.
        """
        asked = np.zeros((len(queries), self.width), np.float32)
        asked[:, : queries.shape[1]] = queries
        asked[:, queries.shape[1]] = 1
        asked *= self._length / np.linalg.norm(asked, axis=1, keepdims=True)
        if is_wanted is None:
            settings = self._settings(num_probes)
        else:
            bits = np.packbits(is_wanted, bitorder="little")
            chosen = self._faiss.IDSelectorBitmap(len(bits), self._faiss.swig_ptr(bits))
            settings = self._faiss.SearchParametersIVF(nprobe=num_probes, sel=chosen)
        found: np.ndarray = self._index.search(asked, num, params=settings)[1]
        return found

    def _settings(self, num_probes: int) -> Any:
        """Return the settings of a search without a filter; made once, and only read."""
        if num_probes not in self._plain:
            self._plain[num_probes] = self._faiss.SearchParametersIVF(nprobe=num_probes)
        return self._plain[num_probes]

    def _empty(self, rows: Rows, listed: np.ndarray, seed: int, go_on: Callable[[], None]) -> Any:
        """Return lists with centres and ranges of numbers, and nothing in them yet."""
        library = self._faiss
        centres = library.IndexFlatL2(self.width)
        most = POINTS_PER_LIST * self.num_lists
        draw = stream(seed, "lists")
        drawn = np.sort(draw.choice(listed, min(most, len(listed)), replace=False))
        points = self._lengthened(rows, drawn)
        how = library.Clustering(self.width, self.num_lists)
        how.niter, how.seed = 1, seed % 2**31
        how.min_points_per_centroid, how.max_points_per_centroid = 1, POINTS_PER_LIST
        for _ in range(NUM_ROUNDS):  # each goes on from the centres of the one before
            go_on()
            how.train(points, centres)
        index = library.IndexIVFScalarQuantizer(
            centres,
            self.width,
            self.num_lists,
            library.ScalarQuantizer.QT_8bit,
            library.METRIC_INNER_PRODUCT,
            False,
        )
        index.train(self._ranges(rows, listed))
        return index

    def _longest(self, rows: Rows, listed: np.ndarray) -> float:
        longest = 0.0
        for block in _blocks(listed):
            square = np.square(rows.vectors(block)).sum(1) + np.square(rows.offset[block])
            longest = max(longest, float(square.max()))
        return max(longest, 1e-12) ** 0.5

    def _lengthened(self, rows: Rows, block: np.ndarray) -> np.ndarray:
        """Return (n, self.width) rows with their biases, all of one length."""
        found = np.zeros((len(block), self.width), np.float32)
        found[:, : rows.width] = rows.vectors(block)
        found[:, rows.width] = rows.offset[block]
        missing = self._length**2 - np.square(found).sum(1)
        found[:, rows.width + 1] = np.sqrt(missing.clip(min=0))
        return found

    def _ranges(self, rows: Rows, listed: np.ndarray) -> np.ndarray:
        """Return (2, self.width) the least and the greatest of each number."""
        parts = (self._lengthened(rows, block) for block in _blocks(listed))
        ends = [np.stack([part.min(0), part.max(0)]) for part in parts]
        return np.stack([np.min([e[0] for e in ends], 0), np.max([e[1] for e in ends], 0)])

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Keep what is done to this thread: a build leaves the other cores to those who search."""
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(1)
        try:
            yield
        finally:
            self._faiss.omp_set_num_threads(before)


def _blocks(listed: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows, some at a time."""
    cuts = itertools.pairwise([*range(0, len(listed), BLOCK_ROWS), len(listed)])
    return (listed[start:end] for start, end in cuts)


def _library() -> Any:
    """Return faiss.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "An approximate index needs faiss, which is not installed.",
            "Install it with: pip install 'penchant[ann]'",
        ) from error
    return faiss
