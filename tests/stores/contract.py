"""The contract of a store, written once: a member inherits these tests and gives `make_store`.

A durable store adds what only it can show: that an acknowledged event survives a kill.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from penchant.errors import StaleMemoryError
from penchant.stores import Memory, Outcome, Store, StoredUser, StoreStats

from .contract_catalogue import CatalogueContract
from .contract_folding import FoldingContract
from .contract_logs import LogContract, event
from .contract_operations import OperationsContract
from .contract_sequences import SequenceContract


def counts(store: Store) -> StoreStats:
    return replace(store.stats(), disk_bytes=0, process_bytes=0)


class StoreContract(
    LogContract, FoldingContract, CatalogueContract, OperationsContract, SequenceContract
):
    """Tests that every store passes: those here, and those on each part of the contract."""

    def make_store(self, tmp_path) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path):
        with self.make_store(tmp_path) as store:
            yield store

    def test_events_are_read_in_order_of_time_then_of_arrival(self, store):
        for item_id, time_ms in [
            ("late", 30),
            ("tied first", 20),
            ("tied second", 20),
            ("early", 5),
        ]:
            store.append(event("u1", item_id, time_ms, item_id))
        store.append(event("u2", "other", 1, "other"))
        read = [kept.item_id for kept in store.events("u1")]
        assert read == ["early", "tied first", "tied second", "late"]

    def test_an_event_comes_back_as_it_went_in(self, store):
        given = event(
            "ü/1", "item, 1", 1_500_000_000_123, "e", event_type="buy", value=2.5, session_id="s"
        )
        outcome, kept = store.append(given)
        assert outcome is Outcome.ACCEPTED
        assert kept == replace(given, sequence=kept.sequence)
        assert list(store.events("ü/1")) == [kept]

    def test_sequences_rise_over_all_users(self, store):
        kept = [store.append(event(f"u{i % 2}", "a", 10 - i, f"e{i}"))[1] for i in range(5)]
        sequences = [one.sequence for one in kept]
        assert sequences == sorted(set(sequences))
        assert sequences[0] > 0

    def test_events_can_be_read_from_a_sequence_and_up_to_a_time(self, store):
        kept = [store.append(event("u1", "a", time, f"e{time}"))[1] for time in (10, 30, 20)]
        assert [one.time_ms for one in store.events("u1", after_sequence=kept[0].sequence)] == [
            20,
            30,
        ]
        assert [one.time_ms for one in store.events("u1", through_ms=20)] == [10, 20]

    def test_a_repeated_event_id_is_acknowledged_and_kept_once(self, store):
        first = store.append(event("u1", "a", 10, "e1"))[1]
        assert store.append(event("u1", "a", 10, "e1")) == (Outcome.DUPLICATE, first)
        assert len(store.events("u1")) == 1

    def test_an_event_id_is_unique_in_the_whole_store(self, store):
        first = store.append(event("u1", "a", 10, "e1"))[1]
        for other in [
            event("u2", "a", 10, "e1"),
            event("u1", "b", 10, "e1"),
            event("u1", "a", 11, "e1"),
        ]:
            assert store.append(other) == (Outcome.CONFLICT, first)
        assert store.stats().num_events == 1

    def test_a_retry_may_arrive_later_when_the_event_had_no_time(self, store):
        store.append(event("u1", "a", 10, "e1", arrival_time=True))
        outcome, kept = store.append(event("u1", "a", 99, "e1", arrival_time=True))
        assert (outcome, kept.time_ms) == (Outcome.DUPLICATE, 10)

    def test_a_user_without_memory_has_an_empty_one(self, store):
        assert store.get_memory("u1", "b1") == Memory()

    def test_what_was_put_comes_back_bit_for_bit(self, store):
        given = Memory(bytes(range(256)), b"\x00\xff\x00", 3, -5, 7, 0, 11, 13)
        renewed = store.put_memory("u1", "b1", given)
        assert renewed == replace(given, revision=renewed.revision)
        assert store.get_memory("u1", "b1") == renewed
        assert store.get_memory("u1", "b2") == Memory()

    def test_a_stale_put_is_refused(self, store):
        first = store.put_memory("u1", "b1", Memory(b"one"))
        second = store.put_memory("u1", "b1", replace(first, state=b"two"))
        assert second.revision > first.revision
        with pytest.raises(
            StaleMemoryError,
            match=rf"newest revision \({second.revision}\).* carries {first.revision}",
        ):
            store.put_memory("u1", "b1", replace(first, state=b"three"))
        assert store.get_memory("u1", "b1").state == b"two"

    def test_forgetting_counts_what_it_deletes(self, store):
        for item_id, time_ms in [("a", 10), ("b", 40), ("c", 20)]:
            store.append(event("u1", item_id, time_ms, item_id))
        store.append(event("u2", "a", 10, "other"))
        store.put_memory("u1", "b1", Memory(b"one"))
        store.put_memory("u1", "b2", Memory(b"two"))
        store.put_user("u1", {"age": 31, "job": "baker"})
        store.put_user("u2", {"age": 17})
        receipt = store.forget("u1", now_ms=30)
        found = (
            receipt.num_events,
            receipt.num_event_ids,
            receipt.num_memories,
            receipt.through_ms,
            receipt.num_attributes,
        )
        assert found == (3, 3, 2, 40, 2)
        assert store.get_user("u1") == StoredUser()
        assert store.get_user("u2").attributes == {"age": 17}
        assert list(store.events("u1")) == []
        assert len(store.events("u2")) == 1
        stats = store.stats()
        assert (stats.num_users, stats.num_events, stats.num_memories) == (1, 1, 0)
        assert stats.num_tombstones == 1

    def test_replayed_events_of_a_forgotten_user_stay_out(self, store):
        given = [event("u1", "a", time, f"e{time}") for time in (10, 40)]
        for one in given:
            store.append(one)
        store.forget("u1", now_ms=30)
        assert [store.append(one)[0] for one in given] == [Outcome.FORGOTTEN] * 2
        assert store.append(event("u1", "a", 41, "e41"))[0] is Outcome.ACCEPTED
        assert [kept.time_ms for kept in store.events("u1")] == [41]

    def test_forgetting_again_never_opens_the_door_to_older_events(self, store):
        store.forget("u1", now_ms=100)
        assert store.forget("u1", now_ms=50).through_ms == 100
        assert store.append(event("u1", "a", 70, "e"))[0] is Outcome.FORGOTTEN

    def test_a_memory_made_before_forgetting_cannot_be_put_after_it(self, store):
        kept = store.put_memory("u1", "b1", Memory(b"one"))
        blank = store.get_memory("u2", "b1")
        store.forget("u1", now_ms=1)
        store.forget("u2", now_ms=1)
        for user_id, made_before in [("u1", kept), ("u2", blank)]:
            with pytest.raises(StaleMemoryError):
                store.put_memory(user_id, "b1", made_before)
        assert store.get_memory("u1", "b1").revision > kept.revision
        assert store.get_memory("u1", "b1").state == b""

    def test_a_transaction_that_raises_leaves_nothing(self, store):
        store.append(event("u1", "a", 10, "e1"))
        memory = store.put_memory("u1", "b1", Memory(b"one"))
        store.put_item("a", {"title": "A"})
        user = store.put_user("u1", {"age": 31})
        before = (counts(store), list(store.events("u1")))

        def write_and_fail():
            with store.transaction():
                store.append(event("u1", "b", 5, "e2"))
                store.append(event("u3", "b", 5, "e3"))
                store.put_memory("u1", "b1", replace(memory, state=b"two"))
                store.put_memory("u3", "b1", Memory(b"new"))
                store.put_item("a", {"title": "B"})
                store.put_item("b", {})
                store.put_user("u1", {"age": 32})
                store.put_user("u3", {})
                store.forget("u1", now_ms=50)
                store.drop_memories("b1")
                raise RuntimeError("planted")

        with pytest.raises(RuntimeError, match="planted"):
            write_and_fail()
        assert (counts(store), list(store.events("u1"))) == before
        assert store.get_memory("u1", "b1") == memory
        assert store.get_item("a").attributes == {"title": "A"}
        assert (store.get_user("u1"), store.get_user("u3")) == (user, StoredUser())
        assert store.append(event("u3", "b", 5, "e3"))[0] is Outcome.ACCEPTED

    def test_a_transaction_that_ends_well_keeps_everything(self, store):
        with store.transaction(), store.transaction():
            store.append(event("u1", "a", 10, "e1"))
            store.put_memory("u1", "b1", Memory(b"one"))
        assert len(store.events("u1")) == 1
        assert store.get_memory("u1", "b1").state == b"one"

    def test_two_writers_lose_no_event_and_no_put(self, store):
        def write(name: str) -> None:
            for i in range(100):
                store.append(event("u1", "a", i, f"{name}{i}"))
                with store.transaction():
                    memory = store.get_memory("u1", "b1")
                    store.put_memory("u1", "b1", replace(memory, num_events=memory.num_events + 1))

        writers = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        kept = store.events("u1")
        assert len({one.sequence for one in kept}) == len(kept) == 3 * 100
        assert store.get_memory("u1", "b1").num_events == 3 * 100

    def test_memories_of_one_bundle_can_be_dropped(self, store):
        for user_id, bundle_id in [("u1", "old"), ("u1", "new"), ("u2", "old")]:
            store.put_memory(user_id, bundle_id, Memory(b"x"))
        assert store.drop_memories("old") == 2
        assert store.stats().num_memories == 1
        assert store.get_memory("u1", "new").state == b"x"

    def test_items_are_kept_with_their_attributes(self, store):
        assert store.get_item("a") is None
        store.put_item("a", {"title": "A", "year": 1997})
        store.put_item("a", {"title": "A!"})
        assert store.get_item("a").attributes == {"title": "A!"}

    def test_users_are_kept_with_their_attributes_and_the_revision_tells_a_change(self, store):
        assert store.get_user("u1") == StoredUser({}, 0)
        first = store.put_user("u1", {"age": 31, "langs": ["de", "en"], "job": None})
        assert store.get_user("u1") == first
        assert first.attributes == {"age": 31, "langs": ["de", "en"], "job": None}
        assert store.put_user("u1", dict(first.attributes)) == first
        second = store.put_user("u1", {"age": 32})
        assert second.revision > first.revision > 0
        assert store.get_user("u1") == StoredUser({"age": 32}, second.revision)
        assert store.get_user("u2") == StoredUser()

    def test_a_revision_of_attributes_is_not_used_again_after_forgetting(self, store):
        before = store.put_user("u1", {"age": 31})
        store.forget("u1", now_ms=5)
        assert store.put_user("u1", {"age": 31}).revision > before.revision

    def test_what_is_done_to_attributes_outside_does_not_reach_the_store(self, store):
        given = {"langs": ["de"]}
        store.put_user("u1", given)
        given["langs"].append("en")
        store.get_user("u1").attributes["langs"].append("fr")
        assert store.get_user("u1").attributes == {"langs": ["de"]}

    def test_items_are_listed_in_the_order_in_which_they_first_came(self, store):
        for item_id, title in [("b", "B"), ("a", "A"), ("c", "C"), ("a", "A!")]:
            store.put_item(item_id, {"title": title})
        listed = [("b", {"title": "B"}), ("a", {"title": "A!"}), ("c", {"title": "C"})]
        assert [(item.item_id, item.attributes) for item in store.items()] == listed

    def test_the_log_is_whole_where_nothing_was_cut(self, store):
        store.append(event("u1", "a", 10, "e1"))
        assert store.history_complete("u1")

    def test_stats_count_bytes_of_memories(self, store):
        store.put_memory("u1", "b1", Memory(b"12345", b"67"))
        stats = store.stats()
        assert (stats.num_users, stats.num_events, stats.num_memories) == (0, 0, 1)
        assert stats.memory_bytes == 5 + 2
        assert stats.num_profiles == 0
        store.put_user("u1", {"age": 31})
        assert store.stats().num_profiles == 1
        assert stats.disk_bytes + stats.process_bytes > 0

    def test_closing_twice_is_harmless(self, store):
        store.close()
        store.close()
