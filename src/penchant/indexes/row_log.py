"""The one writer of an index's rows: each change makes a new value, old ones stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penchant.indexes.rows import Block, Bounds, Rows

LEAST_CAPACITY = 256
"""Rows of the first tail that is written."""


class RowLog:
    """Puts, removes and hides items; `rows` is what holds now.

    To be called by one thread at a time. Whoever has taken `rows` before goes on with it.

    Parameters
    ----------
    vectors
        (I, D) float32, row i of item i. Not copied, so not to be changed.
    bias
        (I,) float32; an item with minus infinity is in no list.
    item
        (I,) int32 the items of the rows, where they are not 0, 1, 2, …
    row_of, is_hidden
        As of `Rows`, where they are not what follows from the above.

    Notes
    -----
    A change of n items costs n rows, and a copy of 4 bytes a row and 5 an item.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        bias: np.ndarray,
        item: np.ndarray | None = None,
        row_of: np.ndarray | None = None,
        is_hidden: np.ndarray | None = None,
    ) -> None:
        every = np.arange(len(vectors), dtype=np.int32)
        base = Block(vectors, bias, every if item is None else item)
        row_of = every.copy() if row_of is None else row_of
        is_hidden = np.zeros(len(row_of), bool) if is_hidden is None else is_hidden
        offset = np.where(is_hidden[base.item], np.float32(-np.inf), bias)
        self._tail = _tail_of(0, vectors.shape[1])
        listed = int(np.count_nonzero(offset > -np.inf))
        self.rows = Rows(
            base,
            _first(self._tail, 0),
            offset,
            row_of,
            is_hidden,
            listed,
            Bounds.of(vectors, bias),
            is_plain=item is None or bool((item == every).all()),
        )

    def put(self, items: np.ndarray, vectors: np.ndarray, bias: np.ndarray) -> None:
        """Add items (n,) with vectors (n, D) and biases (n,), or replace them.

        Of an item that is named twice, the last counts.
        """
        if len(items) == 0:
            return
        _, last = np.unique(items[::-1], return_index=True)
        kept = len(items) - 1 - last
        items, vectors, bias = items[kept], vectors[kept], bias[kept]
        self._grow(int(items.max()) + 1)
        now = self.rows
        row_of = now.row_of.copy()
        replaced = row_of[items]
        row_of[items] = np.arange(now.num_rows, now.num_rows + len(items), dtype=np.int32)
        offset = np.concatenate([now.offset, _offset(bias, now.is_hidden[items])])
        offset[replaced[replaced >= 0]] = -np.inf
        tail = self._appended(vectors, bias, items.astype(np.int32))
        bounds = now.bounds.joined(Bounds.of(vectors, bias))
        self._publish(replace(now, tail=tail, row_of=row_of, bounds=bounds), offset)

    def remove(self, items: np.ndarray) -> None:
        """Take the vectors of items away; what is not there is passed over."""
        now = self.rows
        offset, row_of = now.offset.copy(), now.row_of.copy()
        offset[now.rows(items)] = -np.inf
        row_of[items[(items >= 0) & (items < len(row_of))]] = -1
        self._publish(replace(now, row_of=row_of), offset)

    def hide(self, items: np.ndarray, hidden: bool = True) -> None:
        """Keep items out of lists, or let them in again; replacing one changes nothing in that."""
        now = self.rows
        is_hidden = now.is_hidden.copy()
        is_hidden[items[(items >= 0) & (items < len(is_hidden))]] = hidden
        rows = now.rows(items)
        offset = now.offset.copy()
        offset[rows] = _offset(now.biases(rows), np.full(len(rows), hidden))
        self._publish(replace(now, is_hidden=is_hidden), offset)

    def catch_up(self, before: Rows, now: Rows) -> None:
        """Do what was done between two values of another log, of the first of which this one is."""
        self._grow(len(now.row_of))
        was = np.full(len(now.row_of), -1, np.int32)
        was[: len(before.row_of)] = before.row_of
        changed = np.flatnonzero(was != now.row_of)
        rows = now.row_of[changed]
        there = rows[rows >= 0]
        self.put(changed[rows >= 0], now.vectors(there), now.biases(there))
        self.remove(changed[rows < 0])
        differs = self.rows.is_hidden != now.is_hidden
        self.hide(np.flatnonzero(differs & now.is_hidden))
        self.hide(np.flatnonzero(differs & ~now.is_hidden), False)

    def _grow(self, num_items: int) -> None:
        """Make room for items up to `num_items`; the new ones have no vector yet."""
        now = self.rows
        more = num_items - len(now.row_of)
        if more > 0:
            row_of = np.concatenate([now.row_of, np.full(more, -1, np.int32)])
            is_hidden = np.concatenate([now.is_hidden, np.zeros(more, bool)])
            self.rows = replace(now, row_of=row_of, is_hidden=is_hidden)

    def _appended(self, vectors: np.ndarray, bias: np.ndarray, item: np.ndarray) -> Block:
        """Return the tail with more rows; they are written behind those that anybody reads."""
        size = len(self.rows.tail.item)
        end = size + len(item)
        if end > len(self._tail.item):
            grown = _tail_of(max(2 * end, LEAST_CAPACITY), vectors.shape[1])
            for new, old in zip(grown, self.rows.tail, strict=True):
                new[:size] = old
            self._tail = grown
        for leaf, more in zip(self._tail, (vectors, bias, item), strict=True):
            leaf[size:end] = more
        return _first(self._tail, end)

    def _publish(self, rows: Rows, offset: np.ndarray) -> None:
        listed = int(np.count_nonzero(offset > -np.inf))
        self.rows = replace(rows, offset=offset, num_listed=listed)


def compacted(rows: Rows) -> RowLog:
    """Return a log whose base has each item that has a vector, in the order of items.

    Notes
    -----
    Copies the vectors, unless the base has them all already.
    """
    if len(rows.tail.item) == 0 and len(rows.base.item) == np.count_nonzero(rows.row_of >= 0):
        base = rows.base
        return RowLog(base.vectors, base.bias, base.item, rows.row_of, rows.is_hidden)
    items = np.flatnonzero(rows.row_of >= 0).astype(np.int32)
    at = rows.row_of[items]
    row_of = np.full(len(rows.row_of), -1, np.int32)
    row_of[items] = np.arange(len(items), dtype=np.int32)
    return RowLog(rows.vectors(at), rows.biases(at), items, row_of, rows.is_hidden)


def _offset(bias: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    return np.where(hidden, np.float32(-np.inf), bias).astype(np.float32)


def _tail_of(size: int, width: int) -> Block:
    return Block(
        np.empty((size, width), np.float32), np.empty(size, np.float32), np.empty(size, np.int32)
    )


def _first(block: Block, size: int) -> Block:
    return Block(*(leaf[:size] for leaf in block))
