"""Histories of many users, end to end, with no padding between them.

`PackedEvents` is what a log looks like to the model, `PackedVectors` what an encoder reads once
items have become vectors. User `u` owns rows `offsets[u]` to `offsets[u + 1]`. A dense padded form
is made nowhere but in `pad`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from penchant.errors import ShapeError

NO_TIME: Final = -(2**62)
"""The `time_ms` of an event whose time is unknown."""

NO_ELAPSED: Final = -1
"""The `elapsed_ms` of a step whose length is unknown."""


class _Packed(ABC):
    """What rows of many users, end to end, have in common."""

    __slots__ = ()
    offsets: Tensor

    @property
    @abstractmethod
    def num_events(self) -> int:
        """Number N of rows."""

    @property
    def num_users(self) -> int:
        """Number of users, those without events included."""
        return self.offsets.shape[0] - 1

    @property
    def lengths(self) -> Tensor:
        """(B,) events of each user."""
        return self.offsets.diff()

    @property
    def user(self) -> Tensor:
        """(N,) which user each row belongs to."""
        return owner_of(self.offsets, self.num_events)


@dataclass(frozen=True, slots=True)
class PackedEvents(_Packed):
    """Events of B users, end to end.

    Parameters
    ----------
    item_index
        (N,) int64.
    event_type
        (N,) int64, index of the kind of behaviour.
    value
        (N,) float32, NaN where the event carries none.
    time_ms
        (N,) int64 milliseconds since 1970, `NO_TIME` where unknown.
    context
        (N, X) int64 categorical columns that the event carries; X may be 0.
    offsets
        (B + 1,) int64, rising from 0 to N.

    Examples
    --------
    >>> events = PackedEvents.from_lists([[4, 2, 2], [], [7]])
    >>> events.offsets.tolist(), events.lengths.tolist()
    ([0, 3, 3, 4], [3, 0, 1])
    """

    item_index: Tensor
    event_type: Tensor
    value: Tensor
    time_ms: Tensor
    context: Tensor
    offsets: Tensor

    def __post_init__(self) -> None:
        num_events = self.item_index.shape[0]
        for name in ("event_type", "value", "time_ms", "context"):
            found = getattr(self, name).shape[0]
            if found != num_events:
                raise ShapeError(
                    f"{name} must have one row per event ({num_events}) but has {found}.",
                    "Build batches with PackedEvents.from_lists.",
                )
        assert int(self.offsets[0]) == 0, "offsets start at 0"
        if int(self.offsets[-1]) != num_events:
            raise ShapeError(
                f"offsets must end at the number of events ({num_events}) "
                f"but end at {int(self.offsets[-1])}.",
                "Build batches with PackedEvents.from_lists.",
            )

    @property
    def num_events(self) -> int:
        """Number N of rows."""
        return self.item_index.shape[0]

    @classmethod
    def from_lists(
        cls,
        items: Sequence[Sequence[int]],
        *,
        times_ms: Sequence[Sequence[int]] | None = None,
        event_types: Sequence[Sequence[int]] | None = None,
        values: Sequence[Sequence[float]] | None = None,
    ) -> PackedEvents:
        """Pack one list of item indices per user; what is not given is unknown.

        Raises
        ------
        ShapeError
            When times, types or values do not have the lengths of the items.
        """
        lengths = [len(history) for history in items]
        flat = [index for history in items for index in history]
        size = len(flat)

        def column(
            given: Sequence[Sequence[float]] | None, name: str, missing: float, dtype: torch.dtype
        ) -> Tensor:
            if given is None:
                return torch.full((size,), missing, dtype=dtype)
            for user, (history, want) in enumerate(zip(given, lengths, strict=True)):
                if len(history) != want:
                    raise ShapeError(
                        f"{name} must match the items: user {user} has {want} items "
                        f"and {len(history)} {name}.",
                        "Give one entry per event.",
                    )
            return torch.tensor([entry for history in given for entry in history], dtype=dtype)

        return cls(
            item_index=torch.tensor(flat, dtype=torch.int64),
            event_type=column(event_types, "event_types", 0, torch.int64),
            value=column(values, "values", float("nan"), torch.float32),
            time_ms=column(times_ms, "times_ms", NO_TIME, torch.int64),
            context=torch.zeros((size, 0), dtype=torch.int64),
            offsets=offsets_of(torch.tensor(lengths, dtype=torch.int64)),
        )

    def select(self, rows: Tensor, lengths: Tensor) -> PackedEvents:
        """Return the given rows as histories of the given lengths."""
        return PackedEvents(
            item_index=self.item_index[rows],
            event_type=self.event_type[rows],
            value=self.value[rows],
            time_ms=self.time_ms[rows],
            context=self.context[rows],
            offsets=offsets_of(lengths),
        )

    def split(self, first: Tensor) -> tuple[PackedEvents, PackedEvents]:
        """Cut each history in two; `first` (B,) events of each go to the first part.

        Examples
        --------
        >>> head, tail = PackedEvents.from_lists([[4, 2, 2], [7]]).split(torch.tensor([2, 0]))
        >>> head.item_index.tolist(), tail.item_index.tolist()
        ([4, 2], [2, 7])
        """
        row = torch.arange(self.item_index.shape[0], device=self.offsets.device)
        user = self.user
        in_first = row - self.offsets[user] < first[user]
        return (
            self.select(row[in_first], first),
            self.select(row[~in_first], self.lengths - first),
        )

    def to(self, device: torch.device | str) -> PackedEvents:
        """Return the events on a device."""
        return PackedEvents(
            *(
                getattr(self, name).to(device)
                for name in ("item_index", "event_type", "value", "time_ms", "context", "offsets")
            )
        )


@dataclass(frozen=True, slots=True)
class PackedVectors(_Packed):
    """What an encoder reads: one vector per event.

    Parameters
    ----------
    x
        (N, D) vectors of the events.
    elapsed_ms
        (N,) int64 time since the user's event before, `NO_ELAPSED` where unknown; the model
        computes it, from the memory's last time where the event before is not in this batch.
    is_first
        (N,) bool, the very first event of a user's history.
    offsets
        (B + 1,) int64.
    """

    x: Tensor
    elapsed_ms: Tensor
    is_first: Tensor
    offsets: Tensor

    @property
    def num_events(self) -> int:
        """Number N of rows."""
        return self.x.shape[0]

    def with_x(self, x: Tensor) -> PackedVectors:
        """Return the same events with other vectors."""
        return replace(self, x=x)


def offsets_of(lengths: Tensor) -> Tensor:
    """Return (B + 1,) offsets from (B,) lengths.

    Examples
    --------
    >>> offsets_of(torch.tensor([3, 0, 1])).tolist()
    [0, 3, 3, 4]
    """
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def owner_of(offsets: Tensor, num_rows: int) -> Tensor:
    """Return (N,) the user that each row belongs to.

    Examples
    --------
    >>> owner_of(torch.tensor([0, 3, 3, 4]), 4).tolist()
    [0, 0, 0, 2]
    """
    users = torch.arange(offsets.shape[0] - 1, device=offsets.device)
    return users.repeat_interleave(offsets.diff(), output_size=num_rows)


def last_rows(per_event: Tensor, offsets: Tensor, otherwise: Tensor) -> Tensor:
    """Return (B, …) the last row of each user, and `otherwise` for users without rows.

    Examples
    --------
    >>> offsets = torch.tensor([0, 3, 3, 4])
    >>> last_rows(torch.tensor([5, 6, 7, 8]), offsets, torch.tensor([0, -1, 0])).tolist()
    [7, -1, 8]
    """
    has_rows = offsets.diff() > 0
    if per_event.shape[0] == 0:
        return otherwise
    rows = per_event[(offsets[1:] - 1).clamp(min=0)]
    return torch.where(has_rows.view(-1, *[1] * (rows.dim() - 1)), rows, otherwise)
