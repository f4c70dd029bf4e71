"""Recent popularity within segments of users: what is shown to somebody of whom there is no event.

Counts of the training part, small enough to be kept beside a model: of each item, and of each item
within each segment. No user is in them alone: segments of few users are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from penchant.baselines.base import CHOICE_USERS
from penchant.baselines.popular import ALL, NEWEST, WINDOWS_MS
from penchant.baselines.user_segments import UserSegments
from penchant.errors import CorruptBundleError
from penchant.events import PreparedData
from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.seeds import stream
from penchant.sequences.ranking import gain
from penchant.sequences.roles import EventRoles

STRENGTHS: Final = (30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, float("inf"))
MIN_USERS: Final = 10
"""Users that a segment must have: in a smaller one counts would tell what single users did."""

CHOICE_ITEMS: Final = 50_000
"""Items up to which window and strength are chosen on validation; beyond, the two below."""

GIVEN_WINDOW_MS: Final = 30 * 24 * 3_600_000
GIVEN_STRENGTH: Final = 1_000.0
CHOICE_CELLS: Final = 2**25
"""Numbers that a choice may hold: users times items."""

COUNTS, SETTINGS = "first_list.safetensors", "first_list.json"


S = TypeVar("S")


class SegmentCounts(NamedTuple):
    """Recent events of each item within each of S segments, segment after segment.

    `offsets` (S + 1,), `item_index` (nnz,) and `num_events` (nnz,), all int64; a segment that is
    too small has none.
    """

    offsets: np.ndarray
    item_index: np.ndarray
    num_events: np.ndarray

    def of(self, segment: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the items of a segment, and their counts."""
        span = slice(int(self.offsets[segment]), int(self.offsets[segment + 1]))
        return self.item_index[span], self.num_events[span]


@dataclass(frozen=True)
class SegmentPopular:
    """Which share of what users do next an item has, by their attributes.

    Parameters
    ----------
    segments
        Which segments users are in.
    whole
        (I,) float64 recent events of each item; those of all time add less than one, so that they
        break ties.
    counts
        Recent events within each segment.
    strength
        With so many events of the whole a segment is mixed; infinite: segments do not count.
    chosen
        The window that is recent, or how many of each user's newest events are.

    Notes
    -----
    The share of item i within a segment is (n_i + strength · p_i) / (n + strength), p_i being that
    within the whole: a small segment says little. Of a user in m segments the logarithms of the
    quotients to the whole are added and divided by the root of m: what attributes say overlaps, so
    that their sum says too much and their mean too little.

    Relations
    ---------
    Of a user of whom nothing is known the order is that of `RecentPopular` with the same window,
    asked after the last training event.
    """

    segments: UserSegments
    whole: np.ndarray
    counts: SegmentCounts
    strength: float
    chosen: dict[str, float | str]

    @classmethod
    def of(
        cls, data: PreparedData, roles: EventRoles = EventRoles(), exclude_seen: bool = True
    ) -> SegmentPopular:
        """Count the training part; choose the window, then the strength, on validation.

        Notes
        -----
        A list of ten as of the end of the training part is compared with what each validation user
        did next; with what users did who have no training events, where there are such.
        """
        log = roles.only_targets(data.log)
        train, judge = log.train, _Judge.of(log, roles, exclude_seen, len(data.items))
        every = np.bincount(train.item_index, minlength=len(data.items))
        ties = every / (train.num_events + 1)
        kind, settings, age = _ages(train)
        given = GIVEN_WINDOW_MS if kind == "window_ms" else ALL

        def whole_of(setting: int) -> np.ndarray:
            recent = train.item_index[age <= setting]
            return np.bincount(recent, minlength=len(every)) + ties

        setting = judge.best(settings, lambda one: whole_of(one)[None], given)
        users, is_trained = _user_table(data), train.lengths > 0
        segments = UserSegments.fit(data.user_encoder, users.filter(pl.Series(is_trained)))
        counts = _count(segments, users, train.where(age <= setting), is_trained)
        chosen: dict[str, float | str] = {kind: "all" if setting == ALL else setting}
        found = cls(segments, whole_of(setting), counts, GIVEN_STRENGTH, chosen)
        if len(counts.num_events) == 0:
            return found
        asking = users[judge.users]
        return found.with_strength(
            judge.best(
                STRENGTHS, lambda one: found.with_strength(one).shares(asking), GIVEN_STRENGTH
            )
        )

    def with_strength(self, strength: float) -> SegmentPopular:
        """Return the same counts, mixed otherwise."""
        return SegmentPopular(self.segments, self.whole, self.counts, strength, self.chosen)

    def shares(self, users: pl.DataFrame) -> np.ndarray:
        """Return (U, I) the share of each item for users with these attributes; rows sum to 1."""
        rows, segments = self.segments.members(users)
        base = self.whole / max(self.whole.sum(), 1e-300)
        with np.errstate(divide="ignore"):
            logs = np.tile(np.log(base), (users.height, 1))  # (U, I)
        if np.isfinite(self.strength):
            is_kept = np.diff(self.counts.offsets)[segments] > 0
            rows, segments = rows[is_kept], segments[is_kept]
            damping = np.sqrt(np.bincount(rows, minlength=users.height))
            for row, segment in zip(rows.tolist(), segments.tolist(), strict=True):
                item, count = self.counts.of(segment)
                logs[row, item] += np.log1p(count / (base[item] * self.strength)) / damping[row]
        best = logs.max(axis=1, keepdims=True, initial=-np.inf)
        shares = np.exp(logs - np.where(np.isfinite(best), best, 0.0))
        return shares / np.maximum(shares.sum(1, keepdims=True), 1e-300)

    def counted(self, users: pl.DataFrame) -> list[str]:
        """Return the attributes of a single user that count: those in a segment that was kept."""
        _, segments = self.segments.members(users)
        ends = np.cumsum(self.segments.sizes)
        kept = [at for at in segments if len(self.counts.of(at)[0]) and np.isfinite(self.strength)]
        named = {int(np.searchsorted(ends, at, side="right")) for at in kept}
        return [
            each.name for at, each in enumerate(self.segments.encoder.attributes) if at in named
        ]

    def save(self, directory: Path) -> None:
        """Write the counts and how they are read into a directory."""
        arrays = {"whole": self.whole, **self.counts._asdict()}
        save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()},
                  directory / COUNTS)  # fmt: skip
        strength = self.strength if np.isfinite(self.strength) else None
        settings = {
            "segments": self.segments.to_dict(), "strength": strength, "chosen": self.chosen
        }  # fmt: skip
        text = json.dumps(settings, indent=2, ensure_ascii=False)
        (directory / SETTINGS).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> SegmentPopular | None:
        """Read what `save` wrote; None where nothing was written.

        Raises
        ------
        CorruptBundleError
            When it is cut or altered.
        """
        if not (directory / SETTINGS).is_file():
            return None
        try:
            settings: dict[str, Any] = json.loads((directory / SETTINGS).read_text("utf-8"))
            arrays = load_file(directory / COUNTS)
            strength = settings["strength"]
            return cls(
                UserSegments.from_dict(settings["segments"]),
                arrays.pop("whole"),
                SegmentCounts(**arrays),
                float("inf") if strength is None else float(strength),
                settings["chosen"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptBundleError(
                f"{directory / SETTINGS} is cut or altered: {error}.",
                "Copy the bundle again, or train anew.",
            ) from error


def _user_table(data: PreparedData) -> pl.DataFrame:
    ids = pl.DataFrame({"user_id": data.users.series})
    return ids if data.user_table is None else data.user_table


def _count(
    segments: UserSegments, users: pl.DataFrame, events: LogArrays, is_trained: np.ndarray
) -> SegmentCounts:
    """Return the events of each item within each segment of enough users."""
    user, segment = segments.members(users)
    num_users = np.bincount(segment[is_trained[user]], minlength=segments.num_segments)
    is_kept = num_users[segment] >= MIN_USERS
    of_user = pl.DataFrame({"user": user[is_kept], "segment": segment[is_kept]})
    happened = pl.DataFrame({"user": events.user, "item": events.item_index})
    pairs = happened.join(of_user, on="user").group_by("segment", "item").len()
    pairs = pairs.sort("segment", "item")
    sizes = np.bincount(pairs["segment"].to_numpy(), minlength=segments.num_segments)
    return SegmentCounts(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        pairs["item"].to_numpy().astype(np.int64),
        pairs["len"].to_numpy().astype(np.int64),
    )


def _ages(train: LogArrays) -> tuple[str, tuple[int, ...], np.ndarray]:
    """Return what windows are measured in, those to choose from, and (N,) the age of each event.

    Milliseconds until just after the last event; in a log without times the place from the end of a
    user's history, 1 for the last.
    """
    is_timed = train.time_ms != NO_TIME
    if not is_timed.any():
        from_end = train.offsets[1:][train.user] - np.arange(train.num_events)
        return "newest", NEWEST, from_end
    age = int(train.time_ms.max()) + 1 - train.time_ms
    return "window_ms", WINDOWS_MS, np.where(is_timed, age, ALL)


class _Judge(NamedTuple):
    """What validation users did next.

    `users` (V,) indices, `wanted` (V, I) bool, `seen` (V, I) bool items that no list may hold.
    """

    users: np.ndarray
    wanted: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(cls, log: LogArrays, roles: EventRoles, exclude_seen: bool, num_items: int) -> _Judge:
        """Take validation users, new ones alone where there are enough; none of a large log."""
        known = log.where(log.item_index >= 0)
        users = np.unique(known.user[known.part == Part.VALIDATION])
        new = users[known.where(known.part == Part.TRAIN).lengths[users] == 0]
        users = new if len(new) >= MIN_USERS else users
        most = 0 if num_items > CHOICE_ITEMS else min(CHOICE_USERS, CHOICE_CELLS // num_items)
        if len(users) > most:
            users = np.sort(stream(0, "first lists").choice(users, most, replace=False))
        theirs = known.users(users)
        met = (theirs.part == Part.TRAIN) & roles.is_seen(theirs.event_type)
        wanted = np.zeros((len(users), num_items), dtype=bool)
        seen = wanted.copy()
        is_wanted = theirs.part == Part.VALIDATION
        wanted[theirs.user[is_wanted], theirs.item_index[is_wanted]] = True
        if exclude_seen:
            seen[theirs.user[met], theirs.item_index[met]] = True
        return cls(users, wanted & ~seen, seen)

    def best(self, settings: Sequence[S], scores: Callable[[S], np.ndarray], otherwise: S) -> S:
        """Return the setting under whose scores, (V, I) or (1, I), lists of ten hold the most.

        The last of equals; `otherwise` where nothing is found.
        """
        found = [self._found(scores(setting)) for setting in settings] if len(self.users) else []
        if not any(found):
            return otherwise
        return settings[len(found) - 1 - int(np.argmax(found[::-1]))]

    def _found(self, scores: np.ndarray) -> float:
        listed = np.where(self.seen, -np.inf, scores)  # (V, I)
        size = min(10, listed.shape[1])
        best = np.argpartition(-listed, size - 1, axis=1)[:, :size]
        order = np.argsort(-np.take_along_axis(listed, best, 1), axis=1, kind="stable")
        hits = np.take_along_axis(self.wanted, np.take_along_axis(best, order, 1), 1)
        return float((hits * gain(np.arange(1, size + 1), 10)).sum())
