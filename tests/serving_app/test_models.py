"""The model is changed while requests go on, on every worker of the store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from penchant.bundle import Bundle
from penchant.errors import InputError
from penchant.serving.app import following
from penchant.serving.app.changing import change_model
from penchant.serving.app.refusals import RefusedError
from penchant.serving.app.service import Service
from penchant.serving.messages import ModelMessage

from .conftest import serving


@pytest.fixture(scope="module")
def versions(bundles):
    return [Bundle.load(bundles / name).id for name in ("first", "second/bundle")]


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(following, "POLL_S", 0.01)


@pytest.fixture
def pair(settings, bundles, tmp_path, fast):
    """Two workers on one store."""
    shared = {"store": f"sqlite:///{tmp_path}/s.db", "models_dir": str(bundles)}
    with serving(settings, **shared) as one, serving(settings, **shared) as other:
        yield one, other


def test_a_change_is_answered_when_all_workers_answer_with_it(pair, versions):
    one, other = pair
    first, second = versions
    other.observe({"user_id": "u", "item_id": "tea"})
    before = other.list_of("u")
    changed = one.put("/v1/model", json={"path": "second"})
    assert changed.json()["model_version"] == second
    assert changed.json()["num_workers"] == 2
    after = other.list_of("u")
    assert (before["model_version"], after["model_version"]) == (first, second)
    assert after["num_events"] == 1
    back = other.put("/v1/model", json={"version": first})
    assert back.json()["model_version"] == first
    assert one.list_of("u")["items"] == before["items"]
    whos = [entry["what"] for entry in one.get("/v1/audit").json()["entries"]]
    assert whos == ["model", "model", "model"]


def test_no_request_fails_while_the_model_changes(pair, versions):
    one, other = pair
    answers, is_done = [], threading.Event()

    def ask(client, name):
        while not is_done.is_set():
            client.observe({"user_id": name, "item_id": "rum"})
            answers.append(client.get(f"/v1/users/{name}/recommendations").json()["model_version"])

    threads = [threading.Thread(target=ask, args=(each, f"u{n}")) for n, each in enumerate(pair)]
    for thread in threads:
        thread.start()
    for version in [*versions[::-1], versions[1], versions[0]]:
        asked = one if version == versions[0] else other
        assert asked.put("/v1/model", json={"version": version}).status_code == 200
    is_done.set()
    for thread in threads:
        thread.join()
    assert set(answers) == set(versions)


@pytest.mark.parametrize(("body", "said"), [
    ({}, "exactly one of them"), ({"version": "x", "path": "y"}, "exactly one of them"),
    ({"path": "../first"}, "a folder under --models-dir"), ({"path": "/etc"}, "under --models-dir"),
    ({"path": "no such"}, "under --models-dir"), ({"path": "a\0b"}, "under --models-dir"),
    ({"path": "x" * 1025}, "at most 1024"), ({"path": "damaged"}, "no bundle that can be read"),
    ({"path": "."}, "no bundle that can be read"),
    ({"version": "no such"}, "There are: "), ({"name": "x"}, "is not known here"),
])  # fmt: skip
def test_a_model_that_is_not_there_changes_nothing(settings, bundles, body, said):
    with serving(settings, models_dir=str(bundles)) as client:
        before = client.get("/v1/model").json()
        answer = client.put("/v1/model", json=body)
        assert answer.status_code == 422
        assert said in answer.json()["error"]["message"]
        assert client.get("/v1/model").json() == before


def test_without_a_folder_of_models_there_is_nothing_to_change_to(client):
    answer = client.put("/v1/model", json={"path": "second"})
    assert (answer.status_code, "--models-dir" in answer.text) == (422, True)


def test_a_worker_that_cannot_read_the_model_turns_the_change_back(pair, versions, monkeypatch):
    one, other = pair

    def refuse(_bundle):
        raise InputError("planted")

    monkeypatch.setattr(other.service.live, "use", refuse)
    answer = one.put("/v1/model", json={"path": "second"})
    assert (answer.status_code, "planted" in answer.text) == (422, True)
    one.service.follower.look()
    assert one.list_of("u")["model_version"] == other.list_of("u")["model_version"] == versions[0]


def test_a_change_that_a_worker_does_not_follow_in_time_is_pending(pair, bundles):
    one, other = pair
    other.service.follower._is_closed.set()
    other.service.follower._thread.join()
    with pytest.raises(RefusedError, match="1 of 2 workers do not answer with the model yet"):
        change_model(one.service.follower, ModelMessage(path="second"), str(bundles), "me", 0.2)


def test_a_restart_goes_on_with_the_model_that_was_changed_to(
    settings, bundles, tmp_path, versions
):
    shared = {"store": f"sqlite:///{tmp_path}/s.db", "models_dir": str(bundles)}
    with serving(settings, **shared) as client:
        client.put("/v1/model", json={"path": "second"})
    with serving(settings, **shared) as client:
        assert client.get("/v1/model").json()["model_version"] == versions[1]


def test_a_start_with_another_run_answers_with_that(settings, bundles, tmp_path, versions):
    shared = {"store": f"sqlite:///{tmp_path}/s.db", "models_dir": str(bundles)}
    with serving(settings, **shared) as client:
        client.put("/v1/model", json={"path": "second"})
        client.put("/v1/model", json={"path": "first"})
    with serving(settings, run=str(bundles / "second"), **shared) as client:
        assert client.get("/v1/model").json()["model_version"] == versions[1]


def test_workers_that_begin_at_once_begin_with_the_same(settings, bundles, tmp_path, versions):
    shared = {"store": f"sqlite:///{tmp_path}/s.db"}
    services = [Service(replace(settings, **shared)) for _ in range(4)]
    together, failed = threading.Barrier(len(services)), []

    def begin(service):
        together.wait()
        try:
            service.start()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(each,)) for each in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(services[0].follower.workers()) == 4
    assert [each.what for each in services[0].live.store.audit_log()] == ["model"]
    for service in services:
        service.close()


def test_a_worker_that_ended_is_not_waited_for(settings, bundles, tmp_path, fast):
    shared = {"store": f"sqlite:///{tmp_path}/s.db", "models_dir": str(bundles)}
    with serving(settings, **shared) as one:
        with serving(settings, **shared):
            assert len(one.service.follower.workers()) == 2
        assert one.put("/v1/model", json={"path": "second"}).json()["num_workers"] == 1


def test_what_one_worker_keeps_the_other_answers_with(pair):
    one, other = pair
    one.observe({"user_id": "u", "item_id": "tea"})
    assert other.list_of("u")["num_events"] == 1
    one.put("/v1/items/kiwi", json={"price": 3})
    assert other.get("/v1/items/kiwi").json()["attributes"] == {"price": 3}
    one.delete("/v1/items/kiwi")
    assert "kiwi" not in [item["item_id"] for item in other.list_of("u", k=9)["items"]]
    one.put("/v1/users/u", json={"age": 3})
    assert other.get("/v1/users/u").json()["attributes"] == {"age": 3}
    one.delete("/v1/users/u")
    assert other.list_of("u")["num_events"] == 0


def test_questions_are_those_that_the_bundle_keeps(settings, bundles, client):
    answer = client.get("/v1/onboarding")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_questions")
    question = {"item_id": "tea", "place": 2, "is_first": True, "num_users": 5, "share": 0.25,
                "told_apart": 0.5, "ndcg": 0.1}  # fmt: skip
    asked = [question, {**question, "item_id": "rum", "place": 1, "is_first": False}]
    kept = {"questions": asked, "num_users": 9, "ndcg_before": 0.05}
    live = client.service.live
    object.__setattr__(live.bundle, "questions", kept)
    try:
        both = client.get("/v1/onboarding").json()["items"]
        assert [(each["item_id"], each["rank"]) for each in both] == [("tea", 1), ("rum", 2)]
        assert [each["item_id"] for each in client.get("/v1/onboarding?k=1").json()["items"]] == [
            "rum"
        ]
    finally:
        object.__setattr__(live.bundle, "questions", None)
