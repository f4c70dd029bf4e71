"""Memories are brought up to their log by folding no more than is needed, and equal its fold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from penchant.encoders import map_state
from penchant.serving import Event, Live, catching_up
from penchant.serving.catching_up import SNAPSHOT_EVENTS
from penchant.serving.memory import decode_state
from penchant.stores import InProcessStore, SqliteStore

from .world import ITEMS, make_bundle, make_users

NOW = 900_000_000.0
ENCODERS = [{"kind": "gru"}, {"kind": "linear"}, {"kind": "transformer", "window": 4}]


@pytest.fixture(params=ENCODERS, ids=lambda encoder: encoder["kind"])
def bundle(request):
    return make_bundle(encoder=request.param)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        return InProcessStore()
    return SqliteStore(tmp_path / "store.db", durability="process")


def live_of(bundle, store=None) -> Live:
    return Live(bundle, InProcessStore() if store is None else store, clock=lambda: NOW)


def history(count: int, seed: int = 3) -> list[Event]:
    draw = np.random.default_rng(seed)
    at = 1_000.0 + np.cumsum(draw.choice([0, 5, 900, 86_400], count))
    return [
        Event("u1", str(draw.choice([*ITEMS, "unknown"])), float(time), event_id=f"e{place}")
        for place, time in enumerate(at)
    ]


def state_of(live: Live, user_id: str = "u1") -> bytes:
    live.recommend(user_id)
    return live.store.get_memory(user_id, live.model_version).state


def assert_close(bundle, one: bytes, other: bytes) -> None:
    leaves = []
    for blob in (one, other):
        found = []
        map_state(decode_state(blob, bundle.model.initial_state(1)), found.append)
        leaves.append(found)
    for left, right in zip(*leaves, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.fixture
def folded(monkeypatch):
    """Count the events that are folded."""
    counts = []
    advance = catching_up.advance

    def counted(ranker, memory, events, profiles=None):
        counts.append(len(events))
        return advance(ranker, memory, events, profiles)

    monkeypatch.setattr(catching_up, "advance", counted)
    return counts


def test_a_late_event_is_folded_from_a_snapshot_and_gives_the_same_bits(bundle, store, folded):
    events = history(2 * SNAPSHOT_EVENTS + 60)
    late = Event("u1", "leek", events[-20].timestamp + 1e-3, event_id="late")
    with live_of(bundle, store) as live, live_of(bundle) as whole:
        live.observe(events)
        folded.clear()
        live.observe(late)
        assert sum(folded) == 60 + 1
        whole.observe([*events, late])
        assert state_of(live) == state_of(whole)
        assert live.recommend("u1", at=NOW) == whole.recommend("u1", at=NOW)
        assert live.recommend("u1").num_events == 2 * SNAPSHOT_EVENTS + 61


def test_a_snapshot_of_single_steps_gives_the_same_but_for_rounding(bundle, folded):
    events = history(SNAPSHOT_EVENTS + 12)
    late = Event("u1", "leek", events[-6].timestamp + 1e-3, event_id="late")
    with live_of(bundle) as live, live_of(bundle) as whole:
        for event in events:
            live.observe(event)
        folded.clear()
        live.observe(late)
        assert sum(folded) == 12 + 1
        whole.observe([*events, late])
        assert_close(bundle, state_of(live), state_of(whole))
        memory = live.store.get_memory("u1", live.model_version)
        assert memory.seen == whole.store.get_memory("u1", whole.model_version).seen


def test_an_event_before_all_snapshots_folds_the_whole_log(bundle, folded):
    events = history(SNAPSHOT_EVENTS + 30)
    late = Event("u1", "leek", 1.0, event_id="late")
    with live_of(bundle) as live, live_of(bundle) as whole:
        live.observe(events)
        folded.clear()
        live.observe(late)
        assert sum(folded) == SNAPSHOT_EVENTS + 31
        whole.observe([*events, late])
        assert state_of(live) == state_of(whole)


def test_late_events_one_after_the_other_never_meet_a_snapshot_that_lacks_one(bundle, store):
    events = history(3 * SNAPSHOT_EVENTS + 9)
    draw = np.random.default_rng(8)
    late = [
        Event(
            "u1", "rum", float(draw.choice([each.timestamp for each in events])), event_id=f"l{i}"
        )
        for i in range(9)
    ]
    with live_of(bundle, store) as live, live_of(bundle) as whole:
        live.observe(events)
        for event in late:
            live.observe(event)
        whole.observe([*events, *late])
        assert_close(bundle, state_of(live), state_of(whole))


@pytest.mark.parametrize("act", ["delete", "age", "number"])
def test_a_log_that_was_cut_or_lost_an_event_is_folded_again(bundle, store, act):
    events = history(SNAPSHOT_EVENTS + 40)
    with live_of(bundle, store) as live, live_of(bundle) as whole:
        live.observe(events)
        before = state_of(live)
        if act == "delete":
            live.store.delete_event("u1", "e7")
            kept = [event for event in events if event.event_id != "e7"]
        elif act == "age":
            live.store.retain(since_ms=round(events[-60].timestamp * 1000))
            kept = [event for event in events if event.timestamp >= events[-60].timestamp]
        else:
            live.store.retain(num_newest=50)
            kept = events[-50:]
        whole.observe(kept)
        assert state_of(live) == state_of(whole) != before
        assert live.recommend("u1").num_events == len(kept)
        assert live.recommend("u1").history_complete == (act == "delete")


def test_a_log_that_lost_everything_gives_the_list_of_nobody(bundle, store):
    with live_of(bundle, store) as live:
        nobody = live.recommend("u1")
        live.observe(Event("u1", "tea", 1_000.0, event_id="e1"))
        live.store.delete_event("u1", "e1")
        assert live.recommend("u1") == nobody
        assert (
            live.observe(Event("u1", "tea", 1_000.0, event_id="e1")).rejected[0].code == "deleted"
        )


def test_a_list_of_a_current_memory_writes_nothing(bundle, store, monkeypatch):
    with live_of(bundle, store) as live:
        live.put_user("u1", {"age": 3})
        live.observe(Event("u1", "tea", 1_000.0))
        live.recommend("u1")

        def refuse(*_):
            raise AssertionError("a transaction was begun")

        monkeypatch.setattr(live.store, "transaction", refuse)
        assert live.recommend("u1").num_events == 1
        assert live.recommend("nobody").num_events == 0
        assert live.recommend().num_events == 0


def test_attributes_without_events_write_nothing_either(monkeypatch):
    bundle = make_bundle(users=make_users(), profile={"kind": "prefix"})
    with live_of(bundle) as live:
        live.put_user("u1", {"age": 31})
        monkeypatch.setattr(live.store, "put_memory", None)
        assert live.recommend("u1").num_events == 0
