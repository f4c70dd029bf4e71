"""What every store does with items."""

from __future__ import annotations

from penchant.stores import StoredItem


def ids(items) -> list[str]:
    return [item.item_id for item in items]


class CatalogueContract:
    """Tests on items."""

    def test_an_item_has_a_revision_that_grows_when_it_changes(self, store):
        first = store.put_item("a", {"title": "A", "price": 3})
        assert store.put_item("a", {"title": "A", "price": 3}) == first
        second = store.put_item("a", {"title": "A"})
        assert second.revision > first.revision
        assert (second.number, second.attributes) == (first.number, {"title": "A"})
        assert store.get_item("a") == second
        assert store.get_item("b") is None

    def test_a_patch_merges_and_a_put_replaces(self, store):
        assert store.patch_item("a", {"price": 1}) is None
        store.put_item("a", {"title": "A", "price": 3})
        patched = store.patch_item("a", {"price": 4, "year": 1997})
        assert patched.attributes == {"title": "A", "price": 4, "year": 1997}
        without = store.patch_item("a", {"year": None})
        assert without.attributes == {"title": "A", "price": 4}
        assert without.revision > patched.revision
        assert store.patch_item("a", {"price": 4}) == without
        assert store.put_item("a", {"year": 1}).attributes == {"year": 1}

    def test_a_hidden_item_keeps_its_attributes_until_it_is_put_again(self, store):
        shown = store.put_item("a", {"title": "A"})
        hidden = store.hide_item("a")
        assert (hidden.hidden, hidden.attributes) == (True, {"title": "A"})
        assert hidden.revision > shown.revision
        assert store.hide_item("a") == hidden
        assert store.patch_item("a", {"price": 3}).hidden
        again = store.put_item("a", {"title": "A"})
        assert not again.hidden
        assert store.hide_item("never put") == StoredItem(
            "never put", {}, again.revision + 1, again.number + 1, True
        )

    def test_many_items_are_put_at_once(self, store):
        old = store.put_item("b", {"title": "B"})
        given = [(f"i{i}", {"title": f"T{i % 7}", "price": i / 3}) for i in range(1_500)]
        found = store.put_items([*given, ("b", {"title": "B"}), ("i3", {"title": "new"})])
        assert ids(found) == [*(item_id for item_id, _ in given), "b", "i3"]
        assert found[1_500] == old
        assert store.get_item("i3").attributes == {"title": "new"}
        assert store.stats().num_items == 1_501
        assert len({item.revision for item in store.items()}) == 1_501

    def test_items_are_read_in_pages(self, store):
        for item_id in ("d", "b", "a", "c"):
            store.put_item(item_id, {})
        first = store.items(limit=3)
        assert ids(first) == ["d", "b", "a"]
        assert ids(store.items(after=first[-1].number, limit=3)) == ["c"]

    def test_items_are_found_by_the_beginning_of_id_or_title(self, store):
        for item_id, title in [
            ("tea-1", "Green Tea"),
            ("x", "TEAPOT"),
            ("y", "A pot of tea"),
            ("T_%", "Ökotee"),
            ("汉字", None),
        ]:
            store.put_item(item_id, {} if title is None else {"title": title})
        assert ids(store.items("tea")) == ["tea-1", "x"]
        assert ids(store.items("GREEN t")) == ["tea-1"]
        assert ids(store.items("T_")) == ["T_%"]
        assert ids(store.items("_")) == []
        assert ids(store.items("ö")) == ["T_%"]
        assert ids(store.items("汉")) == ["汉字"]
        assert ids(store.items("tea", limit=1)) == ["tea-1"]

    def test_items_that_changed_since_a_revision_are_told(self, store):
        first = store.put_item("a", {"price": 1})
        store.put_item("b", {"price": 1})
        since = store.changes()["items"]
        assert ids(store.items(since_revision=first.revision)) == ["b"]
        assert ids(store.items(since_revision=since)) == []
        store.hide_item("a")
        store.put_item("c", {})
        assert ids(store.items(since_revision=since)) == ["a", "c"]
        assert store.changes()["items"] > since
