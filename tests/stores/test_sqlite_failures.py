"""A disk that fails gives one clear error, and nothing is written by halves."""

from __future__ import annotations

import sqlite3

import pytest

from penchant.errors import CorruptStoreError, EnvironmentFault
from penchant.stores import LoggedEvent, SqliteStore


def many(count: int) -> list[LoggedEvent]:
    return [LoggedEvent(f"u{i % 9}", "item" * 50, i, f"e{i}") for i in range(count)]


def test_a_full_disk_is_told_and_nothing_is_kept_by_halves(tmp_path):
    with SqliteStore(tmp_path / "store.db") as store:
        store.append_many(many(50))
        before = list(store.events("u1"))
        raw = store.database.commits.connection.raw
        [pages] = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(EnvironmentFault, match=r"store\.db cannot be used: the disk is full"):
            store.append_many(
                [LoggedEvent("u1", "x" * 900, 10**6 + i, f"new{i}") for i in range(300)]
            )
        assert list(store.events("u1")) == before
        assert store.stats().num_events == 50
        raw.execute("PRAGMA max_page_count = 1000000")
        assert store.append(LoggedEvent("u1", "x", 10**7, "later"))[0].value == "accepted"


def test_a_file_that_may_not_be_written_is_told(tmp_path):
    with SqliteStore(tmp_path / "store.db") as store:
        store.database.commits.connection.raw.execute("PRAGMA query_only = ON")
        with pytest.raises(EnvironmentFault, match="it may not be written") as caught:
            store.append(LoggedEvent("u1", "x", 1, "e1"))
        assert caught.value.hint == "Make the file and its folder writable."
        assert store.events("u1") == []


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id\n" * 500)
    with pytest.raises(CorruptStoreError, match=r"events\.csv cannot be read: it is no database"):
        SqliteStore(path)
    assert path.read_text() == "user_id,item_id\n" * 500


def test_the_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(CorruptStoreError, match=r"of another program: it has 1 tables"):
        SqliteStore(path)
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert names == [("theirs",)]


def test_a_newer_schema_is_refused_by_name(tmp_path):
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(CorruptStoreError, match=r"has schema 7, and this version .* reads up to 1"):
        SqliteStore(path)


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "store.db"
    with SqliteStore(path) as store:
        store.append_many(many(3_000))
    content = bytearray(path.read_bytes())
    content[40_960 : len(content) - 40_960] = b"\xa5" * (len(content) - 81_920)
    path.write_bytes(content)

    def read() -> None:
        with SqliteStore(path) as store:
            list(store.all_events())

    with pytest.raises(CorruptStoreError, match="it is damaged"):
        read()


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(EnvironmentFault, match="in a folder that exists, but there is no"):
        SqliteStore(tmp_path / "nowhere" / "store.db")
    with pytest.raises(EnvironmentFault, match="it cannot be opened"):
        SqliteStore(tmp_path)


def test_a_store_is_opened_again_with_all_that_it_had(tmp_path):
    path = tmp_path / "store.db"
    with SqliteStore(path) as store:
        store.append_many(many(20))
        before = list(store.events("u3"))
        blinded = store.blind("u3")
    assert [file.name for file in tmp_path.iterdir()] == ["store.db"]
    with SqliteStore(path) as store:
        assert list(store.events("u3")) == before
        assert store.blind("u3") == blinded
        assert store.append(many(20)[3])[0].value == "duplicate"
