"""Cleaning: explicit steps, each of which counts what it leaves out.

The frame stays lazy. A step that has to know the whole log reads two or three columns of it as
integers and leaves behind a short list of ids or rows to pass over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import InputError, UsageError
from penchant.events.columns import sort_keys_of
from penchant.events.cores import core_rows


@dataclass(frozen=True)
class CleaningOptions:
    """Which steps to take, in this order.

    Parameters
    ----------
    event_types
        Keep events of these types.
    min_value
        Keep events of at least this value; an event without a value is left out.
    drop_duplicates
        Of rows that agree in every column keep the first.
    max_user_events
        Leave out users with more events than this: bots, counters, shared accounts.
    drop_consecutive_repeats
        Of events of a user on the same item in a row keep the first.
    min_user_events, min_item_events
        Leave out users and items with fewer events until all have enough (on the whole log).
    """

    event_types: Sequence[str] | None = None
    min_value: float | None = None
    drop_duplicates: bool = True
    max_user_events: int | None = None
    drop_consecutive_repeats: bool = False
    min_user_events: int = 0
    min_item_events: int = 0

    def __post_init__(self) -> None:
        if self.max_user_events is not None and self.max_user_events < 1:
            raise UsageError(f"max_user_events must be 1 or more, not {self.max_user_events}.")


@dataclass(frozen=True)
class StepRecord:
    """What a step left out.

    Parameters
    ----------
    name
        The step, in words.
    num_dropped
        Rows left out.
    setting
        Its setting, if it has one.
    num_before, num_users_before, num_items_before
        Rows, users and items that it was given, where they were counted.
    num_after, num_users_after, num_items_after
        And those that it left.
    """

    name: str
    num_dropped: int
    setting: Any = None
    num_before: int | None = None
    num_after: int | None = None
    num_users_before: int | None = None
    num_users_after: int | None = None
    num_items_before: int | None = None
    num_items_after: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values for JSON, without what was not counted."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class _Counts:
    rows: int
    users: int
    items: int


Step = tuple[pl.LazyFrame, StepRecord]


def clean(
    frame: pl.LazyFrame, options: CleaningOptions, order_by: str = "timestamp"
) -> tuple[pl.LazyFrame, list[StepRecord]]:
    """Take the steps that the options ask for.

    Parameters
    ----------
    frame
        Canonical columns.
    options
        Which steps.
    order_by
        What the events of a user are ordered by: which repeats are consecutive.

    Returns
    -------
    The frame without what was left out, still lazy, and one record for each step taken.

    Raises
    ------
    InputError
        When a step would leave no row.

    Examples
    --------
    >>> from penchant.events.columns import complete
    >>> log = complete(pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"],
    ...                              "value": [5.0, 1.0, 4.0]}))
    >>> cleaned, steps = clean(log, CleaningOptions(min_value=4))
    >>> [(step.name, step.num_dropped) for step in steps]
    [('value of at least 4', 1), ('exact duplicates', 0)]
    """
    steps: list[StepRecord] = []
    counts = _count(frame)
    for name, setting, kept in _steps(options, order_by):
        left = kept(frame)
        after = _count(left)
        steps.append(_record(name, setting, counts, after))
        if after.rows == 0:
            raise InputError(
                f"No event is left after the step: {name} (it had {counts.rows:,} events).",
                _hint(frame, name),
            )
        frame, counts = left, after
    return frame, steps


def _steps(options: CleaningOptions, order_by: str) -> list[tuple[str, Any, Any]]:
    """Return (name, setting, function of a frame) of the steps that are on."""
    steps: list[tuple[str, Any, Any]] = []
    if options.event_types is not None:
        kinds = list(options.event_types)
        name = f"event type {' or '.join(kinds)}"
        steps.append((name, kinds, lambda f: f.filter(pl.col("event_type").is_in(kinds))))
    if options.min_value is not None:
        least = options.min_value
        name = f"value of at least {least:g}"
        steps.append((name, least, lambda f: f.filter(pl.col("value") >= least)))
    if options.drop_duplicates:
        steps.append(("exact duplicates", True, without_duplicates))
    if options.max_user_events is not None:
        most = options.max_user_events
        name = f"users with more than {most:,} events"
        steps.append((name, most, lambda f: without_busy_users(f, most)))
    if options.drop_consecutive_repeats:
        name = "the same item several times in a row"
        steps.append((name, True, lambda f: without_repeats(f, order_by)))
    fewest = (options.min_user_events, options.min_item_events)
    if max(fewest) > 1:
        name = f"core of {fewest[0]} events a user and {fewest[1]} an item"
        steps.append((name, list(fewest), lambda f: _core(f, *fewest)))
    return steps


def _hint(frame: pl.LazyFrame, name: str) -> str:
    if not name.startswith("event type"):
        return "Loosen that condition."
    kinds = frame.select(pl.col("event_type").value_counts(sort=True)).head(8)
    found = kinds.collect(engine="streaming").unnest("event_type")["event_type"]
    return f"The log has: {', '.join(found)}."


def _count(frame: pl.LazyFrame) -> _Counts:
    users, items = pl.col("user_id").n_unique(), pl.col("item_id").n_unique()
    row = frame.select(pl.len(), users, items).collect(engine="streaming").row(0)
    return _Counts(*row)


def _record(name: str, setting: Any, before: _Counts, after: _Counts) -> StepRecord:
    return StepRecord(
        name,
        before.rows - after.rows,
        setting,
        before.rows,
        after.rows,
        before.users,
        after.users,
        before.items,
        after.items,
    )


def duplicate_rows(frame: pl.LazyFrame, apart_from: str = "order") -> pl.Series:
    """Return the numbers (column `apart_from`) of rows that repeat an earlier one in all others.

    Memory: 16 bytes a row, for the hashes; rows with equal hashes are then compared.
    """
    schema = frame.collect_schema()
    names = [n for n, dtype in schema.items() if n != apart_from and not dtype.is_nested()]
    hashes = frame.select(apart_from, pl.struct(names).hash().alias("hash"))
    hashed = hashes.collect(engine="streaming")
    suspects = hashed.filter(pl.col("hash").is_duplicated()).select(apart_from)
    if suspects.is_empty():
        return suspects[apart_from]
    rows = frame.join(suspects.lazy(), on=apart_from, how="semi").select(apart_from, *names)
    found = rows.collect(engine="streaming").sort(apart_from)
    return found.filter(~pl.struct(names).is_first_distinct())[apart_from]


def without_duplicates(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows that no earlier row agrees with in every column but `order`."""
    return _without(frame, "order", duplicate_rows(frame))


def without_busy_users(frame: pl.LazyFrame, max_user_events: int) -> pl.LazyFrame:
    """Return the rows of users with at most that many events."""
    counts = frame.group_by("user_id").len().filter(pl.col("len") > max_user_events)
    return _without(frame, "user_id", counts.collect(engine="streaming")["user_id"])


def repeat_rows(frame: pl.LazyFrame, order_by: str = "timestamp") -> pl.Series:
    """Return the `order` of events on the same item as the user's event before."""
    user, item, order = _codes(frame, sort_keys_of(order_by))
    is_repeat = np.zeros(len(user), dtype=bool)
    is_repeat[1:] = (np.diff(user) == 0) & (np.diff(item) == 0)
    return pl.Series("order", order[is_repeat])


def without_repeats(frame: pl.LazyFrame, order_by: str = "timestamp") -> pl.LazyFrame:
    """Return the first of events of a user on the same item in a row."""
    return _without(frame, "order", repeat_rows(frame, order_by))


def k_core(frame: pl.LazyFrame, min_user_events: int, min_item_events: int) -> Step:
    """Leave out users and items with too few events until all have enough.

    Parameters
    ----------
    frame
        At least `user_id` and `item_id`.
    min_user_events, min_item_events
        Fewest events of a user and of an item among what is left.

    Examples
    --------
    >>> log = pl.LazyFrame({"user_id": [*"aabbc"], "item_id": [*"xyxyz"]})
    >>> core, step = k_core(log, 2, 2)
    >>> core.select(pl.len()).collect().item(), step.num_users_after
    (4, 2)
    """
    before = _count(frame)
    core = _core(frame, min_user_events, min_item_events)
    name = f"core of {min_user_events} events a user and {min_item_events} an item"
    return core, _record(name, [min_user_events, min_item_events], before, _count(core))


def _core(frame: pl.LazyFrame, min_user_events: int, min_item_events: int) -> pl.LazyFrame:
    ids = frame.select("user_id", "item_id").collect(engine="streaming")
    user, item = _coded(ids["user_id"]), _coded(ids["item_id"])
    kept = ids.filter(core_rows(user, item, min_user_events, min_item_events))
    for name in ("user_id", "item_id"):
        frame = frame.join(kept.lazy().select(name).unique(), on=name, how="semi")
    return frame


def _coded(ids: pl.Series) -> np.ndarray:
    return ids.rank("dense").to_numpy().astype(np.int64) - 1


def _codes(
    frame: pl.LazyFrame, sort_keys: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (N,) user codes, item codes and `order` of a log, user after user."""
    names = ["user_id", "item_id", *sort_keys]
    rows = frame.select(names).collect(engine="streaming")
    rows = rows.with_columns(
        pl.Series(name, _coded(rows[name])) for name in ("user_id", "item_id")
    ).sort("user_id", *sort_keys)
    return rows["user_id"].to_numpy(), rows["item_id"].to_numpy(), rows["order"].to_numpy()


def _without(frame: pl.LazyFrame, name: str, values: pl.Series) -> pl.LazyFrame:
    if values.is_empty():
        return frame
    return frame.join(values.to_frame(name).lazy(), on=name, how="anti")
