"""What every store does for a service: impressions, documents, audit, counters."""

from __future__ import annotations

import pytest

from penchant.errors import StaleDocumentError
from penchant.stores import ServedItem, ServedList, ShownList

from .contract_logs import event


def served(request_id: str, user_id: str | None, time_ms: int, *items: str) -> ServedList:
    slots = tuple(
        ServedItem(item, 1.5 - place, "explore" if place else "rank", 0.25 if place else 1.0)
        for place, item in enumerate(items)
    )
    return ServedList(request_id, user_id, slots, "b1", time_ms)


class OperationsContract:
    """Tests on what runs a service."""

    def test_what_was_served_shown_and_done_comes_together_by_request(self, store):
        lists = [served("r1", "u1", 10, "a", "b", "c"), served("r2", "u1", 20, "d")]
        assert store.put_served(lists) == 2
        shown = ShownList("r1", "u1", (("a", 1), ("b", 4)), 12)
        assert store.put_shown([shown]) == 1
        store.append_many(
            [
                event("u1", "b", 15, "e1", request_id="r1"),
                event("u1", "x", 14, "e2", request_id="r1"),
                event("u1", "d", 16, "e3"),
            ]
        )
        found = store.impression("r1")
        assert (found.served, found.shown) == (lists[0], (shown,))
        assert [each.event_id for each in found.events] == ["e2", "e1"]
        assert found.to_dict()["served"]["items"][1]["probability"] == 0.25
        assert store.impression("never").served is None
        assert [each.request_id for each in store.impressions()] == ["r1", "r2"]
        assert [each.request_id for each in store.impressions(since_ms=15)] == ["r2"]

    def test_what_was_shown_counts_once_however_often_it_is_told(self, store):
        shown = ShownList("r1", "u1", (("a", 1),), 12)
        more = ShownList("r1", "u1", (("b", 2),), 13)
        assert store.put_shown([shown, shown]) == 1
        assert store.put_shown([shown, more]) == 1
        assert store.impression("r1").shown == (shown, more)

    def test_lists_of_a_user_are_told_in_order_of_time(self, store):
        lists = [served("r1", "u1", 30, "a"), served("r2", "u2", 5, "b"), served("r3", "u1", 10)]
        store.put_served(lists)
        store.put_shown([ShownList("r1", "u1", (("a", 1),), 31)])
        assert [each.request_id for each in store.served_to("u1")] == ["r3", "r1"]
        assert [each.request_id for each in store.served_to("u1", since_ms=20)] == ["r1"]
        assert [each.time_ms for each in store.shown_to("u1")] == [31]
        assert store.served_to("nobody") == []

    def test_lists_of_somebody_unknown_are_kept(self, store):
        one = served("r1", None, 10, "a", "b")
        store.put_served([one])
        assert store.impression("r1").served == one
        assert store.stats().num_impressions == 1

    def test_impressions_are_forgotten_with_their_user_and_stay_out(self, store):
        lists = [served("r1", "u1", 10, "a"), served("r2", "u2", 10, "a")]
        store.put_served(lists)
        store.put_shown([ShownList("r1", "u1", (("a", 1),), 12)])
        receipt = store.forget("u1", now_ms=20)
        assert receipt.num_impressions == 2
        assert store.impression("r1").served is None
        assert store.put_served(lists[:1]) == 0
        store.forget("u9", now_ms=20)
        assert store.put_served([served("r9", "u9", 20, "a")]) == 0
        assert store.put_served([served("r9", "u9", 21, "a")]) == 1
        assert store.stats().num_impressions == 2

    def test_impressions_are_exported_and_cut_by_age(self, store):
        store.put_served([served("r1", "u1", 10, "a"), served("r2", "u1", 20, "b")])
        assert [each["request_id"] for each in store.export_user("u1")["served"]] == ["r1", "r2"]
        assert store.retain(since_ms=15).num_impressions == 1
        assert [each.request_id for each in store.served_to("u1")] == ["r2"]

    def test_a_document_is_changed_from_its_newest_revision_alone(self, store):
        assert store.get_document("policies").revision == 0
        first = store.put_document("policies", {"cap": 3}, revision=0, who="ann", time_ms=5)
        assert store.get_document("policies") == first
        second = store.put_document(
            "policies", {"cap": 4}, revision=first.revision, who="bob", time_ms=6
        )
        with pytest.raises(
            StaleDocumentError,
            match=rf'"policies" .*newest revision \({second.revision}\).* from {first.revision}',
        ):
            store.put_document("policies", {}, revision=first.revision, who="eve", time_ms=7)
        assert store.get_document("policies").content == {"cap": 4}
        assert store.get_document("model").content is None
        told = [(entry.who, entry.before, entry.after) for entry in store.audit_log()]
        assert told == [("bob", {"cap": 3}, {"cap": 4}), ("ann", None, {"cap": 3})]

    def test_the_audit_log_is_read_from_the_newest_in_pages(self, store):
        for number in range(5):
            store.add_audit("ann", f"act {number}", 100 + number, after=[number])
        first = store.audit_log(limit=2)
        assert [entry.what for entry in first] == ["act 4", "act 3"]
        rest = store.audit_log(before=first[-1].number)
        assert [(entry.what, entry.time_ms) for entry in rest] == [
            ("act 2", 102),
            ("act 1", 101),
            ("act 0", 100),
        ]

    def test_an_entry_is_written_with_what_it_tells_or_not_at_all(self, store):
        def put_and_fail():
            with store.transaction():
                store.put_document("policies", {"cap": 3}, revision=0, who="ann", time_ms=5)
                raise RuntimeError("planted")

        with pytest.raises(RuntimeError, match="planted"):
            put_and_fail()
        assert store.audit_log() == []
        assert store.get_document("policies").revision == 0
        assert store.changes() == {}

    def test_one_read_tells_what_kind_of_thing_changed(self, store):
        store.put_document("policies", 1, revision=0, who="ann", time_ms=5)
        before = store.changes()
        model = store.put_document("model", "b7", revision=0, who="ann", time_ms=5)
        after = store.changes()
        assert {kind for kind in after if after[kind] != before.get(kind)} == {"model"}
        assert after["model"] == model.revision
        store.append(event("u1", "a", 1, "e1"))
        assert store.changes() == after

    def test_a_digest_stands_for_a_user(self, store):
        assert store.blind("zoe") == store.blind("zoe") != store.blind("ann")
        assert "zoe" not in store.blind("zoe")

    def test_a_reading_sees_one_moment(self, store):
        store.put_item("a", {"price": 1})
        with store.reading():
            before = store.get_item("a")
            with store.reading():
                assert store.get_item("a") == before
