"""What every store does with logs: pages, deleted events, cuts, streams, offsets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penchant.stores import LoggedEvent, Memory, Outcome


def event(user_id: str, item_id: str, time_ms: int, event_id: str, **more) -> LoggedEvent:
    return LoggedEvent(user_id, item_id, time_ms, event_id, **more)


def times(events) -> list[int]:
    return [each.time_ms for each in events]


class LogContract:
    """Tests on logs of users."""

    def test_a_batch_is_appended_as_one_after_the_other(self, store):
        store.append(event("u1", "a", 5, "old"))
        given = [
            event("u1", "a", 40, "e1"),
            event("u2", "b", 10, "e2"),
            event("u1", "a", 5, "old"),
            event("u1", "c", 20, "e3"),
            event("u1", "a", 40, "e1"),
            event("u2", "other", 10, "e1"),
        ]
        appended = store.append_many(given)
        kinds = [outcome.value for outcome, _ in appended]
        taken, again, other = "accepted", "duplicate", "event_id_conflict"
        assert kinds == [taken, taken, again, taken, again, other]
        assert appended[4][1] == appended[0][1] == appended[5][1]
        assert times(store.events("u1")) == [5, 20, 40]
        sequences = [kept.sequence for _, kept in appended]
        assert sequences[0] < sequences[1] < sequences[3]
        assert store.append_many([]) == []

    def test_a_thousand_events_come_back_each_in_its_log(self, store):
        given = [
            event(f"u{i * i % 37}", f"i{i % 11}", 1_000 - i, f"e{i}", value=i / 3)
            for i in range(1_000)
        ]
        appended = store.append_many(given)
        assert {outcome for outcome, _ in appended} == {Outcome.ACCEPTED}
        kept = {
            each.event_id: each
            for user in {e.user_id for e in given}
            for each in store.events(user)
        }
        assert [replace(kept[each.event_id], sequence=0) for each in given] == given
        again = store.append_many(given)
        assert {outcome for outcome, _ in again} == {Outcome.DUPLICATE}

    def test_a_log_is_read_in_pages(self, store):
        for place, time_ms in enumerate([30, 10, 20, 20, 40, 20]):
            store.append(event("u1", f"i{place}", time_ms, f"e{place}"))
        pages, after = [], None
        while page := store.events("u1", after=after, limit=2):
            pages.append([each.item_id for each in page])
            after = page[-1].place
        assert pages == [["i1", "i2"], ["i3", "i5"], ["i0", "i4"]]
        assert [each.item_id for each in store.events("u1", through_ms=20, limit=2)] == ["i1", "i2"]

    def test_a_deleted_event_is_gone_and_its_repeat_stays_out(self, store):
        given = [event("u1", "a", 10, "e1", request_id="r1"), event("u1", "b", 20, "e2")]
        store.append_many(given)
        before = store.standing("u1", "b1")
        assert store.delete_event("u1", "e1")
        assert [each.item_id for each in store.events("u1")] == ["b"]
        assert not store.delete_event("u1", "e1")
        assert not store.delete_event("u2", "e2")
        assert not store.delete_event("u1", "never")
        assert [outcome for outcome, _ in store.append_many(given)] == [
            Outcome.DELETED,
            Outcome.DUPLICATE,
        ]
        after = store.standing("u1", "b1")
        assert after.log_revision > before.log_revision
        assert (after.num_events, store.stats().num_events) == (1, 1)
        assert store.impression("r1").events == ()
        assert list(store.users_of_item("a")) == []
        assert store.history_complete("u1")

    def test_ids_of_deleted_events_are_forgotten_with_the_user(self, store):
        store.append_many([event("u1", "a", 10, "e1"), event("u1", "b", 20, "e2")])
        store.delete_event("u1", "e1")
        receipt = store.forget("u1", now_ms=15)
        assert (receipt.num_events, receipt.num_event_ids, receipt.through_ms) == (1, 2, 20)
        assert store.append(event("u1", "c", 21, "e1"))[0] is Outcome.ACCEPTED

    def test_users_with_events_are_gone_through(self, store):
        names = [f"u{i}" for i in (5, 3, 1_000)] + [f"x{i}" for i in range(700)]
        store.append_many([event(name, "a", 7, f"e-{name}") for name in names])
        store.put_user("no events", {"age": 3})
        store.delete_event("u3", "e-u3")
        names.remove("u3")
        assert list(store.user_ids()) == names

    def test_the_whole_log_is_gone_through_user_by_user(self, store):
        places = [("u2", 30), ("u1", 10), ("u2", 5), ("u3", 1), ("u1", 20)]
        for number, (user_id, time_ms) in enumerate(places):
            store.append(event(user_id, "a", time_ms, f"e{number}"))
        store.delete_event("u3", "e3")
        pieces = list(store.all_events(batch_size=2))
        assert all(len(piece) <= 2 for piece in pieces)
        found = [(each.user_id, each.time_ms) for piece in pieces for each in piece]
        assert found == [("u2", 30), ("u2", 5), ("u1", 10), ("u1", 20)]

    def test_an_item_that_becomes_known_marks_exactly_the_users_who_have_it(self, store):
        for number, (user_id, item_id) in enumerate(
            [("u1", "new"), ("u2", "old"), ("u3", "new"), ("u1", "new"), ("u2", "old")]
        ):
            store.append(event(user_id, item_id, number, f"e{number}"))
        before = {user: store.standing(user, "b").log_revision for user in ("u1", "u2", "u3", "u4")}
        assert sorted(store.users_of_item("new")) == ["u1", "u3"]
        assert store.mark_item_known("new") == 2
        after = {user: store.standing(user, "b").log_revision for user in before}
        assert [user for user in before if after[user] > before[user]] == ["u1", "u3"]
        assert store.mark_item_known("never") == 0

    def test_an_offset_is_kept_with_the_events_or_not_at_all(self, store):
        assert store.get_offset("events.csv") is None
        with store.transaction():
            store.append(event("u1", "a", 1, "e1"))
            store.put_offset("events.csv", "12")

        def read_and_fail():
            with store.transaction():
                store.append(event("u1", "a", 2, "e2"))
                store.put_offset("events.csv", "24")
                raise RuntimeError("planted")

        with pytest.raises(RuntimeError, match="planted"):
            read_and_fail()
        assert store.get_offset("events.csv") == "12"
        store.put_offset("events.csv", "36")
        assert store.get_offset("events.csv") == "36"
        assert len(store.events("u1")) == 1

    def test_logs_are_cut_by_age(self, store):
        for user_id, time_ms in [("u1", 10), ("u1", 20), ("u1", 30), ("u2", 25), ("u3", 5)]:
            store.append(event(user_id, "a", time_ms, f"{user_id}{time_ms}"))
        before = store.standing("u1", "b")
        receipt = store.retain(since_ms=25)
        assert (receipt.num_users, receipt.num_events) == (2, 3)
        assert [times(store.events(user)) for user in ("u1", "u2", "u3")] == [[30], [25], []]
        assert [store.history_complete(user) for user in ("u1", "u2", "u3")] == [False, True, False]
        assert store.standing("u1", "b").log_revision > before.log_revision
        assert store.stats().num_events == 2
        assert store.retain(since_ms=25).num_events == 0

    def test_logs_are_cut_to_the_newest(self, store):
        for place, time_ms in enumerate([30, 10, 20, 20, 40]):
            store.append(event("u1", f"i{place}", time_ms, f"e{place}"))
        store.append(event("u2", "x", 1, "x"))
        assert store.retain(num_newest=3).num_events == 2
        assert [each.item_id for each in store.events("u1")] == ["i3", "i0", "i4"]
        assert store.history_complete("u2")

    def test_events_from_before_a_cut_stay_out_and_kept_ones_are_repeats(self, store):
        given = [event("u1", "a", time, f"e{time}") for time in (10, 20, 30)]
        store.append_many(given)
        store.retain(since_ms=25)
        outcomes = [outcome for outcome, _ in store.append_many(given)]
        assert outcomes == [Outcome.EXPIRED, Outcome.EXPIRED, Outcome.DUPLICATE]
        assert store.append(event("u1", "late", 21, "new"))[0] is Outcome.ACCEPTED

    def test_everything_that_is_kept_of_a_user_is_exported(self, store):
        store.append(event("u1", "a", 10, "e1", value=2.5, request_id="r"))
        store.put_memory("u1", "b1", Memory(b"\x00\xff", b"\x01", 1, 10, 1))
        store.put_user("u1", {"age": 31})
        store.append(event("u2", "a", 10, "e2"))
        export = store.export_user("u1")
        assert export["user_id"] == "u1"
        assert export["attributes"] == {"age": 31}
        [exported] = export["events"]
        assert (exported["event_id"], exported["value"]) == ("e1", 2.5)
        assert export["memories"]["b1"]["state"] == "AP8="
        assert export["history_complete"] is True
        assert store.export_user("nobody")["events"] == []
