"""Items over HTTP: put, patched, hidden, found, and recommended at once."""

from __future__ import annotations

import json

import pytest

from penchant.serving.app.settings import ServeSettings

from ..serving.test_later_items import mixture_bundle
from .conftest import serving


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A service whose model reads titles."""
    folder = tmp_path_factory.mktemp("reads") / "bundle"
    mixture_bundle().save(folder)
    with serving(ServeSettings(run=str(folder), store="memory://", log_requests=False)) as client:
        yield client


def test_a_new_item_with_a_title_is_in_the_next_list(reader):
    answer = reader.put("/v1/items/n1", json={"title": "white wine"})
    assert answer.json()["can_be_recommended"] is True
    listed = reader.list_of("u", k=20)
    assert "n1" in [item["item_id"] for item in listed["items"]]
    nearest = reader.get("/v1/items/n1/similar?k=1").json()
    assert (len(nearest["items"]), nearest["model_version"]) == (1, listed["model_version"])


def test_put_replaces_and_patch_merges(reader):
    reader.put("/v1/items/n2", json={"title": "oat tea", "price": 3, "seen": None})
    reader.patch("/v1/items/n2", json={"price": 4, "tags": ["hot", "new"]})
    found = reader.get("/v1/items/n2").json()
    assert found["attributes"] == {"title": "oat tea", "price": 4, "tags": ["hot", "new"]}
    reader.put("/v1/items/n2", json={"title": "oat milk"})
    again = reader.get("/v1/items/n2").json()
    assert again["attributes"] == {"title": "oat milk"}
    assert again["revision"] > found["revision"]


def test_a_hidden_item_is_in_no_list_until_it_is_put_again(reader):
    hidden = reader.delete("/v1/items/a").json()
    assert (hidden["hidden"], hidden["attributes"]["title"]) == (True, "green tea")
    assert "a" not in [item["item_id"] for item in reader.list_of("u", k=20)["items"]]
    reader.put("/v1/items/a", json={"title": "green tea"})
    assert "a" in [item["item_id"] for item in reader.list_of("u", k=20)["items"]]


def test_many_items_are_put_at_once_as_a_list_or_as_lines(reader):
    items = [{"item_id": f"m{n}", "title": "red tea", "price": n} for n in range(3)]
    told = reader.post("/v1/items", json=items).json()["items"]
    assert [each["item_id"] for each in told] == ["m0", "m1", "m2"]
    lines = "\n".join(json.dumps({**item, "item_id": f"x{n}"}) for n, item in enumerate(items))
    headers = {"content-type": "application/x-ndjson"}
    assert len(reader.post("/v1/items", content=lines, headers=headers).json()["items"]) == 3
    assert reader.post("/v1/items", json={"item_id": 12}).json()["items"][0]["item_id"] == "12"


def test_one_bad_item_of_many_is_named_and_none_is_put(reader):
    for bad in ({"title": "no id"}, {"item_id": ""}, {"item_id": "b", "a": {"b": {}}}, 7):
        answer = reader.post("/v1/items", json=[{"item_id": "half"}, bad])
        assert answer.status_code == 422
        assert answer.json()["error"]["message"].startswith("Entry 1: ")
    assert reader.get("/v1/items/half").status_code == 404


def test_items_are_found_by_the_beginning_of_id_or_title(reader):
    reader.put("/v1/items/zz1", json={"title": "Zebra milk"})
    found = reader.get("/v1/items", params={"query": "zebra"}).json()
    assert [item["item_id"] for item in found["items"]] == ["zz1"]
    first = reader.get("/v1/items", params={"limit": 2}).json()
    assert (len(first["items"]), first["cursor"] is None) == (2, False)
    second = reader.get("/v1/items", params={"limit": 2, "cursor": first["cursor"]}).json()
    assert not {i["item_id"] for i in first["items"]} & {i["item_id"] for i in second["items"]}
    assert reader.get("/v1/items", params={"cursor": "put:x"}).status_code == 422


def test_an_item_that_is_nowhere_is_not_found(reader):
    for method, place in (("get", ""), ("delete", ""), ("get", "/similar")):
        answer = getattr(reader, method)(f"/v1/items/nowhere{place}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_item")
    assert reader.patch("/v1/items/nowhere", json={"a": 1}).status_code == 404


def test_attributes_of_any_kind_break_no_list(reader):
    odd = [7, True, 1e300, "", "x" * 9_000, [], [1, "a", None], [["a", "b", "c"]], 2**70, "\0"]
    for place, title in enumerate(odd):
        assert reader.put(
            f"/v1/items/odd{place}", json={"title": title, "colour": title}
        ).is_success
        assert reader.list_of("u", k=50)["items"]


def test_an_item_that_the_model_cannot_read_is_kept_and_said_so(client):
    told = client.put("/v1/items/unread", json={"title": "white wine"}).json()
    assert told["can_be_recommended"] is False
    assert "has no vector" in told["message"]
    assert client.get("/v1/items/unread").json()["attributes"] == {"title": "white wine"}
    assert client.get("/v1/items/unread/similar").status_code == 200
