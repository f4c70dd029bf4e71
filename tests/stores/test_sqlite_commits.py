"""What a call that returned stands for: on disk, by one commit that several may share."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest

from penchant.errors import EnvironmentFault, UsageError
from penchant.stores import LoggedEvent, SqliteStore, open_store


def event(number: int, user_id: str = "u1") -> LoggedEvent:
    return LoggedEvent(user_id, "item", number, f"{user_id}/{number}")


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "store.db") as store:
        yield store


def num_events(path) -> int:
    """Look from outside, as another program does."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT COUNT(*) FROM events").fetchone()[0]
    finally:
        connection.close()


class Slow:
    """Stands before a connection and takes its time to commit, or fails."""

    def __init__(self, raw, delay_s: float = 0.0, error: Exception | None = None) -> None:
        self.raw, self.delay_s, self.error = raw, delay_s, error

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def execute(self, statement, *values):
        if statement == "COMMIT":
            time.sleep(self.delay_s)
            if self.error is not None:
                raise self.error
        return self.raw.execute(statement, *values)


def slowed(store: SqliteStore, **how) -> None:
    connection = store.database.commits.connection
    connection.raw = Slow(connection.raw, **how)


@pytest.mark.parametrize(("durability", "level"), [("disk", 2), ("process", 1)])
def test_the_settings_of_durability_are_those_asked_for(tmp_path, durability, level):
    with open_store(f"sqlite:///{tmp_path}/a.db", durability=durability) as store:
        raw = store.database.commits.connection.raw
        assert raw.execute("PRAGMA synchronous").fetchone() == (level,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_the_default_is_the_disk_and_other_names_are_refused(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/a.db") as store:
        raw = store.database.commits.connection.raw
        assert raw.execute("PRAGMA synchronous").fetchone() == (2,)
    with pytest.raises(UsageError, match='must be disk or process but is "none"'):
        open_store(f"sqlite:///{tmp_path}/a.db", durability="none")


def test_a_call_returns_after_its_commit_returned(store):
    slowed(store, delay_s=0.2)
    start = time.monotonic()
    store.append(event(1))
    assert time.monotonic() - start >= 0.2
    assert num_events(store.database.path) == 1


def test_nothing_is_seen_outside_before_the_commit(store):
    with store.transaction():
        store.append(event(1))
        assert len(store.events("u1")) == 1
        assert num_events(store.database.path) == 0
    assert num_events(store.database.path) == 1


def run_together(works) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_those_who_write_at_once_share_commits(store):
    slowed(store, delay_s=0.01)
    before = store.database.commits.num_commits

    def writes(number: int):
        def work() -> None:
            for place in range(10):
                store.append(event(place, f"u{number}"))
                assert len(store.events(f"u{number}")) == place + 1

        return work

    run_together([writes(number) for number in range(16)])
    assert store.stats().num_events == 16 * 10
    assert store.database.commits.num_commits - before < 16 * 10 / 2


def test_who_writes_alone_does_not_wait_for_others(store):
    before = store.database.commits.num_commits
    for number in range(5):
        store.append(event(number))
    assert store.database.commits.num_commits - before == 5


def test_one_that_fails_does_not_take_those_beside_it_along(store):
    slowed(store, delay_s=0.02)
    failed = []

    def writes(number: int):
        def work() -> None:
            for place in range(8):
                try:
                    with store.transaction():
                        store.append(event(place, f"u{number}"))
                        if number % 2:
                            raise RuntimeError("planted")
                except RuntimeError:
                    failed.append(number)

        return work

    run_together([writes(number) for number in range(6)])
    assert len(failed) == 3 * 8
    assert sorted(store.user_ids()) == ["u0", "u2", "u4"]
    assert store.stats().num_events == 3 * 8


def test_a_commit_that_fails_fails_for_all_and_leaves_nothing(store):
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    slowed(store, delay_s=0.02, error=full)
    told = []

    def writes(number: int):
        def work() -> None:
            try:
                store.append(event(1, f"u{number}"))
            except EnvironmentFault as error:
                told.append(str(error))

        return work

    run_together([writes(number) for number in range(6)])
    assert len(told) == 6
    assert all("the disk is full" in each for each in told)
    connection = store.database.commits.connection
    connection.raw = connection.raw.raw
    assert store.stats().num_events == 0
    assert store.append(event(1))[0].value == "accepted"


def test_a_look_at_one_moment_does_not_see_what_is_written_meanwhile(store):
    store.put_item("a", {"price": 1})

    def change() -> None:
        store.put_item("a", {"price": 2})

    with store.reading():
        assert store.get_item("a").attributes == {"price": 1}
        run_together([change])
        assert store.get_item("a").attributes == {"price": 1}
    assert store.get_item("a").attributes == {"price": 2}


def test_readers_do_not_wait_for_who_writes(store):
    store.append(event(1))
    found = []
    with store.transaction():
        store.append(event(2))
        run_together([lambda: found.append(len(store.events("u1")))])
    assert found == [1]


def test_a_batch_takes_few_statements(store):
    store.append_many([event(number, f"u{number % 7}") for number in range(100)])
    statements = []
    store.database.commits.connection.raw.set_trace_callback(statements.append)
    store.append_many([event(number, f"u{number % 7}") for number in range(100, 3_100)])
    store.database.commits.connection.raw.set_trace_callback(None)
    others = [each for each in statements if not each.startswith(("INSERT INTO events", "UPDATE"))]
    assert len(others) <= 12
