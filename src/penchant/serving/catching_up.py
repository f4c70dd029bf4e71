"""Bring a stored memory up to its user's log, by folding no more than is needed.

New events are folded on top; late ones from the newest snapshot before them; the whole log only
where the memory is stale in another way. Long folds are cut at the same places as snapshots, so
that folding from one repeats the arithmetic of folding from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from penchant.items import Profiles
from penchant.serving.memory import advance
from penchant.serving.ranking import Ranker
from penchant.stores import LoggedEvent, Memory, Standing, Store

SNAPSHOT_EVENTS: Final = 256
"""A snapshot is kept whenever a memory holds so many more events."""
NUM_SNAPSHOTS: Final = 4
"""Of each memory; a late event among the last thousand is folded from one."""


def caught_up(store: Store, ranker: Ranker, user_id: str) -> Standing:
    """Return what stands of a user, the memory with all of the log folded in.

    Call it inside a transaction of that user.

    Notes
    -----
    Folding from a snapshot gives the bits of a fold of the whole log where the snapshot came of
    such a fold; where it came of single events, the same but for what is between `step` and
    `forward` (1e-9 in float64).
    """
    standing = store.standing(user_id, ranker.bundle.id)
    if is_current(standing, ranker):
        return standing
    begin, events = _to_fold(store, ranker, user_id, standing)
    profiles = None if begin.state else ranker.profiles([standing.user.attributes])
    folded = _folded(store, ranker, user_id, begin, events, profiles)
    whole = replace(
        folded, applied_through=standing.last_sequence, revision=standing.memory.revision
    )
    return replace(standing, memory=store.put_memory(user_id, ranker.bundle.id, whole))


def is_current(standing: Standing, ranker: Ranker) -> bool:
    """Say whether a memory is the fold of its user's log under a bundle."""
    return standing.is_current(ranker.model.profile.is_read)


def _to_fold(
    store: Store, ranker: Ranker, user_id: str, standing: Standing
) -> tuple[Memory, Sequence[LoggedEvent]]:
    """Return the memory to go on from, and the events to fold into it."""
    kept, revision = standing.memory, standing.fold_revision(ranker.model.profile.is_read)
    if kept.last_time_ms is not None and kept.fold_revision == revision:
        new = store.events(user_id, after_sequence=kept.applied_through)
        if not new or new[0].time_ms >= kept.last_time_ms:
            return kept, new
        begin = _snapshot(store, ranker, user_id, new[0].time_ms, revision)
        if begin is not None and begin.last_time_ms is not None:
            place = begin.last_time_ms, begin.applied_through
            return begin, store.events(user_id, after=place)
    empty = Memory(fold_revision=revision, items_revision=standing.revision)
    return empty, store.events(user_id)


def _snapshot(
    store: Store, ranker: Ranker, user_id: str, time_ms: int, fold_revision: int
) -> Memory | None:
    """Return a snapshot before a time that is as good as a fold of the log up to there."""
    bundle_id = ranker.bundle.id
    found = store.snapshot_before(user_id, bundle_id, time_ms)
    if found is None or found.memory.fold_revision != fold_revision:
        return None
    return found.memory if found.revision > store.vectors_replaced(bundle_id) else None


def _folded(
    store: Store,
    ranker: Ranker,
    user_id: str,
    memory: Memory,
    events: Sequence[LoggedEvent],
    profiles: Profiles | None,
) -> Memory:
    """Fold events in pieces that end where snapshots are kept."""
    while events:
        size = SNAPSHOT_EVENTS - memory.num_events % SNAPSHOT_EVENTS
        piece, events = events[:size], events[size:]
        memory = advance(ranker, memory, piece, profiles)
        is_full = memory.num_events % SNAPSHOT_EVENTS == 0
        if is_full and len(events) < NUM_SNAPSHOTS * SNAPSHOT_EVENTS:
            at = replace(memory, applied_through=piece[-1].sequence)
            store.put_snapshot(user_id, ranker.bundle.id, at, NUM_SNAPSHOTS)
    return memory
