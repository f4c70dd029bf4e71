"""From rows with ids in file order to integers in the order of learning.

Every id of the cleaned log gets a code here, in the order of its first row in the file; which of
the items become the vocabulary is decided once the split is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from penchant.errors import InputError
from penchant.events.arrays import NO_TIME, LogArrays, Part


@dataclass(frozen=True, slots=True)
class CodedLog:
    """The ordered events in integers, all of them in the training part as yet.

    Parameters
    ----------
    log
        Item indices are codes into `item_ids`, event types codes into `event_types`.
    user_ids, item_ids
        All ids, by code.
    event_types
        All types, by code.
    """

    log: LogArrays
    user_ids: pl.Series
    item_ids: pl.Series
    event_types: tuple[str, ...]

    def where(self, keep: np.ndarray) -> CodedLog:
        """Return the events where `keep` (N,) is true; users left without any go."""
        if keep.all():
            return self
        log = self.log.where(keep)
        present = log.lengths > 0
        offsets = np.concatenate([[0], log.offsets[1:][present]])
        return replace(
            self, log=replace(log, offsets=offsets), user_ids=self.user_ids.filter(present)
        )

    def with_part(self, part: np.ndarray) -> CodedLog:
        """Return the same events with their parts."""
        return replace(self, log=replace(self.log, part=part))

    def with_items(self, item_codes: np.ndarray) -> CodedLog:
        """Return the log over the given items alone; events of others have an unknown item.

        Parameters
        ----------
        item_codes
            Codes; the first becomes index 0.
        """
        index_of = np.full(len(self.item_ids), -1, dtype=np.int64)
        index_of[item_codes] = np.arange(len(item_codes))
        log = replace(self.log, item_index=index_of[self.log.item_index])
        return replace(self, log=log, item_ids=self.item_ids.gather(item_codes))

    def with_types_by_frequency(self) -> CodedLog:
        """Return the log with event types in falling order of their training events."""
        train = self.log.event_type[self.log.part == Part.TRAIN]
        counts = np.bincount(train, minlength=len(self.event_types))
        by_frequency = np.argsort(-counts, kind="stable")
        new_code = np.empty_like(by_frequency)
        new_code[by_frequency] = np.arange(len(by_frequency))
        return replace(
            self,
            log=replace(self.log, event_type=new_code[self.log.event_type]),
            event_types=tuple(self.event_types[code] for code in by_frequency),
        )


def code_events(frame: pl.LazyFrame, sort_keys: Sequence[str]) -> CodedLog:
    """Collect a log with canonical columns as integers.

    Parameters
    ----------
    frame
        Canonical columns; ids are not null.
    sort_keys
        Columns that order the events of one user.

    Raises
    ------
    InputError
        When no event is left, or one has no position where the log is ordered by it.
    """
    names = ["user_id", "item_id", "time_ms", "position", "order", "event_type", "value"]
    events = frame.select(names).collect(engine="streaming")
    _check(events, sort_keys)
    events, user_ids = _coded(events, "user_id")
    events, item_ids = _coded(events, "item_id")
    types = events["event_type"].unique().sort()
    events = events.with_columns(pl.col("event_type").cast(pl.Enum(types)).to_physical())
    events = events.sort("user_id", *sort_keys)
    lengths = np.bincount(events["user_id"].to_numpy(), minlength=len(user_ids))
    log = LogArrays(
        item_index=events["item_id"].to_numpy().astype(np.int64),
        event_type=events["event_type"].to_numpy().astype(np.int64),
        value=events["value"].cast(pl.Float32).fill_null(float("nan")).to_numpy(),
        time_ms=events["time_ms"].fill_null(NO_TIME).to_numpy(),
        part=np.full(events.height, Part.TRAIN, dtype=np.int8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )
    return CodedLog(log, user_ids, item_ids, tuple(types))


def _check(events: pl.DataFrame, sort_keys: Sequence[str]) -> None:
    if events.height == 0:
        raise InputError(
            "No event is left to prepare.", "Loosen the conditions on rows, users and items."
        )
    num_unknown = events["position"].null_count()
    if sort_keys[0] == "position" and num_unknown:
        raise InputError(
            f"Ordering by position needs the position of every event, but {num_unknown} of "
            f"{events.height} have none.",
            'Keep the others with --where "position is not null", or order by timestamp.',
        )


def _coded(events: pl.DataFrame, name: str) -> tuple[pl.DataFrame, pl.Series]:
    """Replace the ids of a column by codes in the order of their first rows in the file."""
    ids = events.group_by(name).agg(pl.col("order").min()).sort("order").get_column(name)
    codes = pl.DataFrame({name: ids}).with_row_index("code")
    coded = events.join(codes, on=name, how="left").drop(name).rename({"code": name})
    return coded, ids
