"""What every request meets: ids, keys, limits, logs, figures, and errors in one form."""

from __future__ import annotations

import asyncio
import json
import logging
import threading

import pytest

from penchant.errors import (
    CorruptStoreError,
    EnvironmentFault,
    MissingExtraError,
    ShapeError,
    StaleDocumentError,
)
from penchant.serving.app.keys import create_key, read_keys, revoke_key
from penchant.serving.app.routes import ROUTES

from .conftest import serving


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def guarded(settings, tmp_path, monkeypatch):
    """A service that asks for keys, and a key of each role."""
    monkeypatch.setattr("penchant.serving.app.keys.LOOK_S", 0.0)
    path = tmp_path / "keys.json"
    keys = {role: create_key(path, role) for role in ("read", "write", "admin")}
    with serving(settings, api_keys=str(path)) as client:
        client.keys, client.path = keys, path
        yield client


def with_key(key):
    return {"x-api-key": key}


def test_a_request_keeps_its_id_or_gets_one(client):
    kept = client.get("/v1/model", headers={"x-request-id": "trace-7:a.b_C"})
    assert kept.headers["x-request-id"] == "trace-7:a.b_C"
    for bad in ("", "a b", "x" * 129, "a\tb", "é"):
        made = client.get("/v1/model", headers={"x-request-id": bad.encode("latin-1")})
        assert len(made.headers["x-request-id"]) == 32


def test_what_is_not_there_is_said_so(client):
    for path in (
        "/",
        "/v2",
        "/v1/events/",
        "/v1/users",
        "/v1/users/",
        "/v1/users/a/b",
        "//",
        "/%2e",
    ):
        assert code_of(client.get(path)) == (404, "no_such_route")


def test_a_method_that_a_path_lacks_is_refused_with_those_that_it_has(client):
    answer = client.put("/v1/events", json={})
    assert code_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    answer = client.post("/v1/users/u")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert client.options("/v1/users/u").status_code == 405
    assert client.post("/docs").headers["allow"] == "GET, HEAD"
    assert client.head("/v1/model").status_code == 200


def test_health_and_docs_need_no_key(guarded):
    assert guarded.get("/health/live").json() == {"status": "live"}
    assert guarded.get("/health/ready").json()["status"] == "ready"
    assert "/v1/recommendations" in guarded.get("/docs").text
    assert guarded.get("/openapi.json").json()["openapi"] == "3.1.0"


@pytest.mark.parametrize("headers", [
    {}, with_key(""), with_key("pk_00000000_x"), with_key("nonsense"), with_key("pk__"),
    {"authorization": "Basic abc"}, {"authorization": "Bearer pk_1_2"},
])  # fmt: skip
def test_who_has_no_key_gets_nothing(guarded, headers):
    for route in ROUTES:
        if route.role != "open":
            answer = guarded.request(route.method, route.path.replace("{", "").replace("}", ""),
                                     headers=headers)  # fmt: skip
            assert code_of(answer) == (401, "unauthorised")


def test_a_role_may_do_what_it_may_and_no_more(guarded):
    ranks = ("read", "write", "admin")
    for route in ROUTES:
        path = route.path.replace("{", "").replace("}", "")
        for role, key in guarded.keys.items():
            if route.role == "open":
                continue
            answer = guarded.request(route.method, path, headers=with_key(key))
            is_refused = answer.status_code == 403
            assert is_refused == (ranks.index(role) < ranks.index(route.role)), (route, role)


def test_a_key_may_come_as_a_bearer(guarded):
    headers = {"authorization": f"bearer {guarded.keys['read']}"}
    assert guarded.get("/metrics", headers=headers).status_code == 200


def test_a_key_that_was_revoked_opens_nothing_and_a_new_one_does(guarded):
    key = guarded.keys["read"]
    assert guarded.get("/v1/model", headers=with_key(key)).status_code == 200
    revoke_key(guarded.path, key.split("_")[1])
    assert guarded.get("/v1/model", headers=with_key(key)).status_code == 401
    fresh = create_key(guarded.path, "read")
    assert guarded.get("/v1/model", headers=with_key(fresh)).status_code == 200
    guarded.path.write_text("{}")
    assert guarded.get("/v1/model", headers=with_key(fresh)).status_code == 200


def test_the_file_of_keys_holds_no_key_and_is_for_its_owner(guarded):
    text = guarded.path.read_text()
    for key in guarded.keys.values():
        assert key not in text
        assert key.split("_", 2)[2] not in text
    assert guarded.path.stat().st_mode & 0o077 == 0
    assert len({each.salt for each in read_keys(guarded.path)}) == 3


def test_a_key_that_asks_too_often_is_told_when_to_come_again(settings, tmp_path):
    path = tmp_path / "keys.json"
    key, free = create_key(path, "read"), create_key(path, "read", rate_limit=0)
    with serving(settings, api_keys=str(path), rate_limit=0.5) as client:
        assert client.get("/v1/model", headers=with_key(key)).status_code == 200
        answer = client.get("/v1/model", headers=with_key(key))
        assert code_of(answer) == (429, "too_many_requests")
        assert answer.headers["retry-after"] == "2"
        for _ in range(3):
            assert client.get("/v1/model", headers=with_key(free)).status_code == 200


def test_a_page_of_a_known_origin_may_call_and_another_may_not(settings):
    with serving(settings, cors_origins=("https://shop.example",)) as client:
        ask = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-api-key",
        }
        answer = client.options("/v1/events", headers={"origin": "https://shop.example", **ask})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        other = {"origin": "https://other.example", **ask}
        answer = client.unchecked("OPTIONS", "/v1/events", headers=other)
        assert "access-control-allow-origin" not in answer.headers
        answer = client.get("/v1/items/none", headers={"origin": "https://shop.example"})
        assert answer.status_code == 404
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize(("error", "status"), [
    (StaleDocumentError("planted"), 409), (CorruptStoreError("planted"), 503),
    (EnvironmentFault("planted"), 503), (MissingExtraError("planted"), 503),
])  # fmt: skip
def test_errors_of_the_tree_have_their_status(client, monkeypatch, error, status):
    def fail(*_given):
        raise error

    monkeypatch.setattr(client.service.live, "observe", fail)
    answer = client.post("/v1/events", json={"item_id": "a"})
    said = {"code": error.code, "message": "planted", "request_id": answer.headers["x-request-id"]}
    assert (answer.status_code, answer.json()) == (status, {"error": said})


@pytest.mark.parametrize("error", [ShapeError("secret"), ZeroDivisionError("secret")])
def test_a_fault_of_ours_is_told_without_its_message_and_logged_with_its_place(
    settings, monkeypatch, caplog, error
):
    with serving(settings) as client:

        def fail(*_given):
            raise error

        monkeypatch.setattr(client.service.live, "similar", fail)
        caplog.set_level(logging.ERROR, "penchant.http")
        answer = client.unchecked("GET", "/v1/items/tea/similar")
        assert code_of(answer) == (500, "fault")
        assert "secret" not in answer.text
        [record] = [each for each in caplog.records if each.message == "fault"]
        assert record.told["request_id"] == answer.headers["x-request-id"]
        assert record.told["error"] == type(error).__name__
        assert "test_door.py" in record.told["where"]
        assert "secret" not in json.dumps(record.told)


def test_a_line_of_the_log_names_the_route_and_no_person(settings, caplog):
    with serving(settings, log_requests=True) as client:
        caplog.set_level(logging.INFO, "penchant.http")
        client.get("/v1/users/Ann%20Person/recommendations?at=5")
        [record] = [each for each in caplog.records if each.message == "request"]
        assert record.told["route"] == "/v1/users/{user_id}/recommendations"
        assert (record.told["method"], record.told["status"], record.told["key"]) == (
            "GET",
            200,
            "local",
        )
        assert "Ann" not in caplog.text


def test_metrics_count_requests_events_and_stages(settings):
    with serving(settings) as client:
        client.observe({"user_id": "u", "item_id": "tea"}, {"user_id": "u"})
        client.list_of("u")
        client.get("/nowhere")
        text = client.get("/metrics").text
        version = client.service.live.model_version
        for line in (
            'penchant_requests_total{method="POST",route="/v1/events",status="200"} 1.0',
            'penchant_requests_total{method="GET",route="none",status="404"} 1.0',
            'penchant_events_total{outcome="accepted"} 1.0',
            'penchant_events_total{outcome="rejected"} 1.0',
            'penchant_stage_seconds_count{stage="observe"} 1.0',
            'penchant_stage_seconds_count{stage="recommend"} 1.0',
            'penchant_stage_seconds_count{stage="wait"} 2.0',
            f'penchant_model_info{{version="{version}"}} 1.0',
        ):
            assert line in text.splitlines()


def test_a_store_that_fails_makes_the_service_not_ready(client, monkeypatch):
    def fail():
        raise EnvironmentFault("planted")

    monkeypatch.setattr(client.service.live.store, "changes", fail)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["store"] == {"ok": False, "message": "environment"}
    assert client.get("/health/live").status_code == 200


def test_too_much_at_once_is_refused_and_health_still_answers(settings, monkeypatch):
    with serving(settings, num_threads=1, most_pending=2) as client:
        may_go, has_begun = threading.Event(), threading.Event()
        recommend = client.service.live.recommend

        def slow(*given):
            has_begun.set()
            may_go.wait(20)
            return recommend(*given)

        monkeypatch.setattr(client.service.live, "recommend", slow)
        answers = []
        ask = "/v1/users/u/recommendations"
        threads = [
            threading.Thread(target=lambda: answers.append(client.get(ask).status_code))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        assert has_begun.wait(20)
        while client.service.pool.num_pending < 2:
            pass
        refused = client.get(ask)
        assert code_of(refused) == (503, "busy")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/health/ready").status_code == 200
        may_go.set()
        for thread in threads:
            thread.join()
        assert answers == [200, 200]
        assert client.get(ask).status_code == 200


def test_a_websocket_is_closed(client):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/events"):
        pass


def test_who_goes_away_in_the_middle_of_a_body_writes_nothing(client):
    before = client.service.live.store.stats().num_events
    sent = []
    messages = iter([
        {"type": "http.request", "body": b'{"user_id"', "more_body": True},
        {"type": "http.disconnect"},
    ])  # fmt: skip

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/events", "raw_path": b"/v1/events",
        "query_string": b"", "headers": [(b"content-type", b"application/json")], "root_path": "",
    }  # fmt: skip
    asyncio.run(client.app(scope, receive, send))
    assert sent == []
    assert client.service.live.store.stats().num_events == before
