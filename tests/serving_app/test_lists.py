"""Lists over HTTP, and what was shown of them."""

from __future__ import annotations

import pytest

from penchant.errors import StaleMemoryError

from ..serving.world import ITEMS
from .conftest import NOW, serving


def ids(answer):
    return [item["item_id"] for item in answer["items"]]


def ask(client, **body):
    return client.post("/v1/recommendations", json=body)


@pytest.fixture(scope="module")
def known(client):
    client.observe(
        {"user_id": "known", "item_id": "tea", "timestamp": NOW - 500},
        {"user_id": "known", "item_id": "rum", "timestamp": NOW - 70, "event_type": "buy"},
    )
    return "known"


def test_both_forms_give_the_list_of_the_engine(client, known):
    result = client.service.live.recommend(known, 4)
    for answer in (client.list_of(known, k=4), ask(client, user_id=known, k=4).json()):
        request_id = answer.pop("request_id")
        assert request_id
        assert answer == {
            "items": [item.to_dict() for item in result.items],
            "model_version": client.service.live.model_version,
            "num_events": 2,
            "history_complete": True,
        }


def test_somebody_unknown_gets_a_list_and_is_not_kept(client):
    answer = client.list_of("nobody at all", k=3)
    assert (answer["num_events"], answer["history_complete"]) == (0, True)
    assert ids(answer) == ids(ask(client, k=3).json())
    assert "nobody at all" not in list(client.service.live.store.user_ids())


def test_a_history_alone_is_anonymous_and_nothing_is_stored(client, known):
    before = client.service.live.store.stats().num_events
    history = ["tea", {"item_id": "rum", "event_type": "buy", "timestamp": NOW - 9}, 5, "no such"]
    answer = ask(client, history=history, k=9).json()
    assert answer["num_events"] == 4
    assert not {"tea", "rum"} & set(ids(answer))
    more = ask(client, user_id=known, history=["salt"], k=9).json()
    assert more["num_events"] == 3
    assert "salt" not in ids(more)
    assert client.service.live.store.stats().num_events == before


def test_seen_items_come_back_when_they_are_asked_for(client, known):
    assert sorted(ids(client.list_of(known, k=9, exclude_seen="false"))) == sorted(ITEMS)
    answer = client.list_of(known, k=9)
    assert sorted(ids(answer)) == sorted(set(ITEMS) - {"tea", "rum"})
    assert answer["truncated_by"] == ["seen"]


def test_the_time_of_asking_counts_what_was_known_by_then(client, known):
    assert client.list_of(known, at=NOW - 100)["num_events"] == 1
    assert client.list_of(known, at="1970-01-24T03:31:40Z")["num_events"] == 1  # NOW - 100
    assert ask(client, user_id=known, at=NOW - 100).json()["num_events"] == 1


def test_candidates_and_exclusions(client):
    answer = ask(client, candidates=["leek", "oats", "no such"], exclude=["oats"]).json()
    assert (ids(answer), answer["truncated_by"]) == (["leek"], ["candidates", "exclude"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"k": 0}, "k: input should be greater than or equal to 1"),
        ({"k": 1001}, "k: input should be less than or equal to 1000, but is 1001"),
        ({"k": "10"}, "k: input should be a valid integer"),
        ({"kk": 10}, "kk: is not known here. Did you mean k?"),
        ({"exclude_seen": "yes"}, "exclude_seen: input should be a valid boolean"),
        ({"at": "soon"}, "timestamp must be epoch seconds or ISO 8601"),
        ({"at": 1e15}, "after the year 9999"),
        ({"history": "tea"}, "history: input should be a valid list"),
        ({"history": [{"timestamp": 5}]}, "history.0"),
        ({"history": [None]}, "history.0"),
        ({"user_id": ""}, "user_id: string should have at least 1 character"),
        ({"objective": "buy"}, "objective"),
        ({"candidates": ["x"] * 10_001}, "at most 10000 items"),
        ([], "the body: input should be a valid dictionary"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(client, body, said):
    answer = client.post("/v1/recommendations", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("query", ["k=0", "k=ten", "k=1001", "k=", "at=soon", "exclude_seen=7",
                                   "color=red", "k=%ff", "at=nan", "at=inf"])  # fmt: skip
def test_a_query_that_cannot_be_read_is_refused(client, query):
    assert client.get(f"/v1/users/u/recommendations?{query}").status_code == 422


def test_lists_are_kept_under_their_request_and_joined_with_events(client):
    answer = client.get("/v1/users/joined/recommendations?k=2", headers={"x-request-id": "r-1"})
    told = answer.json()
    assert told["request_id"] == answer.headers["x-request-id"] == "r-1"
    first = told["items"][0]["item_id"]
    shown = {"request_id": "r-1", "items": [{"item_id": first, "position": 1}]}
    assert client.post("/v1/impressions", json=shown).json() == {"accepted": 1}
    assert client.post("/v1/impressions", json=shown).json() == {"accepted": 0}
    client.observe({"user_id": "joined", "item_id": first, "request_id": "r-1"})
    found = client.service.live.store.impression("r-1")
    assert [item.item_id for item in found.served.items] == ids(told)
    assert found.served.model_version == told["model_version"]
    assert [each.user_id for each in found.shown] == ["joined"]
    assert [each.item_id for each in found.events] == [first]


def test_what_was_shown_must_say_what_and_where(client):
    for items in ([], [{"item_id": "tea"}], [{"item_id": "tea", "position": 0}]):
        body = {"request_id": "r-2", "items": items}
        assert client.post("/v1/impressions", json=body).status_code == 422


def test_lists_are_not_kept_where_that_was_not_wanted(settings):
    with serving(settings, keep_lists=False) as client:
        client.list_of("u")
        client.service.served.flush()
        assert client.service.live.store.stats().num_impressions == 0


def test_a_memory_that_is_stale_again_and_again_is_a_matter_of_trying_again(client, monkeypatch):
    def refuse(*_given, **_named):
        raise StaleMemoryError("planted")

    monkeypatch.setattr(client.service.live, "recommend", refuse)
    answer = client.get("/v1/users/u/recommendations")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
