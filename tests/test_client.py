"""The client against a service of its own."""

from __future__ import annotations

import threading

import pytest

from penchant.client import Client, ServiceError
from penchant.errors import EnvironmentFault, InputError
from penchant.serving.app.keys import create_key

from .serving.world import make_bundle
from .serving_app.test_process import served


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    for seed, name in enumerate(("first", "second")):
        bundle = make_bundle(seed)
        bundle.model.float()
        bundle.save(folder / name)
    key = create_key(folder / "keys.json", "admin")
    told = ("first", "--store", "sqlite:///s.db", "--api-keys", "keys.json", "--models-dir", ".")
    with served(*told, cwd=folder) as service:
        service.key = key
        yield service


@pytest.fixture
def client(service):
    with Client(service.address, service.key) as client:
        yield client


def test_events_move_lists_and_repeats_count_once(client):
    event = {"user_id": "a/b", "item_id": "tea", "event_id": "c1"}
    assert client.observe(event).accepted == 1
    told = client.observe([event, {"user_id": "a/b", "item_id": "rum"}, {"user_id": "a/b"}])
    assert (told.accepted, told.duplicates) == (1, 1)
    assert [each["index"] for each in told.rejected] == [2]
    listed = client.recommend("a/b", k=9)
    assert (listed.num_events, listed.truncated_by) == (2, ("seen",))
    assert not {"tea", "rum"} & set(listed.item_ids)
    assert [item.rank for item in listed] == list(range(1, 6))
    client.shown(listed.request_id, listed.item_ids[:2])
    assert [each["item_id"] for each in client.events("a/b")] == ["tea", "rum"]
    assert client.forget("a/b")["num_events"] == 2


def test_items_are_put_found_patched_and_hidden(client):
    [told] = client.put_items([{"item_id": "..", "title": "odd"}])
    assert told["can_be_recommended"] is False
    client.patch_item("..", {"price": 3})
    found = {item["item_id"]: item for item in client.items()}
    assert len(found) == 8
    assert found[".."]["attributes"] == {"title": "odd", "price": 3}
    assert client.hide_item("kiwi")["hidden"] is True
    assert "kiwi" not in client.recommend(history=["tea"], k=9).item_ids
    assert len(client.similar("tea", k=3)) == 3
    assert client.put_user("ann", {"age": 3}) == client.user("ann")


def test_pages_are_turned(client):
    client.observe([{"user_id": "long", "item_id": "tea"} for _ in range(250)])
    assert len(list(client.events("long"))) == 250


def test_the_model_is_changed(client):
    first = client.model()["model_version"]
    second = client.change_model(path="second")
    assert client.recommend("u").model_version == second != first
    assert client.change_model(path="first") == first


def test_what_the_service_refuses_is_raised_with_its_code(client, service):
    with pytest.raises(ServiceError, match="k: input should be") as error:
        client.recommend("u", k=0)
    assert (error.value.status, error.value.code) == (422, "bad_value")
    assert error.value.request_id
    with Client(service.address) as other, pytest.raises(ServiceError) as error:
        other.user("u")
    assert error.value.status == 401
    with pytest.raises(ServiceError) as error:
        client.patch_item("nowhere", {"a": 1})
    assert error.value.code == "unknown_item"


def test_threads_have_connections_of_their_own(client):
    counts = []

    def send(name):
        for _ in range(20):
            client.observe({"user_id": name, "item_id": "tea"})
        counts.append(client.user(name)["num_events"])
        client.close()

    threads = [threading.Thread(target=send, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [20] * 4


def test_a_service_that_is_not_there_is_said_so():
    with pytest.raises(EnvironmentFault, match=r"127\.0\.0\.1:1 cannot be reached"):
        Client("http://127.0.0.1:1", retries=1).model()
    with pytest.raises(InputError, match="must look like http"):
        Client("localhost:8000")
