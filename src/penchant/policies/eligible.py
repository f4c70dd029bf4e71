"""Which items may be in a list at all: the first five policies, before anything is scored.

What is the same for all users (availability, lists, filters) is worked out once and shared; a
user's own part (seen, impressions) is a short list of items beside it. An item is left out by the
first policy that leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from penchant.policies.columns import ItemColumns
from penchant.policies.context import Context
from penchant.policies.filters import Condition, Filter, filter_key
from penchant.policies.matching import Matcher
from penchant.policies.settings import ORDER, ImpressionsPolicy, ListsPolicy, Policies, SeenPolicy

OPEN: Final = 0
AVAILABILITY, SEEN, LISTS, FILTERS, IMPRESSIONS = range(1, 6)
"""Places in `ORDER`, counted from 1: what an item was left out by."""

DAY_MS: Final = 86_400_000
UNAVAILABLE: Final = Condition("available", "eq", False)

MOST_KEPT: Final = 16
"""Shelves that are kept at once, one for each filter of requests; two bytes an item each."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What holds of items for every user.

    Parameters
    ----------
    stage
        (I,) by which policy each item is left out, `OPEN` where by none; not to be written to.
    is_open
        (I,) `stage == OPEN`.
    counts
        (6,) items by stage.
    """

    stage: np.ndarray
    is_open: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Eligible:
    """Which items a list may hold, and what the others were left out by.

    Parameters
    ----------
    shelf
        What holds for every user, shared by all who ask.
    items, stage
        (n,) the items that the user's own policies look at, ascending, and what each is left out
        by.
    """

    shelf: Shelf
    items: np.ndarray
    stage: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """(6,) items by what they are left out by, the eligible ones first."""
        moved = np.bincount(self.stage, minlength=6)
        return self.shelf.counts - self._before + moved

    @property
    def num_eligible(self) -> int:
        """How many items a list may hold."""
        return int(self.counts[OPEN])

    @cached_property
    def excluded(self) -> np.ndarray:
        """(m,) items, ascending, that the user's own policies take from those open to all."""
        found: np.ndarray = self.items[self.shelf.is_open[self.items] & (self.stage != OPEN)]
        return found

    @property
    def cut(self) -> dict[str, int]:
        """How many items each policy left out, in the order of the policies."""
        return dict(zip(ORDER[:5], self.counts[1:].tolist(), strict=True))

    def mask(self) -> np.ndarray:
        """Return (I,) bool, the eligible items, for the search."""
        found = self.shelf.is_open.copy()
        found[self.excluded] = False
        return found

    def allows(self, items: np.ndarray) -> np.ndarray:
        """Return (n,) bool, which of some items are eligible."""
        return self.stages(items) == OPEN

    def stages(self, items: np.ndarray) -> np.ndarray:
        """Return (n,) what each of some items is left out by.

        One that came after the asking is not available yet.
        """
        num_items = len(self.shelf.stage)
        if not num_items:
            return np.full(len(items), AVAILABILITY)
        found = self.shelf.stage[np.minimum(items, num_items - 1)]
        found = np.where(items < num_items, found, AVAILABILITY)
        if len(self.items):
            at = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
            found = np.where(self.items[at] == items, self.stage[at], found)
        return found

    def left_out_by(self, item_index: int) -> str | None:
        """Return the policy that leaves an item out, None where none does."""
        stage = int(self.stages(np.array([item_index]))[0])
        return ORDER[stage - 1] if stage else None

    @cached_property
    def _before(self) -> np.ndarray:
        return np.bincount(self.shelf.stage[self.items], minlength=6)


class Shelves:
    """Works out what holds for every user, and keeps it until an attribute changes.

    Parameters
    ----------
    policies
        The document.
    columns
        Attributes of the items.
    index_of
        Returns the index of an item's id, None where there is no such item.
    """

    def __init__(
        self,
        policies: Policies,
        columns: ItemColumns,
        index_of: Callable[[str], int | None],
    ) -> None:
        self.policies = policies
        self.columns = columns
        self.index_of = index_of
        self.matcher = Matcher(columns)
        self._kept: dict[str, tuple[tuple[int, ...], Shelf]] = {}

    def of(self, context: Context) -> Shelf:
        """Return what holds for every user who asks with the same filter and lists."""
        with self.columns.lock:
            if context.allow is not None or len(context.deny):
                return self._made(context)
            key = "" if context.filter is None else filter_key(context.filter)
            revisions = self._revisions(context.filter)
            if key not in self._kept or self._kept[key][0] != revisions:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[key] = (revisions, self._made(context))
            return self._kept[key][1]

    def _revisions(self, asked: Filter | None) -> tuple[int, ...]:
        looked_at = [one for one in (UNAVAILABLE, self.policies.filter, asked) if one is not None]
        found = [number for one in looked_at for number in self.matcher.revisions(one)]
        return (self.columns.hidden_revision, *found)

    def _made(self, context: Context) -> Shelf:
        num_items = self.columns.num_items
        stage = np.zeros(num_items, np.uint8)
        for given in (self.policies.filter, context.filter):
            if given is not None:
                np.putmask(stage, ~self.matcher.mask(given), FILTERS)
        np.putmask(stage, ~self._listed(self.policies.lists, context), LISTS)
        np.putmask(stage, self.columns.hidden(), AVAILABILITY)
        if self.policies.availability.hide_unavailable:
            np.putmask(stage, self.matcher.mask(UNAVAILABLE), AVAILABILITY)
        is_open = stage == OPEN
        stage.flags.writeable = is_open.flags.writeable = False
        counts = np.array([np.count_nonzero(stage == one) for one in range(6)])
        return Shelf(stage, is_open, counts)

    def _listed(self, lists: ListsPolicy, context: Context) -> np.ndarray:
        """Return (I,) bool, what the lists of the policies and of the request let through."""
        num_items = self.columns.num_items
        listed = np.full(num_items, not lists.allow)
        listed[self._indices(lists.allow)] = True
        if context.allow is not None:
            asked = np.zeros(num_items, bool)
            asked[context.allow] = True
            listed &= asked
        listed[self._indices(lists.deny)] = False
        listed[context.deny] = False
        return listed

    def _indices(self, ids: tuple[str, ...]) -> list[int]:
        found = map(self.index_of, ids)
        return [one for one in found if one is not None and one < self.columns.num_items]


def eligible(policies: Policies, shelf: Shelf, context: Context) -> Eligible:
    """Apply a user's own policies on top of what holds for every user."""
    num_items = len(shelf.stage)
    seen = _of(num_items, _seen_items(policies.seen, context))
    tired = _of(num_items, _tired_items(policies.impressions, context))
    items = np.union1d(seen, tired) if len(tired) else seen
    before = shelf.stage[items]
    is_seen = np.isin(items, seen, assume_unique=True) if len(tired) else np.ones(len(items), bool)
    stage = np.where(before == OPEN, IMPRESSIONS, before)
    stage = np.where(is_seen & (before != AVAILABILITY), SEEN, stage)
    return Eligible(shelf, items, stage)


def _of(num_items: int, items: np.ndarray) -> np.ndarray:
    """Return items ascending, each once, those that are unknown left out."""
    found = np.unique(items)
    return found[(found >= 0) & (found < num_items)]


def _seen_items(policy: SeenPolicy, context: Context) -> np.ndarray:
    excludes = policy.exclude if context.exclude_seen is None else context.exclude_seen
    found = [context.seen] if excludes else []
    history = context.history
    for rule in policy.recent:
        is_recent = history.time_ms > context.now_ms - rule.days * DAY_MS
        found.append(history.item_index[is_recent & history.is_of(rule.event_types)])
    return np.concatenate(found).astype(np.int64) if found else context.seen[:0]


def _tired_items(policy: ImpressionsPolicy, context: Context) -> np.ndarray:
    """Return the items that were shown often enough since they were last clicked."""
    shown, clicks = context.shown, context.history
    is_late = shown.time_ms > context.now_ms - policy.days * DAY_MS
    if not policy.max_without_click or not is_late.any():
        return shown.item_index[:0]
    items, place = np.unique(shown.item_index[is_late], return_inverse=True)
    last_ms = np.full(len(items), np.iinfo(np.int64).min)
    is_click = (
        clicks.is_of(policy.click_types)
        if policy.click_types
        else np.ones(len(clicks.item_index), bool)
    )
    clicked = clicks.item_index[is_click]
    at = np.minimum(np.searchsorted(items, clicked), len(items) - 1)
    is_shown = items[at] == clicked
    np.maximum.at(last_ms, at[is_shown], clicks.time_ms[is_click][is_shown])
    since = shown.time_ms[is_late] > last_ms[place]
    return items[np.bincount(place[since], minlength=len(items)) >= policy.max_without_click]
