"""Lists for many users at once: prepared histories, in blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch

from penchant.errors import UnknownUserError
from penchant.events import PreparedData
from penchant.events.arrays import UNKNOWN_ITEM, LogArrays
from penchant.items import Profiles
from penchant.registry import nearest
from penchant.serving.ranking import BLOCK_CELLS, RankedItem, Ranker

BLOCK_EVENTS = 50_000
"""Rows of history folded at once; a longer user makes a block alone."""

SCHEMA = {"user_id": pl.String, "item_id": pl.String, "score": pl.Float32, "rank": pl.Int32}
"""Columns of a table of lists."""


def user_indices(data: PreparedData, users: Sequence[str]) -> np.ndarray:
    """Return (B,) indices of users of prepared data.

    Raises
    ------
    UnknownUserError
        When one is not there.
    """
    ids = [str(user) for user in users]
    found = data.users.indices(ids)
    if (found < 0).any():
        missing = ids[int((found < 0).argmax())]
        close = nearest(missing, list(data.users.ids)) if len(data.users) <= 20_000 else ""
        raise UnknownUserError(
            f'User "{missing}" must be one of the {len(data.users):,} users of the prepared data, '
            f"and is not ({int((found < 0).sum())} of {len(ids)} are missing).",
            close.partition(" Known: ")[0] if close.startswith("Did you mean") else "",
        )
    return found


def aligned(log: LogArrays, data: PreparedData, ranker: Ranker) -> LogArrays:
    """Return a log of prepared data in the indices of the ranker's bundle.

    Notes
    -----
    The data need not be those of the training: ids decide, and an item or a type of event that the
    bundle does not know counts as unknown.
    """
    item_of = np.append(ranker.items.indices(data.items.series), UNKNOWN_ITEM)
    types = {name: index for index, name in enumerate(ranker.bundle.event_types)}
    other = ranker.roles.unknown_type
    type_of = np.array([types.get(name, other) for name in data.event_types], np.int64)
    return LogArrays(
        item_of[log.item_index],  # the last entry answers for UNKNOWN_ITEM, which is -1
        type_of[log.event_type],
        log.value,
        log.time_ms,
        log.part,
        log.offsets,
    )


def user_blocks(lengths: np.ndarray, num_items: int) -> Iterator[slice]:
    """Yield slices of users whose histories and whose scores are held at once.

    Examples
    --------
    >>> list(user_blocks(np.array([40_000, 20_000, 10]), 10))
    [slice(0, 1, None), slice(1, 3, None)]
    """
    most_users = max(1, BLOCK_CELLS // max(num_items, 1))
    start, held = 0, 0
    for user, length in enumerate(lengths):
        if user > start and (held + length > BLOCK_EVENTS or user - start >= most_users):
            yield slice(start, user)
            start, held = user, 0
        held += int(length)
    if len(lengths) > start:
        yield slice(start, len(lengths))


def lists_of(
    ranker: Ranker,
    log: LogArrays,
    k: int,
    exclude_seen: bool,
    at_ms: int | None = None,
    objective: str = "",
    profiles: Profiles | None = None,
) -> Iterator[list[tuple[RankedItem, ...]]]:
    """Yield the lists of all users of a log, block by block, in order.

    `profiles` are what the model knows of them besides.

    Notes
    -----
    Asked at an earlier time than the last event, only what is known by then counts, as in `Live`;
    events without a time always do.
    """
    nothing = np.array([], np.int64)
    if at_ms is not None:
        log = log.where(log.time_ms <= at_ms)
    for chosen in user_blocks(log.lengths, ranker.num_items):
        block = log.users(np.arange(chosen.start, chosen.stop))
        left_out = ranker.seen(block) if exclude_seen else [nothing] * block.num_users
        places = torch.arange(chosen.start, chosen.stop)
        own = None if profiles is None else profiles.of_users(places)
        state = ranker.fold(block, ranker.begin(block.num_users, own))
        yield ranker.lists(state, [at_ms] * block.num_users, k, left_out, objective)


def table_of(user_ids: Sequence[str], lists: Sequence[tuple[RankedItem, ...]]) -> pl.DataFrame:
    """Return lists as a table, a row per item.

    Examples
    --------
    >>> table_of(["u1", "u2"], [(RankedItem("a", 0.5, 1),), ()]).rows()
    [('u1', 'a', 0.5, 1)]
    """
    rows: list[tuple[Any, ...]] = [
        (user_id, item.item_id, item.score, item.rank)
        for user_id, items in zip(user_ids, lists, strict=True)
        for item in items
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
