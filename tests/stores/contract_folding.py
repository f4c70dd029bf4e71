"""What every store does so that memories can be folded anew: revisions, snapshots, vectors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penchant.stores import ItemVector, Memory, Standing

from .contract_logs import event


class FoldingContract:
    """Tests on what a fold rests on."""

    def test_nothing_stands_of_a_user_who_never_came(self, store):
        assert store.standing("u1", "b1") == Standing()
        assert store.standing("u1", "b1").is_current()

    def test_a_standing_tells_what_a_list_rests_on(self, store):
        kept = store.append_many([event("u1", "a", 30, "e1"), event("u1", "a", 10, "e2")])
        memory = store.put_memory("u1", "b1", Memory(b"s", num_events=2, last_time_ms=30))
        user = store.put_user("u1", {"age": 31})
        standing = store.standing("u1", "b1")
        assert (standing.memory, standing.user) == (memory, user)
        assert standing.last_sequence == kept[1][1].sequence
        assert (standing.num_events, standing.is_complete) == (2, True)
        assert standing.revision >= user.revision
        assert store.standing("u1", "b2").memory == Memory()

    def test_whatever_makes_a_memory_stale_is_told_by_one_revision(self, store):
        store.append_many([event("u1", "a", 10, "e1"), event("u1", "b", 20, "e2")])
        store.append_many([event("u1", "b", 30, "e3"), event("u1", "b", 40, "e4")])
        for act in [
            lambda: store.put_user("u1", {"age": 31}),
            lambda: store.delete_event("u1", "e1"),
            lambda: store.mark_item_known("b"),
            lambda: store.retain(since_ms=25),
            lambda: store.retain(num_newest=1),
            lambda: store.patch_user("u1", {"age": None}),
        ]:
            standing = store.standing("u1", "b1")
            assert not standing.is_current()
            folded = replace(
                standing.memory,
                num_events=standing.num_events,
                applied_through=standing.last_sequence,
                fold_revision=standing.fold_revision(),
            )
            store.put_memory("u1", "b1", folded)
            assert store.standing("u1", "b1").is_current()
            act()
        assert not store.standing("u1", "b1").is_current()

    def test_attributes_count_only_where_they_are_read(self, store):
        store.append(event("u1", "a", 10, "e1"))
        standing = store.standing("u1", "b1")
        store.put_memory(
            "u1", "b1", Memory(b"s", num_events=1, applied_through=standing.last_sequence)
        )
        store.put_user("u1", {"age": 31})
        standing = store.standing("u1", "b1")
        assert standing.is_current(reads_attributes=False)
        assert not standing.is_current(reads_attributes=True)

    def test_attributes_are_patched(self, store):
        store.put_user("u1", {"age": 31, "job": "baker"})
        first = store.patch_user("u1", {"job": "pilot", "city": "Ulm"})
        assert first.attributes == {"age": 31, "job": "pilot", "city": "Ulm"}
        second = store.patch_user("u1", {"age": None})
        assert second.attributes == {"job": "pilot", "city": "Ulm"}
        assert second.revision > first.revision
        assert store.patch_user("u1", {"city": "Ulm"}) == second
        assert store.patch_user("u2", {"age": 3}).attributes == {"age": 3}

    def test_users_with_attributes_are_gone_through(self, store):
        store.append(event("u0", "a", 1, "e"))
        for number in (3, 1, 2):
            store.put_user(f"u{number}", {"age": number})
        found = {user_id: user.attributes for user_id, user in store.users()}
        assert found == {"u1": {"age": 1}, "u2": {"age": 2}, "u3": {"age": 3}}

    def test_all_memories_of_a_user_are_told_by_bundle(self, store):
        one = store.put_memory("u1", "b1", Memory(b"one"))
        two = store.put_memory("u1", "b2", Memory(b"two"))
        store.put_memory("u2", "b1", Memory(b"three"))
        assert store.memories_of("u1") == {"b1": one, "b2": two}
        assert store.memories_of("nobody") == {}

    def test_the_latest_snapshot_before_a_time_is_found_and_later_ones_are_gone(self, store):
        store.append(event("u1", "a", 1, "e"))
        for number, time_ms in [(1, 10), (2, 20), (3, 30)]:
            memory = Memory(bytes([number]), b"s", number, time_ms, 100 + number, 7, 11, 13)
            store.put_snapshot("u1", "b1", memory)
        found = store.snapshot_before("u1", "b1", 25)
        assert (found.memory.state, found.memory.last_time_ms) == (b"\x02", 20)
        assert (found.memory.applied_through, found.memory.fold_revision) == (102, 11)
        assert found.memory.items_revision == 13
        assert store.snapshot_before("u1", "b1", 99).memory.state == b"\x02"
        assert store.snapshot_before("u1", "b2", 99) is None
        assert store.snapshot_before("u1", "b1", 20).memory.state == b"\x02"
        assert store.snapshot_before("u1", "b1", 9) is None
        assert store.stats().num_snapshots == 0

    def test_so_many_snapshots_are_kept_at_the_latest_places(self, store):
        store.append(event("u1", "a", 1, "e"))
        for number, time_ms in [(1, 30), (2, 10), (3, 20), (4, 40)]:
            memory = Memory(bytes([number]), b"", number, time_ms, number)
            store.put_snapshot("u1", "b1", memory, keep=3)
        stats = store.stats()
        assert (stats.num_snapshots, stats.snapshot_bytes) == (3, 3)
        assert store.snapshot_before("u1", "b1", 15) is None

    @pytest.mark.parametrize("end", ["forget", "drop", "delete", "cut"])
    def test_snapshots_end_with_what_they_hold(self, store, end):
        store.append(event("u1", "a", 1, "e"))
        store.put_snapshot("u1", "b1", Memory(b"s", b"", 1, 1, 1))
        acts = {
            "forget": lambda: store.forget("u1", 5).num_snapshots == 1,
            "drop": lambda: store.drop_memories("b1") == 0,
            "delete": lambda: store.delete_event("u1", "e"),
            "cut": lambda: store.retain(since_ms=2).num_events == 1,
        }
        assert acts[end]()
        assert store.stats().num_snapshots == 0

    def test_a_snapshot_of_somebody_forgotten_meanwhile_is_not_kept(self, store):
        store.append(event("u1", "a", 1, "e"))
        store.forget("u1", 5)
        store.put_snapshot("u1", "b1", Memory(b"s", b"", 1, 1, 1))
        assert store.stats().num_snapshots == 0

    def test_an_event_tells_the_revision_of_its_item(self, store):
        store.append(event("u1", "a", 1, "e1"))
        first = store.put_item("a", {"title": "A"})
        store.append(event("u1", "a", 2, "e2"))
        second = store.put_item("a", {"title": "A!"})
        store.append(event("u1", "a", 3, "e3"))
        found = [each.item_revision for each in store.events("u1")]
        assert found == [0, first.revision, second.revision]

    def test_vectors_are_kept_by_revision_so_that_a_fold_can_be_repeated(self, store):
        assert store.put_item_vectors("b1", [ItemVector("a", 3, b"old"), ItemVector("b", 4, b"b")])
        assert store.vectors_replaced("b1") == 0
        new = store.put_item_vectors("b1", [ItemVector("a", 9, b"new"), ItemVector("c", 9, b"c")])
        assert new == {"c"}
        assert store.vectors_replaced("b1") > 0
        assert store.item_vector("b1", "a").vector == b"new"
        assert store.item_vector("b1", "a", at_revision=8) == ItemVector("a", 3, b"old")
        assert store.item_vector("b1", "a", at_revision=2) is None
        assert store.item_vector("b2", "a") is None
        newest = {each.item_id: each.vector for each in store.item_vectors("b1")}
        assert newest == {"a": b"new", "b": b"b", "c": b"c"}
        assert list(store.item_vectors("b2")) == []

    def test_the_same_vector_put_twice_replaces_none(self, store):
        store.put_item_vectors("b1", [ItemVector("a", 3, b"x")])
        assert store.put_item_vectors("b1", [ItemVector("a", 3, b"x")]) == set()
        assert store.vectors_replaced("b1") == 0

    def test_vectors_go_with_the_memories_of_their_bundle(self, store):
        for bundle_id in ("b1", "b2"):
            store.put_item_vectors(bundle_id, [ItemVector("a", 3, b"x")])
        store.drop_memories("b1")
        assert store.item_vector("b1", "a") is None
        assert store.item_vector("b2", "a").vector == b"x"
        assert store.stats().num_item_vectors == 1
