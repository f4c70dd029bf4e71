"""Users over HTTP: attributes, events in pages, export, forgetting."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from .conftest import NOW

ODD_IDS = ["a/b", "..", ".", "汉字", "'; DROP TABLE users; --", "a b+c%2F", "?x=1#y", "ё" * 400]


def fill(client, user_id, number=5):
    client.observe(
        *(
            {
                "user_id": user_id,
                "item_id": "tea",
                "timestamp": NOW - 99 + n,
                "event_id": f"{user_id}{n}",
            }
            for n in range(number)
        )
    )


def test_attributes_are_put_patched_and_read(client):
    assert client.get("/v1/users/ann").json()["attributes"] == {}
    answer = client.put("/v1/users/ann", json={"age": 31, "langs": ["de", "en"], "job": None})
    assert answer.json()["attributes"] == {"age": 31, "langs": ["de", "en"]}
    answer = client.patch("/v1/users/ann", json={"age": 32, "langs": None, "user_id": "ann"})
    assert answer.json()["attributes"] == {"age": 32}
    assert client.put("/v1/users/ann", json={"job": "baker"}).json()["attributes"] == {
        "job": "baker"
    }
    assert client.get("/v1/users/ann").json() == {
        "user_id": "ann", "attributes": {"job": "baker"}, "num_events": 0,
        "history_complete": True, "read": [],
    }  # fmt: skip


@pytest.mark.parametrize("body", [[], 7, {"a": {"b": 1}}, {"": 1}, {"user_id": "bob"}])
def test_what_is_no_attribute_is_refused(client, body):
    assert client.put("/v1/users/zoe", json=body).status_code == 422
    assert client.get("/v1/users/zoe").json()["attributes"] == {}


@pytest.mark.parametrize("user_id", ODD_IDS)
def test_an_id_may_be_any_text(client, user_id):
    place = quote(user_id, safe="")
    place = "%2E%2E" if place == ".." else "%2E" if place == "." else place
    client.observe({"user_id": user_id, "item_id": user_id})
    assert client.get(f"/v1/users/{place}").json()["user_id"] == user_id
    assert client.list_of(place)["num_events"] == 1
    [kept] = client.get(f"/v1/users/{place}/events").json()["events"]
    assert (kept["user_id"], kept["item_id"]) == (user_id, user_id)
    client.put(f"/v1/items/{place}", json={"title": "odd"})
    assert client.get(f"/v1/items/{place}").json()["item_id"] == user_id
    assert client.delete(f"/v1/users/{place}").json()["num_events"] == 1


@pytest.mark.parametrize("place", ["%00", "%ff", "x" * 513, "%E6%B1"])
def test_an_id_that_no_text_can_be_is_refused(client, place):
    answer = client.get(f"/v1/users/{place}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_id")


@pytest.mark.parametrize("limit", [1, 2, 5, 9])
def test_pages_hold_every_event_once_in_order(client, limit):
    user_id = f"pages{limit}"
    fill(client, user_id)
    found, cursor = [], None
    while True:
        params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/v1/users/{user_id}/events", params=params).json()
        found += [event["event_id"] for event in page["events"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == [f"{user_id}{n}" for n in range(5)]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1", "cursor=:", "cursor=1:" + "9" * 30,
                                   "limit=0", "limit=1001"])  # fmt: skip
def test_a_page_that_does_not_exist_is_refused(client, query):
    assert client.get(f"/v1/users/u/events?{query}").status_code == 422


def test_a_deleted_event_moves_nothing_any_more_and_stays_out(client):
    fill(client, "del", 1)
    alone = client.list_of("del", k=9, exclude_seen="false")
    event = {"user_id": "del", "item_id": "rum", "timestamp": NOW - 5, "event_id": "del-x"}
    client.post("/v1/events", json=event)
    answer = client.delete("/v1/users/del/events/del-x")
    assert answer.json() == {"event_id": "del-x", "deleted": True}
    again = client.list_of("del", k=9, exclude_seen="false")
    assert (again["items"], again["num_events"]) == (alone["items"], 1)
    assert client.delete("/v1/users/del/events/del-x").status_code == 404
    repeated = client.post("/v1/events", json=event)
    assert (repeated.status_code, repeated.json()["error"]["code"]) == (422, "deleted")


def test_an_export_holds_everything(client):
    fill(client, "exp", 3)
    client.put("/v1/users/exp", json={"age": 7})
    client.list_of("exp", k=2)
    found = client.get("/v1/users/exp/export").json()
    assert (found["user_id"], found["attributes"], len(found["events"])) == ("exp", {"age": 7}, 3)
    assert [len(served["items"]) for served in found["served"]] == [2]
    assert list(found["memories"]) == [client.service.live.model_version]


def test_forgetting_counts_what_went_and_keeps_old_events_out(client):
    fill(client, "gone", 4)
    client.put("/v1/users/gone", json={"age": 7, "job": "pilot"})
    client.list_of("gone", k=2)
    client.post("/v1/impressions", json={
        "request_id": "r-gone", "user_id": "gone", "items": [{"item_id": "tea", "position": 1}],
    })  # fmt: skip
    receipt = client.delete("/v1/users/gone").json()
    counts = {name: count for name, count in receipt.items() if name.startswith("num_")}
    assert counts == {
        "num_events": 4, "num_event_ids": 4, "num_memories": 1, "num_attributes": 2,
        "num_snapshots": 0, "num_impressions": 2,
    }  # fmt: skip
    assert client.get("/v1/users/gone").json()["attributes"] == {}
    assert client.list_of("gone")["num_events"] == 0
    old = {"user_id": "gone", "item_id": "tea", "timestamp": NOW - 1}
    answer = client.post("/v1/events", json=old)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "forgotten")
    assert client.delete("/v1/users/never seen").json()["num_events"] == 0


def test_the_audit_log_names_no_user(client):
    fill(client, "Audited Person", 1)
    client.get("/v1/users/Audited%20Person/export")
    client.delete("/v1/users/Audited%20Person")
    entries = client.get("/v1/audit?limit=2").json()["entries"]
    assert [entry["what"] for entry in entries] == ["forget user", "export user"]
    assert {entry["who"] for entry in entries} == {"local"}
    assert "Audited" not in str(entries)
    before = client.get("/v1/audit", params={"before": entries[1]["number"], "limit": 1}).json()
    assert before["entries"][0]["number"] < entries[1]["number"]
