"""Attributes of users in the live engine: kept, read before the first event, and read anew."""

import numpy as np
import pytest
import torch

from penchant.errors import InputError
from penchant.serving import Event, Live, Ranker, batches
from penchant.serving.batches import lists_of
from penchant.stores import InProcessStore

from .world import ITEMS, make_bundle, make_log, make_users

BAKER = {"age": 31, "job": "baker"}


@pytest.fixture(params=["gru", "transformer"])
def bundle(request):
    return make_bundle(users=make_users(), encoder={"kind": request.param}, **READING)


READING = {"profile": {"kind": "prefix"}}


def scores(found) -> list[float]:
    return [item.score for item in found]


def event(item_id: str, timestamp: float, user_id: str = "u1") -> Event:
    return Event(user_id=user_id, item_id=item_id, timestamp=timestamp)


def live_of(bundle, **more) -> Live:
    return Live(bundle, clock=lambda: 9_000.0, **more)


def test_a_user_without_events_gets_the_list_that_the_attributes_say(bundle):
    with live_of(bundle) as live:
        nobody = live.recommend("u1")
        live.put_user("u1", BAKER)
        known = live.recommend("u1")
        assert scores(known) != scores(nobody)
        assert known.num_events == 0
        assert scores(live.recommend("u2")) == scores(nobody)


def test_attributes_for_one_list_are_not_kept(bundle):
    with live_of(bundle) as live:
        nobody = live.recommend()
        told = live.recommend(user=BAKER)
        live.put_user("u1", BAKER)
        assert told.items == live.recommend("u1").items
        assert scores(told) != scores(nobody)
        assert live.store.stats().num_profiles == 1
        assert live.recommend().items == nobody.items == live.recommend(user={}).items


def test_attributes_for_one_list_stand_over_those_that_are_kept(bundle):
    with live_of(bundle) as live:
        for user_id, attributes in [("u1", BAKER), ("u2", {**BAKER, "job": "pilot"})]:
            live.put_user(user_id, attributes)
            live.observe([event("tea", 1_000, user_id), event("rum", 1_007, user_id)])
        before = live.recommend("u1")
        told = live.recommend("u1", user={"job": "pilot"})
        assert scores(told) == pytest.approx(scores(live.recommend("u2")), abs=1e-12)
        assert scores(told) != scores(before)
        assert (told.num_events, live.recommend("u1").items) == (2, before.items)


def test_changed_attributes_fold_the_memory_again_and_unchanged_ones_do_not(bundle):
    with live_of(bundle) as live:
        live.put_user("u1", {"job": "nurse"})
        live.observe([event("tea", 1_000), event("rum", 1_500), event("leek", 1_600)])
        first = live.store.get_memory("u1", live.model_version)
        live.put_user("u1", {"job": "nurse"})
        live.recommend("u1")
        assert live.store.get_memory("u1", live.model_version) == first
        live.put_user("u1", BAKER)
        changed = live.recommend("u1")
        live.put_user("u9", BAKER)
        live.observe([event("tea", 1_000, "u9"), event("rum", 1_500, "u9")])
        live.observe(event("leek", 1_600, "u9"))
        assert scores(changed) == pytest.approx(scores(live.recommend("u9")), abs=1e-9)
        renewed = live.store.get_memory("u1", live.model_version)
        assert renewed.revision > first.revision
        assert renewed.state != first.state
        assert len(renewed.state) == len(first.state)


def test_attributes_that_come_after_events_and_that_go_count_as_if_always_so(bundle):
    with live_of(bundle) as live:
        live.observe([event("tea", 1_000), event("rum", 1_500)])
        without = live.recommend("u1")
        live.put_user("u1", BAKER)
        assert scores(live.recommend("u1")) != scores(without)
        live.put_user("u1", {})
        assert scores(live.recommend("u1")) == pytest.approx(scores(without), abs=1e-9)


def test_asked_at_an_earlier_time_the_attributes_count_as_well(bundle):
    with live_of(bundle) as live:
        live.put_user("u1", BAKER)
        live.observe(event("tea", 1_000))
        then = live.recommend("u1", at=2_000)
        live.observe(event("rum", 3_000))
        assert scores(live.recommend("u1", at=2_000)) == pytest.approx(scores(then), abs=1e-9)
        before_all = live.recommend("u1", at=10)
        assert scores(before_all) == pytest.approx(
            scores(live.recommend(user=BAKER, at=10)), abs=1e-9
        )


def test_forgetting_takes_the_attributes_along(bundle):
    with live_of(bundle) as live:
        nobody = live.recommend("u1")
        live.put_user("u1", BAKER)
        live.observe(event("tea", 1_000))
        assert live.forget("u1").num_attributes == 2
        assert live.recommend("u1").items == nobody.items


def test_each_bundle_reads_the_attributes_that_are_kept_in_its_own_way():
    store = InProcessStore()
    plain, reading = make_bundle(seed=3), make_bundle(seed=4, users=make_users(), **READING)
    with live_of(plain, store=store) as live:
        assert live.put_user("u1", {**BAKER, "shoes": 42}).read == ()
        live.observe([event("tea", 1_000), event("rum", 1_500)])
        before = live.recommend("u1")
        live.use(reading)
        after = live.recommend("u1")
        live.put_user("u1", {"job": "pilot"})
        assert scores(live.recommend("u1")) != scores(after)
        live.use(plain)
        assert live.recommend("u1").items == before.items
        assert live.recommend("u1", user={"job": "baker"}).items == before.items


def test_the_answer_names_the_attributes_that_are_read():
    with live_of(make_bundle(users=make_users(), **READING)) as live:
        kept = live.put_user("u1", {"user_id": "u1", "job": "baker", "shoes": 42, "age": None})
        assert (kept.user_id, set(kept.read)) == ("u1", {"age", "job"})
        assert live.store.get_user("u1").attributes == {"job": "baker", "shoes": 42, "age": None}


def test_attributes_must_have_names_and_known_ones_where_they_are_typed(bundle):
    with live_of(bundle) as live:
        with pytest.raises(InputError, match="by name but are list"):
            live.put_user("u1", ["baker"])
        with pytest.raises(InputError, match=r'"jobb" is not.*Did you mean job'):
            live.recommend("u1", user={"jobb": "baker"})


def test_what_was_never_seen_in_training_says_nothing(bundle):
    with live_of(bundle) as live:
        nobody = live.recommend("u1")
        live.put_user("u1", {"job": "astronaut", "langs": ["xx"], "shoes": 42})
        assert live.recommend("u1").items == nobody.items


def test_lists_in_blocks_begin_with_the_attributes_of_each_user(bundle, monkeypatch):
    ranker, users = Ranker(bundle), make_users().to_dicts()
    histories: dict[str, list] = {f"u{number}": [] for number in range(9)}
    for each in make_log():
        histories[each["user_id"]].append(Event.of(each).logged(0))
    histories["u4"] = []
    log, everyone = ranker.arrays(list(histories.values())), ranker.profiles(users)
    monkeypatch.setattr(batches, "BLOCK_EVENTS", 12)
    together = [
        items for block in lists_of(ranker, log, 4, True, profiles=everyone) for items in block
    ]
    for history, items, user in zip(histories.values(), together, users, strict=True):
        own = ranker.profiles([user])
        [[alone]] = lists_of(ranker, ranker.arrays([history]), 4, True, profiles=own)
        assert [item.item_id for item in alone] == [item.item_id for item in items]
        assert scores(alone) == pytest.approx(scores(items), abs=1e-6)


def test_profiles_are_rows_in_order_and_none_where_the_model_reads_none():
    ranker, users = Ranker(make_bundle(users=make_users(), **READING)), make_users()
    typed, table = ranker.profiles(users.to_dicts()), ranker.bundle.profiles(users)
    for left, right in zip(typed.attributes, table.attributes, strict=True):
        assert torch.equal(left, right)
    assert typed.is_known.tolist() == table.is_known.tolist()
    assert np.unique(typed.is_known.numpy()).tolist() == [False, True]
    plain = Ranker(make_bundle())
    assert plain.profiles(users.to_dicts()) is None
    assert plain.bundle.profiles(users) is None
    assert ITEMS[0] in plain.items
