"""Items that one process puts are known to all, at the same places and with the same vectors."""

from __future__ import annotations

import pytest
import torch

from penchant import Live
from penchant.errors import InputError
from penchant.serving.later_items import ItemReader
from penchant.stores import SqliteStore

from .test_later_items import event, mixture_bundle


@pytest.fixture
def files(tmp_path):
    """Return two stores on one file, as two processes have them."""
    path = tmp_path / "store.db"
    with SqliteStore(path) as one, SqliteStore(path) as other:
        yield one, other


def test_what_one_process_puts_the_other_knows_in_its_next_list(files):
    bundle = mixture_bundle()
    one, other = Live(bundle, files[0]), Live(bundle, files[1])
    one.put_item({"item_id": "n1", "title": "white wine"})
    assert "n1" in other.recommend("u", k=20).item_ids
    other.put_item({"item_id": "n2", "title": "oat tea"})
    one.put_item({"item_id": "n3", "title": "red milk"})
    one.observe([event("n2", 10), event("n3", 20)])
    told = other.recommend("u", k=20, at=99)
    assert one._ranker.items.ids == other._ranker.items.ids
    torch.testing.assert_close(one._ranker.table, other._ranker.table, rtol=0, atol=0)
    assert one.recommend("u", k=20, at=99) == told
    assert not {"n2", "n3"} & set(told.item_ids)


def test_a_changed_title_changes_the_lists_of_the_other(files):
    bundle = mixture_bundle()
    one, other = Live(bundle, files[0]), Live(bundle, files[1])
    one.put_item({"item_id": "n", "title": "green tea"})
    before = other.similar("n")
    one.put_item({"item_id": "n", "title": "red wine"})
    other.recommend("u")
    assert other.similar("n") == one.similar("n") != before
    assert files[1].vectors_replaced(bundle.id) > 0


def test_vectors_are_read_from_the_store_and_not_made_again(files, monkeypatch):
    bundle = mixture_bundle()
    first = Live(bundle, files[0])
    first.put_item({"item_id": "n1", "title": "white wine"})
    first.put_item({"item_id": "n2", "title": "red tea"})
    monkeypatch.setattr(ItemReader, "read", None)
    second = Live(bundle, files[1])
    torch.testing.assert_close(second._ranker.table, first._ranker.table, rtol=0, atol=0)


def test_an_item_that_becomes_known_moves_the_memories_of_those_who_have_it(files):
    bundle = mixture_bundle()
    live, alike = Live(bundle, files[0]), Live(bundle)
    live.observe([event("a", 10), event("n", 20), event("c", 30)])
    live.observe([{**event("a", 10), "user_id": "v"}])
    untouched = live.store.standing("v", bundle.id)
    live.put_item({"item_id": "n", "title": "white wine"})
    alike.put_item({"item_id": "n", "title": "white wine"})
    alike.observe([event("a", 10), event("n", 20), event("c", 30)])
    assert live.recommend("u", at=99).items == alike.recommend("u", at=99).items
    assert live.store.standing("v", bundle.id).log_revision == untouched.log_revision


def test_a_recorded_fold_can_be_repeated_when_a_vector_has_changed(files):
    bundle = mixture_bundle()
    live = Live(bundle, files[0])
    live.put_item({"item_id": "n", "title": "white wine"})
    old = live._ranker.table[6].clone()
    live.observe([event("a", 10), event("n", 20)])
    live.put_item({"item_id": "n", "title": "green tea"})
    live.observe(event("n", 30))
    memory = live.store.get_memory("u", bundle.id)
    vectors = [
        live.store.item_vector(bundle.id, "n", max(each.item_revision, memory.items_revision))
        for each in live.store.events("u")[1:]
    ]
    first, second = (torch.frombuffer(bytearray(each.vector), dtype=old.dtype) for each in vectors)
    torch.testing.assert_close(first, old, rtol=0, atol=0)
    torch.testing.assert_close(second, live._ranker.table[6], rtol=0, atol=0)
    assert not torch.equal(first, second)


def test_an_item_that_is_refused_takes_no_place(files):
    bundle = mixture_bundle()
    live = Live(bundle, files[0])
    monkey = ItemReader.read

    def refuse(self, given):
        raise InputError("planted")

    ItemReader.read = refuse
    try:
        with pytest.raises(InputError, match="planted"):
            live.put_item({"item_id": "bad", "title": "white wine"})
    finally:
        ItemReader.read = monkey
    assert live.store.get_item("bad") is None
    live.put_item({"item_id": "good", "title": "white wine"})
    assert live._ranker.items.ids[6:] == ("good",)
