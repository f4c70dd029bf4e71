"""Events over HTTP: one, many, lines; what is refused, and what is kept then."""

from __future__ import annotations

import json

import pytest

from .conftest import NOW, serving


def event(user_id, item_id, ago=10, **more):
    return {"user_id": user_id, "item_id": item_id, "timestamp": NOW - ago, **more}


def test_a_single_event_moves_the_next_list(client):
    before = client.list_of("single")
    answer = client.post("/v1/events", json=event("single", "tea", event_id="e-single"))
    assert answer.json() == {
        "accepted": 1, "duplicates": 0, "rejected": [], "event_ids": ["e-single"],
    }  # fmt: skip
    after = client.list_of("single")
    assert (before["num_events"], after["num_events"]) == (0, 1)
    assert [item["score"] for item in before["items"]] != [item["score"] for item in after["items"]]
    assert "tea" not in [item["item_id"] for item in after["items"]]


def test_good_events_of_a_batch_are_kept_and_bad_ones_named(client):
    bad = [event("many", "rum", value="much"), {"item_id": "rum"}, 7]
    answer = client.observe(event("many", "tea"), *bad, event("many", "salt", ago=5)).json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert [(each["index"], each["code"]) for each in answer["rejected"]] == [
        (1, "bad_value"), (2, "missing_field"), (3, "not_an_event"),
    ]  # fmt: skip
    assert [each is None for each in answer["event_ids"]] == [False, True, True, True, False]
    assert client.list_of("many")["num_events"] == 2


def test_an_atomic_batch_is_kept_whole_or_not_at_all(client):
    good, bad = event("whole", "tea"), event("whole", "rum", timestamp=NOW + 9_999)
    refused = client.observe(good, bad, params={"atomic": "true"})
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "batch_rejected"
    assert [each["index"] for each in refused.json()["rejected"]] == [1]
    assert client.list_of("whole")["num_events"] == 0
    assert client.observe(good, params={"atomic": "true"}).json()["accepted"] == 1


def test_lines_are_a_batch(client):
    lines = "\n".join(json.dumps(event("lines", item)) for item in ("tea", "rum"))
    sent = {"content": f"{lines}\n\n", "headers": {"content-type": "application/x-ndjson"}}
    assert client.post("/v1/events", **sent).json()["accepted"] == 2
    sent["content"] = f'{lines}\n{{"user_id": '
    answer = client.post("/v1/events", **sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_json")
    assert "Line 3 must be JSON" in answer.json()["error"]["message"]
    assert client.list_of("lines")["num_events"] == 2


def test_a_repeat_counts_once_and_another_event_under_its_id_is_a_conflict(client):
    first = event("again", "tea", event_id="e-again")
    assert client.post("/v1/events", json=first).json()["accepted"] == 1
    assert client.post("/v1/events", json=first).json()["duplicates"] == 1
    other = {**first, "item_id": "rum"}
    answer = client.post("/v1/events", json=other)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "event_id_conflict")
    [rejected] = client.observe(other).json()["rejected"]
    assert rejected["code"] == "event_id_conflict"


def test_without_a_timestamp_it_happened_now(client):
    client.post("/v1/events", json={"user_id": "now", "item_id": "tea"})
    [kept] = client.get("/v1/users/now/events").json()["events"]
    assert kept["timestamp"] == NOW


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": "2099-01-01T00:00:00Z"}, "in_the_future"),
        ({"timestamp": 4_070_908_800}, "in_the_future"),
        ({"timestamp": "yesterday"}, "bad_timestamp"),
        ({"timestamp": 1e300}, "bad_timestamp"),
        ({"timestamp": True}, "bad_timestamp"),
        ({"value": 1e300}, "bad_value"),
        ({"value": "NaN"}, "bad_value"),
        ({"value": [1]}, "bad_value"),
        ({"user_id": ""}, "bad_user_id"),
        ({"user_id": {"$ne": None}}, "bad_user_id"),
        ({"item_id": "x" * 513}, "bad_item_id"),
        ({"item_id": "a\0b"}, "bad_item_id"),
        ({"item_id": None}, "missing_field"),
        ({"event_type": 1.5}, "bad_event_type"),
        ({"event_id": ""}, "bad_event_id"),
    ],
)
def test_a_single_bad_event_is_refused_and_nothing_is_written(client, change, code):
    answer = client.post("/v1/events", json={**event("bad", "tea"), **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert client.list_of("bad")["num_events"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[1,]", b'{"user_id": NaN}', b"\xff\xfe", b"nan", b'{"a": "\\ud800"}',
        b"[" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(client, body):
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"tea"'])
def test_json_that_holds_no_event_writes_nothing(client, body):
    answer = client.post(
        "/v1/events", content=body, headers={"content-type": "application/json; charset=utf-8"}
    )
    wanted = (200, 0) if body == b"[]" else (422, "not_an_event")
    told = answer.json()
    assert (answer.status_code, told.get("accepted", told.get("error", {}).get("code"))) == wanted


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_type_is_refused(client, media_type):
    answer = client.post("/v1/events", content=b"{}", headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "bad_content_type")


def test_ten_thousand_events_are_a_batch_and_one_more_is_too_many(settings):
    with serving(settings) as client:
        events = [event(f"u{n % 7}", "tea", ago=10_000 - n) for n in range(10_000)]
        assert client.observe(*events).json()["accepted"] == 10_000
        answer = client.observe(*events, event("u0", "rum"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many")
        assert client.list_of("u0")["num_events"] == 10_000 // 7 + 1


def test_a_body_beyond_ten_million_bytes_is_refused(client):
    padded = [event("long", "tea", note="x" * 9_999_999)]
    answer = client.observe(*padded)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_long")
    pieces = (b" " * 1_000_000 for _ in range(11))
    headers = {"content-type": "application/json"}
    assert client.post("/v1/events", content=pieces, headers=headers).status_code == 413


def test_further_columns_are_passed_over(client):
    answer = client.post("/v1/events", json=event("context", "tea", page="home", price=3))
    assert answer.json()["accepted"] == 1
