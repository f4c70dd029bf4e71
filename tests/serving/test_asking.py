"""Lists with a given history, with candidates and exclusions, and after hiding."""

from __future__ import annotations

import pytest

from penchant import Live, Recommender
from penchant.errors import UnknownItemError

from .test_later_items import mixture_bundle
from .world import ITEMS, make_bundle

NOW = 2_000_000.0


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


@pytest.fixture
def live(bundle):
    with Live(bundle, clock=lambda: NOW) as live:
        yield live


def history(*items):
    return [
        {"item_id": item, "timestamp": NOW - 900 + 70 * place} for place, item in enumerate(items)
    ]


def test_a_given_history_gives_the_list_of_the_same_events_kept(live):
    live.observe([{"user_id": "u", **event} for event in history("tea", "rum", "salt")])
    told = live.recommend(history=history("tea", "rum", "salt"), k=9)
    kept = live.recommend("u", k=9)
    assert told.item_ids == kept.item_ids
    assert [item.score for item in told] == pytest.approx([item.score for item in kept], abs=1e-9)
    assert told.num_events == kept.num_events == 3
    assert live.store.stats().num_events == 3


def test_a_given_history_comes_after_what_is_kept(live):
    live.observe([{"user_id": "u", **event} for event in history("tea", "rum")])
    live.observe([{"user_id": "whole", **event} for event in history("tea", "rum", "kiwi")])
    told = live.recommend("u", history=history("tea", "rum", "kiwi")[2:], k=9)
    assert told.item_ids == live.recommend("whole", k=9).item_ids
    assert live.recommend("u").num_events == 2


def test_a_given_history_gives_the_list_of_the_recommender(live, bundle):
    rec = Recommender(bundle.config, bundle)
    told = live.recommend(history=history("milk", "oats"), at=NOW, k=5)
    [expected], _ = rec.lists_for_histories([history("milk", "oats")], k=5, at=NOW)
    assert told.items == expected


def test_what_happened_after_the_time_of_asking_does_not_count(live):
    early = live.recommend(history=history("tea", "rum", "salt"), at=NOW - 900 + 70, k=9)
    assert early.items == live.recommend(history=history("tea", "rum"), at=NOW - 830, k=9).items
    assert early.num_events == 2


def test_only_candidates_stand_in_the_list_and_none_that_is_excluded(live):
    found = live.recommend(candidates=["leek", "salt", "no such", "tea"], exclude=["salt"], k=5)
    assert sorted(found.item_ids) == ["leek", "tea"]
    assert found.truncated_by == ("candidates", "exclude")
    assert live.recommend(candidates=[], k=5).items == ()


def test_a_short_list_says_why(live):
    assert live.recommend(k=len(ITEMS)).truncated_by == ()
    assert live.recommend(k=len(ITEMS) + 1).truncated_by == ("catalogue",)
    assert live.recommend(history=["tea"], k=len(ITEMS)).truncated_by == ("seen",)


def test_a_hidden_item_leaves_all_lists_until_it_is_put_again(live):
    live.observe({"user_id": "u", "item_id": "kiwi", "timestamp": NOW - 5})
    before = live.recommend("u", k=9, exclude_seen=False)
    live.hide_item("kiwi")
    hidden = live.recommend("u", k=9, exclude_seen=False)
    assert hidden.item_ids == [item for item in before.item_ids if item != "kiwi"]
    assert hidden.truncated_by == ("hidden",)
    assert "kiwi" not in [item.item_id for item in live.similar("tea", 9)]
    live.put_item({"item_id": "kiwi", "title": "Kiwi"})
    assert live.recommend("u", k=9, exclude_seen=False).items == before.items


def test_an_item_that_is_nowhere_cannot_be_hidden_or_patched(live):
    with pytest.raises(UnknownItemError, match=r'"kivi".*Did you mean kiwi\?'):
        live.hide_item("kivi")
    with pytest.raises(UnknownItemError):
        live.patch_item("kivi", {"price": 3})


def test_a_patch_of_a_trained_item_starts_from_what_the_bundle_says(live):
    live.patch_item("tea", {"price": 3})
    assert live.store.get_item("tea").attributes == {"title": "Tea", "price": 3}
    live.patch_item("tea", {"title": None})
    assert live.store.get_item("tea").attributes == {"price": 3}


def test_a_patched_title_moves_the_vector_of_a_later_item():
    live = Live(mixture_bundle())
    live.put_items([{"item_id": "n", "title": "green tea"}, {"item_id": "m", "title": "red wine"}])
    before = live.similar("n")
    live.patch_item("n", {"title": "red wine"})
    alike = live.similar("n", 1)
    assert alike != before[:1]
    assert alike[0].item_id == "m"
    assert alike[0].score == pytest.approx(1.0)


def test_an_atomic_call_keeps_all_or_nothing(live):
    good = {"user_id": "u", "item_id": "tea", "event_id": "e1"}
    bad = {"user_id": "u", "item_id": "rum", "value": "much"}
    result = live.observe([good, bad], atomic=True)
    assert (result.accepted, [each.index for each in result.rejected]) == (0, [1])
    live.observe(good)
    other = {"user_id": "u", "item_id": "salt", "event_id": "e1"}
    result = live.observe([{"user_id": "u", "item_id": "oats"}, other], atomic=True)
    assert (result.accepted, result.event_ids) == (0, (None, None))
    assert [(each.index, each.code) for each in result.rejected] == [(1, "event_id_conflict")]
    assert live.recommend("u").num_events == 1
    assert live.observe([good, {"user_id": "u", "item_id": "oats"}], atomic=True).duplicates == 1


def test_an_event_keeps_the_list_that_it_came_from(live):
    live.observe({"user_id": "u", "item_id": "tea", "request_id": "r7"})
    assert [event.item_id for event in live.store.impression("r7").events] == ["tea"]
