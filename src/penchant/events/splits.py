"""Which events are trained on, validated on and tested on.

`parse_split` reads the name of a split, `assign` gives every event of the ordered log its part.
Nothing is lost here: each event gets exactly one part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np

from penchant.errors import InputError, UsageError
from penchant.events.arrays import NO_TIME, Part

VALIDATION_SHARE: Final = 0.1
"""The validation slice of a time split takes at most this share of the events before T."""

PUBLISHED_CORE: Final = 5
"""Fewest events of a user and of an item under `published-time`."""

_WAYS: Final = "leave-one-out, time:0.9, time:2026-05-01, published-time:0.9 or none"


@dataclass(frozen=True, slots=True)
class Split:
    """A split by name: its kind, and where it cuts.

    Parameters
    ----------
    kind
        `leave-one-out`, `time`, `published-time`, or `none`: all events are trained on.
    share
        Share of the events that lie before the cut, where it is given as a quantile.
    at_ms
        The cut itself, where it is given as a date.
    """

    kind: Literal["leave-one-out", "time", "published-time", "none"]
    share: float | None = None
    at_ms: int | None = None

    @property
    def by_time(self) -> bool:
        """Whether the split cuts all histories at one moment."""
        return self.kind in ("time", "published-time")


@dataclass(frozen=True, slots=True)
class Assignment:
    """The part of every event, and what is to be told about it.

    Parameters
    ----------
    part
        (N,) int8, a `Part`.
    test_from_ms, validation_from_ms
        Where the parts begin; None where nothing is cut, the latter also under `published-time`.
    users_without_targets
        Users all of whose events are trained on because they have too few to be tested on.
    """

    part: np.ndarray
    test_from_ms: int | None = None
    validation_from_ms: int | None = None
    users_without_targets: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to tell as plain values for JSON."""
        return {
            "test_from": None if self.test_from_ms is None else iso(self.test_from_ms),
            "test_from_ms": self.test_from_ms,
            "validation_from": (
                None if self.validation_from_ms is None else iso(self.validation_from_ms)
            ),
            "validation_from_ms": self.validation_from_ms,
            "users_without_targets": self.users_without_targets,
        }


def parse_split(text: str) -> Split:
    """Read the name of a split.

    Raises
    ------
    UsageError
        When the name is not known, or its share or date cannot be read.

    Examples
    --------
    >>> parse_split("time:0.9")
    Split(kind='time', share=0.9, at_ms=None)
    >>> parse_split("time:1970-01-01T00:00:02").at_ms
    2000
    """
    kind, _, cut = text.strip().partition(":")
    if kind in ("leave-one-out", "none") and not cut:
        return Split(kind)  # type: ignore[arg-type]
    if kind not in ("time", "published-time") or not cut:
        raise UsageError(f"A split must be one of {_WAYS}, but {text!r} was given.")
    try:
        share = float(cut)
    except ValueError:
        return Split(kind, at_ms=_date_ms(cut, text))  # type: ignore[arg-type]
    if not 0 < share < 1:
        raise UsageError(
            f"The share of events before the cut must lie between 0 and 1, "
            f"but {cut} was given in {text!r}.",
            "Say time:0.9 for the first nine tenths, or give a date as in time:2026-05-01.",
        )
    return Split(kind, share=share)  # type: ignore[arg-type]


def _date_ms(cut: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(cut)
    except ValueError:
        raise UsageError(
            f"A time split must name a share or an ISO 8601 date, "
            f"but {cut!r} in {text!r} is neither.",
            "Say time:0.9, time:2026-05-01 or time:2026-05-01T12:00:00+02:00.",
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def iso(time_ms: int) -> str:
    """Return a time as ISO 8601 text, in UTC.

    Examples
    --------
    >>> iso(2000)
    '1970-01-01T00:00:02+00:00'
    """
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat()
    except OverflowError:  # beyond the year 9999
        return f"{time_ms} ms"


def assign(split: Split, time_ms: np.ndarray, offsets: np.ndarray) -> Assignment:
    """Give every event its part.

    Parameters
    ----------
    split
        The split.
    time_ms
        (N,) times of the ordered events, `NO_TIME` where unknown.
    offsets
        (U + 1,) where the users begin.

    Raises
    ------
    InputError
        When a time split meets events without times, times that run against the order of the
        events, or a cut that leaves the training or the test part empty.
    """
    if split.kind == "leave-one-out":
        return leave_one_out(offsets)
    if split.kind == "none":
        return Assignment(np.full(len(time_ms), Part.TRAIN, dtype=np.int8))
    name = f"{split.kind}:{split.share if split.share is not None else iso(split.at_ms or 0)}"
    _check_times(name, time_ms, offsets)
    assigned = (
        split_at_time(split, time_ms)
        if split.kind == "time"
        else split_as_published(split, time_ms, offsets)
    )
    _check_parts(name, assigned, time_ms)
    return assigned


def leave_one_out(offsets: np.ndarray) -> Assignment:
    """Last event of each user = test, second-last = validation; users with fewer than 3: all train.

    Examples
    --------
    >>> leave_one_out(np.array([0, 4, 6])).part.tolist()
    [0, 0, 1, 2, 0, 0]
    """
    part = np.full(offsets[-1], Part.TRAIN, dtype=np.int8)
    lengths = np.diff(offsets)
    tested = lengths >= 3
    last = offsets[1:][tested] - 1
    part[last] = Part.TEST
    part[last - 1] = Part.VALIDATION
    return Assignment(part, users_without_targets=int(((lengths > 0) & ~tested).sum()))


def quantile_time(time_ms: np.ndarray, share: float) -> int:
    """Return the time of the first event behind the given share of all events, in order of time.

    Examples
    --------
    >>> quantile_time(np.array([50, 10, 40, 20, 30]), 0.6)
    40
    """
    # 0.29 * 100 is 28.999…: a hair is added before rounding down
    behind = min(math.floor(share * len(time_ms) + 1e-9), len(time_ms) - 1)
    return int(np.partition(time_ms, behind)[behind])


def split_at_time(split: Split, time_ms: np.ndarray) -> Assignment:
    """Events from T on = test; the last slice before T = validation.

    Notes
    -----
    The validation slice takes the same share of the events before T as the test part takes of
    all events, a tenth at most: `time:0.9` gives about 81 % training, 9 % validation, 10 % test.
    Events that share their time with the first of a slice belong to the slice. Where no event
    would be left to train on, validation begins later.
    """
    test_from = (
        quantile_time(time_ms, split.share)  # type: ignore[arg-type]
        if split.at_ms is None
        else split.at_ms
    )
    before = time_ms[time_ms < test_from]
    test_share = 1 - len(before) / len(time_ms)
    validation_from = _start_of_validation(before, min(test_share, VALIDATION_SHARE), test_from)
    part = np.where(time_ms < validation_from, Part.TRAIN, Part.VALIDATION).astype(np.int8)
    part[time_ms >= test_from] = Part.TEST
    return Assignment(part, test_from, validation_from)


def _start_of_validation(before: np.ndarray, share: float, test_from: int) -> int:
    if len(before) == 0:
        return test_from
    start = quantile_time(before, 1 - share)
    if start > before.min():
        return start
    # so many events at one time that none would be left to train on: begin behind them
    later = before[before > start]
    return int(later.min()) if len(later) else test_from


def split_as_published(split: Split, time_ms: np.ndarray, offsets: np.ndarray) -> Assignment:
    """Events after the interpolated quantile = test; the last earlier event of a user = validation.

    Notes
    -----
    An event exactly at the quantile is trained on, as published; T is therefore the first
    millisecond behind it. Users with a single event before T have no validation event.

    References
    ----------
    D. Gusak, A. Volodkevich, A. Klenitskiy, A. Vasilev, E. Frolov, "Time to Split: Exploring
    Data Splitting Strategies for Offline Evaluation of Sequential Recommenders", 2025.
    """
    test_from = (
        math.floor(float(np.quantile(time_ms, split.share))) + 1  # type: ignore[arg-type]
        if split.at_ms is None
        else split.at_ms
    )
    tested = time_ms >= test_from
    num_before = np.diff(np.concatenate([[0], np.cumsum(~tested)])[offsets])
    part = np.where(tested, Part.TEST, Part.TRAIN).astype(np.int8)
    validated = num_before >= 2
    part[(offsets[:-1] + num_before - 1)[validated]] = Part.VALIDATION
    return Assignment(part, test_from)


def _check_times(name: str, time_ms: np.ndarray, offsets: np.ndarray) -> None:
    num_unknown = int((time_ms == NO_TIME).sum())
    if num_unknown:
        raise InputError(
            f"Split {name} needs the time of every event, but {num_unknown} of {len(time_ms)} "
            f"events have none.",
            "Split by leave-one-out, or drop the events without a time.",
        )
    num_backward = steps_back(time_ms, offsets)
    if num_backward:
        raise InputError(
            f"Split {name} needs events in order of time, but by position the time runs back at "
            f"{num_backward} of {len(time_ms)} events.",
            "Order by timestamp, or split by leave-one-out.",
        )


def steps_back(time_ms: np.ndarray, offsets: np.ndarray) -> int:
    """Return at how many events the time is earlier than at the event of the user before.

    Examples
    --------
    >>> steps_back(np.array([5, 4, 9, 1]), np.array([0, 3, 4]))
    1
    """
    backward = np.diff(time_ms) < 0
    borders = offsets[(offsets > 0) & (offsets < len(time_ms))]
    backward[borders - 1] = False  # from one user to the next
    return int(backward.sum())


def _check_parts(name: str, assigned: Assignment, time_ms: np.ndarray) -> None:
    for part in (Part.TRAIN, Part.TEST):
        if not (assigned.part == part).any():
            raise InputError(
                f"Split {name} leaves no event to the {part.name.lower()} part: the events run "
                f"from {iso(int(time_ms.min()))} to {iso(int(time_ms.max()))} and the cut lies at "
                f"{iso(assigned.test_from_ms or 0)}.",
                "Cut between these times.",
            )
