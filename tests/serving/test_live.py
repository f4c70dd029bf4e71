import threading

import numpy as np
import pytest
import torch

import penchant
from penchant.errors import InputError, UnknownItemError
from penchant.serving import Event, Live
from penchant.serving.memory import decode_state
from penchant.serving.ranking import Ranker
from penchant.stores import InProcessStore, LoggedEvent

from .world import ITEMS, make_bundle, make_log

NOW = 2_000_000.0


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def live(bundle, clock):
    with Live(bundle, clock=clock) as live:
        yield live


class CountingModel:
    """Counts what a model is asked to do."""

    def __init__(self, monkeypatch, model) -> None:
        self.steps = self.forwards = 0
        step, forward = model.step, model.forward

        def counted_step(*given):
            self.steps += 1
            return step(*given)

        def counted_forward(*given):
            self.forwards += 1
            return forward(*given)

        monkeypatch.setattr(model, "step", counted_step)
        monkeypatch.setattr(model, "forward", counted_forward)


def event(item_id: str, timestamp: float, user_id: str = "u1", **more) -> Event:
    return Event(user_id=user_id, item_id=item_id, timestamp=timestamp, **more)


def memory_of(live: Live, user_id: str = "u1"):
    return live.store.get_memory(user_id, live.model_version)


def folded(live: Live, bundle, user_id: str = "u1"):
    """Return the state by definition: all kept events, one step after the other."""
    ranker = Ranker(bundle)
    state = bundle.model.initial_state(1)
    for kept in live.store.events(user_id):
        state = ranker.fold(ranker.arrays([[kept]]), state)
    return state


def leaves(state):
    if isinstance(state, torch.Tensor):
        return [state]
    return [leaf for part in state for leaf in leaves(part)]


def assert_memory_is_the_fold(live: Live, bundle, user_id: str = "u1"):
    like = bundle.model.initial_state(1)
    kept = decode_state(memory_of(live, user_id).state, like)
    for found, wanted in zip(leaves(kept), leaves(folded(live, bundle, user_id)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_one_event_is_one_step_and_a_list_folds_nothing(live, bundle, monkeypatch):
    for time in range(20):
        live.observe(event("tea", 1000 + time))
    counted = CountingModel(monkeypatch, bundle.model)
    live.observe(event("milk", 5000))
    assert (counted.steps, counted.forwards) == (1, 0)
    live.recommend("u1")
    live.recommend("u1", at=6000)
    assert (counted.steps, counted.forwards) == (1, 0)


def test_an_event_moves_the_list(live):
    before = live.recommend("u1", exclude_seen=False)
    live.observe(event("tea", 1000, event_type="buy"))
    after = live.recommend("u1", exclude_seen=False)
    assert (before.num_events, after.num_events) == (0, 1)
    assert [item.score for item in before] != [item.score for item in after]
    assert [item.rank for item in after] == list(range(1, len(ITEMS) + 1))
    assert after.model_version == live.model_version
    assert after.history_complete


def test_seen_items_leave_the_list_unless_asked_for(live):
    live.observe([event("tea", 1000), event("rum", 1001)])
    assert set(live.recommend("u1").item_ids) == set(ITEMS) - {"tea", "rum"}
    assert set(live.recommend("u1", exclude_seen=False).item_ids) == set(ITEMS)
    assert len(live.recommend("u1", k=2)) == 2


def test_the_memory_is_the_fold_of_the_log(live, bundle):
    for one in make_log():
        live.observe(one)
    for user in {one["user_id"] for one in make_log()}:
        assert_memory_is_the_fold(live, bundle, user)


def test_a_late_event_is_folded_at_its_place(bundle, clock):
    times = [5000.0, 100.0, 5000.0, 900_000.0, 3000.0, 100.0]
    events = [event(ITEMS[i], time) for i, time in enumerate(times)]
    with Live(bundle, clock=clock) as live, Live(bundle, clock=clock) as sorted_live:
        for one in events:
            live.observe(one)
        for one in sorted(events, key=lambda one: one.timestamp):
            sorted_live.observe(one)
        assert_memory_is_the_fold(live, bundle)
        assert live.recommend("u1", at=NOW) == sorted_live.recommend("u1", at=NOW)
        assert [kept.time_ms for kept in live.store.events("u1")] == sorted(
            int(time * 1000) for time in times
        )


def test_late_events_of_one_batch_fold_once(live, bundle, monkeypatch):
    live.observe(event("tea", 9000))
    counted = CountingModel(monkeypatch, bundle.model)
    live.observe([event("milk", 50), event("rum", 40), event("salt", 9000)])
    assert counted.steps + counted.forwards == 1
    assert_memory_is_the_fold(live, bundle)


def test_a_repeated_event_id_is_acknowledged_and_not_applied(live):
    first = live.observe(event("tea", 1000, event_id="e1"))
    memory = memory_of(live)
    again = live.observe([event("tea", 1000, event_id="e1"), event("tea", 1000, event_id="e1")])
    assert (first.accepted, first.duplicates, first.event_ids) == (1, 0, ("e1",))
    assert (again.accepted, again.duplicates, again.event_ids) == (0, 2, ("e1", "e1"))
    assert memory_of(live) == memory


def test_an_event_id_with_other_content_is_rejected(live):
    live.observe(event("tea", 1000, event_id="e1"))
    result = live.observe([event("milk", 1000, event_id="e1"), event("milk", 1001)])
    assert result.accepted == 1
    [rejection] = result.rejected
    assert (rejection.index, rejection.code) == (0, "event_id_conflict")
    assert rejection.message.startswith("event_id e1 is taken by an event with other content")
    assert result.event_ids[0] is None
    assert result.event_ids[1]


def test_events_too_far_ahead_of_the_clock_are_rejected(live, clock):
    result = live.observe([event("tea", NOW + 300), event("tea", NOW + 301)])
    assert result.accepted == 1
    [rejection] = result.rejected
    assert rejection.code == "in_the_future"
    assert "must not be later than now by more than 300 s but is by 301 s" in rejection.message
    clock.now += 1
    assert live.observe(event("tea", NOW + 301)).accepted == 1


def test_the_margin_of_the_clock_is_a_setting(bundle, clock):
    with Live(bundle, clock=clock, max_ahead_s=0) as live:
        assert live.observe(event("tea", NOW + 1)).accepted == 0


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"item_id": "tea"}, "missing_field"),
        ({"user_id": "u1", "item_id": None}, "missing_field"),
        ({"user_id": "", "item_id": "tea"}, "bad_user_id"),
        ({"user_id": "u1", "item_id": 1.5}, "bad_item_id"),
        ({"user_id": "u1", "item_id": "tea", "timestamp": "yesterday"}, "bad_timestamp"),
        ({"user_id": "u1", "item_id": "tea", "timestamp": 1_777_636_800_000}, "bad_timestamp"),
        ({"user_id": "u1", "item_id": "tea", "timestamp": float("nan")}, "bad_timestamp"),
        ({"user_id": "u1", "item_id": "tea", "value": float("inf")}, "bad_value"),
        ({"user_id": "u1", "item_id": "tea", "value": "five"}, "bad_value"),
        ({"user_id": "u1", "item_id": "tea", "event_id": ""}, "bad_event_id"),
        (7, "not_an_event"),
    ],
)
def test_a_bad_event_is_rejected_and_the_good_one_is_kept(live, given, code):
    result = live.observe([given, {"user_id": 7, "item_id": "tea"}])
    assert [(one.index, one.code) for one in result.rejected] == [(0, code)]
    assert result.accepted == 1
    assert live.recommend("7").num_events == 1


def test_an_event_without_time_happened_when_it_arrived(live, clock):
    live.observe({"user_id": "u1", "item_id": "tea", "event_id": "e1"})
    clock.now += 60
    again = live.observe({"user_id": "u1", "item_id": "tea", "event_id": "e1"})
    assert again.duplicates == 1
    [kept] = live.store.events("u1")
    assert kept.time_ms == int(NOW * 1000)


def test_an_unknown_item_is_kept_and_moves_nothing(live, bundle, caplog):
    live.observe(event("tea", 1000))
    before = live.recommend("u1", at=5000)
    with caplog.at_level("INFO", logger="penchant.live"):
        live.observe(event("never heard of", 2000))
    after = live.recommend("u1", at=5000)
    assert after.items == before.items
    assert (before.num_events, after.num_events) == (1, 2)
    assert 'Item "never heard of" is unknown' in caplog.text
    assert_memory_is_the_fold(live, bundle)


def test_at_earlier_than_the_last_event_reads_what_was_known_then(live):
    live.observe(event("tea", 1000))
    then = live.recommend("u1", at=1500)
    live.observe([event("milk", 2000), event("rum", 3000)])
    assert live.recommend("u1", at=1500) == then
    assert live.recommend("u1", at=1500).num_events == 1
    assert live.recommend("u1").num_events == 3


def test_the_list_depends_on_when_it_is_asked_for(live):
    live.observe(event("tea", 1000))
    soon, late = live.recommend("u1", at=1001), live.recommend("u1", at=1000 + 86_400 * 9)
    assert [item.score for item in soon] != [item.score for item in late]
    assert live.recommend("u1", at="1970-01-01T00:16:41Z") == soon


def test_a_bundle_trained_without_times_never_looks_at_them():
    with Live(make_bundle(has_times=False), clock=Clock()) as live:
        live.observe([event("tea", 1000), event("milk", 1001)])
        soon = live.recommend("u1", at=1001)
        assert live.recommend("u1", at=900_000) == soon


def test_forgetting_leaves_no_trace_and_keeps_old_events_out(live, clock):
    given = [event("tea", 1000, event_id="e1"), event("milk", NOW + 200, event_id="e2")]
    cold = live.recommend("u1", at=NOW)
    live.observe(given)
    receipt = live.forget("u1")
    assert (receipt.num_events, receipt.num_event_ids, receipt.num_memories) == (2, 2, 1)
    assert live.recommend("u1", at=NOW) == cold
    result = live.observe(given)
    assert [one.code for one in result.rejected] == ["forgotten", "forgotten"]
    assert "from before its user was forgotten" in result.rejected[0].message
    clock.now += 1000
    assert live.observe(event("rum", clock.now, event_id="e1")).accepted == 1
    assert live.recommend("u1").num_events == 1


def test_a_new_bundle_has_its_own_memories_and_the_old_ones_stay(bundle, clock):
    other = make_bundle(seed=8, items=("leek", "tea", "never heard of"))
    with Live(bundle, clock=clock) as live:
        live.observe([event("tea", 1000), event("never heard of", 2000)])
        old = live.recommend("u1", at=9000)
        live.use(other)
        new = live.recommend("u1", at=9000)
        assert new.model_version == other.id != old.model_version
        assert (new.item_ids, new.num_events) == (["leek"], 2)
        assert_memory_is_the_fold(live, other)
        live.observe(event("leek", 3000))
        live.use(bundle)
        assert live.recommend("u1", at=9000).num_events == 3
        assert_memory_is_the_fold(live, bundle)
        assert live.store.stats().num_memories == 2


def test_a_memory_behind_its_log_catches_up_when_it_is_read(live, bundle):
    live.observe(event("tea", 1000))
    live.store.append(LoggedEvent("u1", "milk", 2_000_000, "by another process"))
    assert live.recommend("u1").num_events == 2
    assert_memory_is_the_fold(live, bundle)


def test_an_item_that_is_known_takes_attributes(live):
    result = live.put_item({"item_id": "tea", "title": "Tea!"})
    assert (result.item_id, result.can_be_recommended) == ("tea", True)
    assert live.store.get_item("tea").attributes == {"title": "Tea!"}


def test_an_item_without_a_vector_is_kept_and_said_so(live):
    result = live.put_item({"item_id": "new", "title": "New"})
    assert not result.can_be_recommended
    assert '"new" has no vector' in result.message
    assert live.store.get_item("new").attributes == {"title": "New"}
    assert "new" not in live.recommend("u1").item_ids


def test_an_item_must_have_an_id(live):
    with pytest.raises(InputError, match="An item must have an item_id"):
        live.put_item({"title": "?"})


def test_similar_items_are_ordered_by_cosine(live, bundle):
    table = bundle.model.table().detach().numpy()
    lengths = np.linalg.norm(table, axis=1)
    cosine = table @ table[2] / (lengths * lengths[2])
    wanted = [ITEMS[i] for i in np.argsort(-cosine) if i != 2]
    assert [item.item_id for item in live.similar("rum", k=3)] == wanted[:3]
    with pytest.raises(UnknownItemError, match='Item "rumm" must be one of the 7 items') as caught:
        live.similar("rumm")
    assert caught.value.hint == "Did you mean rum?"


@pytest.mark.parametrize("model", [None, 5, {"bundle": 1}])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(InputError, match=f"or a path but got {type(model).__name__}"):
        Live(model)


@pytest.mark.parametrize("k", [0, -1, 2.5, True])
def test_a_list_must_have_a_length(live, k):
    with pytest.raises(InputError, match="k must be a whole number from 1 on"):
        live.recommend("u1", k=k)


def test_threads_lose_no_event(bundle, clock):
    with Live(bundle, clock=clock) as live:

        def act(number: int) -> None:
            for i in range(25):
                live.observe(event(ITEMS[i % 7], 1000 + (i * 37 % 11), f"u{i % 3}"))
                live.recommend(f"u{(i + number) % 3}")

        threads = [threading.Thread(target=act, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert live.store.stats().num_events == 4 * 25
        for user in ("u0", "u1", "u2"):
            assert_memory_is_the_fold(live, bundle, user)


def test_a_store_that_was_given_stays_open(bundle):
    class Watched(InProcessStore):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    store = Watched()
    with Live(bundle, store=store) as live:
        live.observe({"user_id": "u1", "item_id": "tea"})
    assert not store.is_closed


def test_live_is_reached_from_the_top():
    assert penchant.Live is Live
    assert penchant.Event is Event
