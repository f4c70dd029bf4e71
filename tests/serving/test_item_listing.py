"""Items are found where they stand: what was put first, then what the bundle was trained with."""

from __future__ import annotations

import pytest

from penchant.errors import InputError
from penchant.serving.item_listing import ListedItem, find_item, list_items
from penchant.stores import InProcessStore

from .world import ITEMS, make_bundle


@pytest.fixture(scope="module")
def bundle():
    return make_bundle()


@pytest.fixture
def store():
    store = InProcessStore()
    store.put_items([("nuts", {"title": "Salted nuts"}), ("salt", {"title": "Sea salt"})])
    return store


def all_ids(store, bundle, query="", limit=2):
    found, cursor = [], None
    while True:
        page = list_items(store, bundle, query, limit, cursor)
        found += [item.item_id for item in page.items]
        assert len(page.items) <= limit
        cursor = page.cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 50])
def test_pages_hold_every_item_once(store, bundle, limit):
    trained = [item for item in ITEMS if item != "salt"]
    assert all_ids(store, bundle, limit=limit) == ["nuts", "salt", *trained]


def test_what_is_asked_for_begins_the_id_or_the_title(store, bundle):
    assert all_ids(store, bundle, "salt") == ["nuts", "salt"]
    assert all_ids(store, bundle, "SEA") == ["salt"]
    assert all_ids(store, bundle, "ki") == ["kiwi"]
    assert all_ids(store, bundle, "Rum") == ["rum"]
    assert all_ids(store, bundle, "no such") == []


def test_what_was_put_counts_before_what_was_trained(store, bundle):
    store.hide_item("salt")
    found = find_item(store, bundle, "salt")
    assert (found.attributes, found.hidden) == ({"title": "Sea salt"}, True)
    assert find_item(store, bundle, "kiwi") == ListedItem("kiwi", {"title": "Kiwi"})
    assert find_item(store, bundle, "no such") is None


@pytest.mark.parametrize(
    "cursor", ["", "put", "put:", "put:-1", "put:x", "all:3", "put:" + "9" * 99]
)
def test_a_cursor_that_no_page_gave_is_refused(store, bundle, cursor):
    with pytest.raises(InputError, match="cursor must be one that a page gave"):
        list_items(store, bundle, cursor=cursor)
