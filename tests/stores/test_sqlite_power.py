"""What a cut of the power may leave: nothing that was acknowledged is lost.

A disk keeps what was synced; of what was written since, any part may be there, torn, or missing.
The file is copied and damaged accordingly: the log behind its last sync is cut off or garbled, and
while the log is moved into the file, the file is a mixture of old and new pages.
"""

from __future__ import annotations

import os
import random
import shutil

import pytest

from penchant.stores import LoggedEvent, SqliteStore

PAGE = 4_096


def fill(store: SqliteStore, first: int, last: int) -> None:
    for number in range(first, last):
        store.append_many(
            [LoggedEvent(f"u{number % 5}", "item", number, f"e{number}-{i}") for i in range(3)]
        )


def size(path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def files(tmp_path):
    """Return a store that was written to and stays open, and where its files are."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    fill(store, 0, 30)
    yield store, path, tmp_path / "store.db-wal"
    store.close()


def copied(path, wal, folder):
    folder.mkdir()
    shutil.copy(path, folder / "store.db")
    shutil.copy(wal, folder / "store.db-wal")
    return folder / "store.db", folder / "store.db-wal"


def num_events(path) -> int:
    with SqliteStore(path) as store:
        events = [each for piece in store.all_events() for each in piece]
        assert len({each.event_id for each in events}) == len(events)
        return len(events)


@pytest.mark.parametrize("seed", range(8))
def test_what_was_not_synced_may_go_and_nothing_that_was_acknowledged_does(files, tmp_path, seed):
    draw = random.Random(seed)
    store, path, wal = files
    synced = size(wal)  # all of it: the last call has returned
    with store.transaction():  # written, and never committed
        store.append_many(
            [
                LoggedEvent(f"v{i}", "item", i, f"unsynced-{i}")
                for i in range(draw.randrange(1, 400))
            ]
        )
        cut_path, cut_wal = copied(path, wal, tmp_path / "cut")
    with cut_wal.open("r+b") as log:
        log.truncate(draw.randint(synced, max(synced, size(cut_wal))))
        log.seek(0, os.SEEK_END)
        log.write(draw.randbytes(draw.randrange(0, 3 * PAGE)))  # a torn end
    assert num_events(cut_path) == 90


def test_a_torn_end_of_a_commit_takes_that_commit_alone(files, tmp_path):
    store, path, wal = files
    before = size(wal)
    fill(store, 30, 31)
    after = size(wal)
    found = set()
    for number, end in enumerate(range(before, after + 1, 997)):
        cut_path, cut_wal = copied(path, wal, tmp_path / f"cut{number}")
        os.truncate(cut_wal, end)
        found.add(num_events(cut_path))
    assert found == {90}
    cut_path, _ = copied(path, wal, tmp_path / "whole")
    assert num_events(cut_path) == 93


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_while_the_log_is_moved_into_the_file_loses_nothing(files, tmp_path, seed):
    draw = random.Random(seed)
    store, path, wal = files
    old = path.read_bytes()
    store.database.commits.connection.all("PRAGMA wal_checkpoint(PASSIVE)")
    new = path.read_bytes()
    pages = range(0, len(new), PAGE)
    mixed = b"".join(
        (new if draw.random() < 0.5 else old.ljust(len(new), b"\0"))[at : at + PAGE] for at in pages
    )
    cut_path, _ = copied(path, wal, tmp_path / "cut")
    cut_path.write_bytes(mixed)
    assert mixed not in (old, new)
    assert num_events(cut_path) == 90


def test_a_loss_would_be_noticed(files, tmp_path):
    _, path, wal = files
    cut_path, cut_wal = copied(path, wal, tmp_path / "cut")
    os.truncate(cut_wal, size(wal) - PAGE // 2)
    assert num_events(cut_path) == 87
