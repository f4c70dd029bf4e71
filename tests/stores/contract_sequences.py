"""Any sequence of acts leaves in a store what it leaves in a few dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penchant.stores import LoggedEvent, Memory, Outcome, Store

USERS = ("u1", "ü/2", "u3")
small = st.integers(0, 12)
users = st.sampled_from(USERS)
acts = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.lists(st.tuples(users, small, small, st.booleans()), min_size=1, max_size=6),
        ),
        st.tuples(st.just("delete"), users, small),
        st.tuples(st.just("forget"), users, small),
        st.tuples(st.just("cut"), small),
        st.tuples(st.just("keep"), st.integers(1, 4)),
        st.tuples(st.just("fold"), users),
        st.tuples(st.just("fail"), users, small),
        st.tuples(st.just("tell"), users, small),
    ),
    max_size=25,
)


@dataclass
class Expected:
    """The contract, in dictionaries: what is kept of each user, and what stays out."""

    logs: dict[str, list[LoggedEvent]] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def outcome(self, event: LoggedEvent) -> Outcome:
        for log in self.logs.values():
            for kept in log:
                if kept.event_id == event.event_id:
                    same = kept.same_content(event)
                    return Outcome.DUPLICATE if same else Outcome.CONFLICT
        if event.event_id in self.deleted:
            return Outcome.DELETED
        if event.time_ms <= self.forgotten.get(event.user_id, -1):
            return Outcome.FORGOTTEN
        if event.time_ms <= self.cut.get(event.user_id, -1):
            return Outcome.EXPIRED
        return Outcome.ACCEPTED

    def cut_log(self, user_id: str, kept: list[LoggedEvent]) -> None:
        log = self.logs[user_id]
        if len(kept) < len(log):
            gone = [event for event in log if event not in kept]
            last = max(gone, key=lambda event: event.place)
            self.cut[user_id] = max(self.cut.get(user_id, -1), last.time_ms)
            self.deleted = {
                event_id: owner
                for event_id, owner in self.deleted.items()
                if owner != user_id or self.place_of[event_id] > last.place
            }
            self.logs[user_id] = kept

    place_of: dict[str, tuple[int, int]] = field(default_factory=dict)


class SequenceContract:
    """A test that makes up what is done."""

    @given(acts)
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    def test_any_sequence_of_acts_leaves_what_it_must(self, tmp_path_factory, done):
        with self.make_store(tmp_path_factory.mktemp("store")) as store:
            expected = Expected()
            for act in done:
                getattr(self, f"_{act[0]}")(store, expected, *act[1:])
                self._agree(store, expected)

    def _append(self, store: Store, expected: Expected, given_events) -> None:
        events = [
            LoggedEvent(user, f"i{time % 3}", time, f"e{number}", value=float(odd))
            for user, time, number, odd in given_events
        ]
        for event, (outcome, kept) in zip(events, store.append_many(events), strict=True):
            assert outcome is expected.outcome(event)
            if outcome is Outcome.ACCEPTED:
                assert kept == replace(event, sequence=kept.sequence)
                expected.logs.setdefault(event.user_id, []).append(kept)
                expected.place_of[event.event_id] = kept.place

    def _delete(self, store: Store, expected: Expected, user_id: str, number: int) -> None:
        log = expected.logs.get(user_id, [])
        found = [event for event in log if event.event_id == f"e{number}"]
        assert store.delete_event(user_id, f"e{number}") == bool(found)
        for event in found:
            log.remove(event)
            expected.deleted[event.event_id] = user_id

    def _forget(self, store: Store, expected: Expected, user_id: str, now_ms: int) -> None:
        log = expected.logs.pop(user_id, [])
        owned = [event_id for event_id, owner in expected.deleted.items() if owner == user_id]
        receipt = store.forget(user_id, now_ms)
        assert receipt.num_events == len(log)
        assert receipt.num_event_ids == len(log) + len(owned)
        deleted_ms = [expected.place_of[event_id][0] for event_id in owned]
        known = [now_ms, *(event.time_ms for event in log), *deleted_ms]
        through_ms = max([*known, expected.forgotten.get(user_id, 0)])
        assert receipt.through_ms == through_ms
        expected.forgotten[user_id] = through_ms
        expected.cut.pop(user_id, None)
        expected.told.pop(user_id, None)
        for event_id in owned:
            del expected.deleted[event_id]

    def _cut(self, store: Store, expected: Expected, since_ms: int) -> None:
        store.retain(since_ms=since_ms)
        for user_id, log in expected.logs.items():
            expected.cut_log(user_id, [event for event in log if event.time_ms >= since_ms])

    def _keep(self, store: Store, expected: Expected, num_newest: int) -> None:
        store.retain(num_newest=num_newest)
        for user_id, log in expected.logs.items():
            order = sorted(log, key=lambda event: event.place)[-num_newest:]
            expected.cut_log(user_id, [event for event in log if event in order])

    def _fold(self, store: Store, expected: Expected, user_id: str) -> None:
        with store.transaction(user_id):
            standing = store.standing(user_id, "b")
            folded = repr([event.place for event in store.events(user_id)]).encode()
            put = Memory(
                folded,
                num_events=standing.num_events,
                applied_through=standing.last_sequence,
                revision=standing.memory.revision,
                fold_revision=standing.fold_revision(),
            )
            store.put_memory(user_id, "b", put)

    def _fail(self, store: Store, expected: Expected, user_id: str, time_ms: int) -> None:
        try:
            with store.transaction(user_id):
                store.append(LoggedEvent(user_id, "never", time_ms + 50, "never"))
                store.forget(user_id, time_ms)
                raise RuntimeError("planted")
        except RuntimeError:
            pass

    def _tell(self, store: Store, expected: Expected, user_id: str, age: int) -> None:
        store.put_user(user_id, {"age": age})
        expected.told[user_id] = age

    def _agree(self, store: Store, expected: Expected) -> None:
        for user_id in USERS:
            log = sorted(expected.logs.get(user_id, []), key=lambda event: event.place)
            assert list(store.events(user_id)) == log
            standing = store.standing(user_id, "b")
            assert standing.num_events == len(log)
            assert standing.is_complete == (user_id not in expected.cut)
            if standing.is_current() and standing.memory.num_events:
                places = [event.place for event in log]
                assert standing.memory.state == repr(places).encode()
            age = expected.told.get(user_id)
            assert standing.user.attributes == ({} if age is None else {"age": age})
        assert store.stats().num_events == sum(map(len, expected.logs.values()))
