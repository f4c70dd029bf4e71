"""From scores to ranks, exactly and without favour: the protocol of every comparison.

Seen items leave the list, ties count against the target, a score that is no number comes last, an
item that is not in the vocabulary is a miss. Also cuts blocks so that no array of scores outgrows
its budget.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from penchant.errors import ShapeError
from penchant.events.arrays import ranges
from penchant.sequences.targets import TargetBlock

BLOCK_CELLS: Final = 2**23
"""Scores a block may hold: 32 MiB in float32, 64 MiB in the indices of seen pairs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Which items each target's user has met before, every item once.

    Parameters
    ----------
    target
        (P,) rising; which target of the block a pair belongs to.
    item
        (P,) an item of that target's history.
    is_repeat
        (M,) bool, the target is itself such an item.
    """

    target: np.ndarray
    item: np.ndarray
    is_repeat: np.ndarray


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where each target stands.

    Parameters
    ----------
    rank
        (M,) int64, 1 is best; the number of items + 1 for a target that no list would hold: it is
        not in the vocabulary, or its score is NaN or minus infinity.
    is_left_out
        (M,) bool, the target is itself seen and therefore says nothing under the filter; False
        without the filter.
    unfiltered
        (M,) int64, the rank among all items, seen ones included.
    """

    rank: np.ndarray
    is_left_out: np.ndarray
    unfiltered: np.ndarray


def seen_items(block: TargetBlock, event_types: Collection[int] | None = None) -> Seen:
    """Return the known items in the history of each target.

    Parameters
    ----------
    block
        The targets and their histories.
    event_types
        Indices of the event types that make an item seen; all when None.

    Notes
    -----
    Time and memory grow with the number of pairs, at most targets × items.

    Examples
    --------
    >>> from penchant.events import LogArrays
    >>> item = np.array([7, 5, 7, 5, 4])
    >>> log = LogArrays(item, item, item, item, item, offsets=np.array([0, 4, 5]))
    >>> seen = seen_items(TargetBlock(log, np.array([0, 1]), np.array([1, 3, 4])))
    >>> seen.target.tolist(), seen.item.tolist(), seen.is_repeat.tolist()
    ([0, 1, 1], [7, 7, 5], [False, True, False])
    """
    log = block.log
    counts = log.item_index >= 0
    if event_types is not None:
        counts &= np.isin(log.event_type, list(event_types))
    key = log.user * (log.item_index.max(initial=0) + 2) + log.item_index + 1
    candidates = np.flatnonzero(counts)
    keys, first = np.unique(key[candidates], return_index=True)
    first_rows = candidates[first]  # the row at which a user meets an item for the first time
    rows = np.sort(first_rows)
    low, high = np.searchsorted(rows, block.starts), np.searchsorted(rows, block.rows)
    target, pair = ranges(low, high - low)
    return Seen(target, log.item_index[rows[pair]], _met_before(block, key, keys, first_rows))


def _met_before(
    block: TargetBlock, key: np.ndarray, keys: np.ndarray, first_rows: np.ndarray
) -> np.ndarray:
    """Return (M,) whether the (user, item) of each target stands among `keys` at an earlier row."""
    if len(keys) == 0:
        return np.zeros(len(block.rows), dtype=bool)
    wanted = key[block.rows]
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return (keys[place] == wanted) & (first_rows[place] < block.rows) & (block.items >= 0)


def ranks(
    scores: np.ndarray, block: TargetBlock, exclude_seen: bool = True, seen: Seen | None = None
) -> Ranks:
    """Return the rank of every target of a block.

    Parameters
    ----------
    scores
        (M, I), higher is better; NaN and minus infinity come last, and are never found.
    block
        The targets that the rows of `scores` belong to.
    exclude_seen
        Take the items of the target's history out of the list.
    seen
        `seen_items(block)` where the caller has it already.

    Raises
    ------
    ShapeError
        When there is not one row of scores per target, or an item has no column.

    Notes
    -----
    The rank is the number of items that score at least as high as the target, itself included, so
    that a tie counts against it. One comparison of (M, I); the seen items are subtracted, not
    written over, so both ranks come from it.

    Examples
    --------
    >>> from penchant.events import LogArrays
    >>> item = np.array([0, 2, 3])
    >>> log = LogArrays(item, item, item, item, item, np.array([0, 3]))
    >>> block = TargetBlock(log, np.array([0]), np.array([2]))
    >>> found = ranks(np.array([[.9, .5, .7, .5]]), block)
    >>> found.rank.tolist(), found.unfiltered.tolist()
    ([2], [4])
    """
    seen = seen_items(block) if seen is None else seen
    num_targets, num_items = len(block.rows), scores.shape[-1]
    _check_shape(scores, block)
    items, row = block.items, np.arange(num_targets)
    own = scores[row, np.maximum(items, 0)]  # (M,)
    is_missed = (items < 0) | ~(own > -np.inf)  # cold, NaN or minus infinity
    unfiltered = _count_rows(scores >= own[:, None])
    ahead = scores[seen.target, seen.item] >= own[seen.target]
    ahead &= seen.item != items[seen.target]
    filtered = unfiltered - np.bincount(seen.target[ahead], minlength=num_targets)
    unfiltered[is_missed] = filtered[is_missed] = num_items + 1
    nothing = np.zeros(num_targets, dtype=bool)
    return Ranks(
        filtered if exclude_seen else unfiltered,
        seen.is_repeat if exclude_seen else nothing,
        unfiltered,
    )


def listable(scores: np.ndarray, candidates: np.ndarray | None) -> np.ndarray:
    """Return scores (M, I) under which only candidates are ever listed.

    Parameters
    ----------
    scores
        Higher is better.
    candidates
        (I,) bool; all when None.

    Examples
    --------
    >>> listable(np.array([[3.0, 1.0]]), np.array([False, True])).tolist()
    [[-inf, 1.0]]
    """
    return scores if candidates is None else np.where(candidates, scores, -np.inf)


def _check_shape(scores: np.ndarray, block: TargetBlock) -> None:
    num_items = int(block.log.item_index.max(initial=0)) + 1
    if scores.ndim != 2 or len(scores) != len(block.rows) or scores.shape[1] < num_items:
        raise ShapeError(
            f"scores must have one row per target ({len(block.rows)}) and one column per item "
            f"(at least {num_items}) but have shape {scores.shape}.",
            "Return an array (targets, items) from score(block), in the order of block.rows.",
        )


def _count_rows(flags: np.ndarray) -> np.ndarray:
    """Return (M,) the number of true values in each row of (M, I)."""
    return np.fromiter(map(np.count_nonzero, flags), dtype=np.int64, count=len(flags))


def gain(rank: np.ndarray, k: int) -> np.ndarray:
    """Return 1 / log2(rank + 1) for ranks up to k and 0 beyond: the NDCG@k of one target.

    Examples
    --------
    >>> gain(np.array([1, 3, 11]), 10).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.where(rank <= k, 1 / np.log2(rank + 1.0), 0.0)


def cut_block(
    block: TargetBlock, num_items: int, block_cells: int = BLOCK_CELLS
) -> Iterator[TargetBlock]:
    """Yield the targets of a block in pieces whose scores hold at most `block_cells` numbers.

    A piece holds the histories of its own users only, up to its last targets, so that no piece does
    the work of another but for a user who is cut in two.

    Examples
    --------
    >>> from penchant.events import LogArrays
    >>> item = np.array([7, 5, 7, 5, 4])
    >>> log = LogArrays(item, item, item, item, item, offsets=np.array([0, 4, 5]))
    >>> block = TargetBlock(log, np.array([8, 9]), np.array([1, 3, 4]))
    >>> pieces = cut_block(block, 8, block_cells=16)
    >>> [(piece.users.tolist(), piece.rows.tolist(), piece.log.num_events) for piece in pieces]
    [([8], [1, 3], 4), ([9], [0], 1)]
    """
    size = max(1, block_cells // max(num_items, 1))
    if len(block.rows) <= size:
        yield block
        return
    owner, starts = block.owner, block.starts
    for begin in range(0, len(block.rows), size):
        chosen = slice(begin, begin + size)
        users, first, place = np.unique(owner[chosen], return_index=True, return_inverse=True)
        rows = block.rows[chosen]
        ends = np.maximum.reduceat(rows, first) + 1  # the row after each user's last target
        begins = block.log.offsets[users]
        keep = ranges(begins, ends - begins)[1]
        offsets = np.concatenate([[0], np.cumsum(ends - begins)]).astype(np.int64)
        yield TargetBlock(
            block.log.take(keep, offsets),
            block.users[users],
            offsets[place] + rows - starts[chosen],
        )
