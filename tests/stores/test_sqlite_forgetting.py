"""After forgetting no file holds a byte of the user: neither id nor events nor key."""

from __future__ import annotations

import random
import sqlite3

from penchant.stores import LoggedEvent, Memory, ServedItem, ServedList, ShownList, SqliteStore

ZOE = "zoe@example.org"
MARK = "zqzqzqz"
"""Long enough not to stand among bytes that look like chance; of three some file would hold it."""


def everything(path) -> bytes:
    """Return all bytes of all files of a store."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


def tell_all(store: SqliteStore, user_id: str, mark: str) -> None:
    """Let a store keep something of a user in every place that it has."""
    store.append_many(
        [
            LoggedEvent(
                user_id, f"item-{mark}-{i}", 1_000 + i, f"event-{mark}-{i}", f"type-{mark}",
                session_id=f"session-{mark}", request_id=f"request-{mark}",
            )
            for i in range(40)
        ]
    )  # fmt: skip
    store.delete_event(user_id, f"event-{mark}-3")
    store.put_user(user_id, {"city": f"city-{mark}"})
    store.patch_user(user_id, {"job": f"job-{mark}"})
    slots = (ServedItem(f"item-{mark}-1", 1.0),)
    store.put_served([ServedList(f"request-{mark}", user_id, slots, "b", 1_000)])
    store.put_shown([ShownList(f"request-{mark}", user_id, ((f"item-{mark}-1", 1),), 1_001)])
    store.put_memory(user_id, "b", Memory(mark.encode() * 500, mark.encode()))
    store.put_snapshot(user_id, "b", Memory(mark.encode() * 500, b"", 1, 1, 1))
    store.export_user(user_id)
    with store.transaction():
        store.put_offset("file", f"{mark}"[:0] + "12")
        store.add_audit("ann", "forget", 5, after=store.blind(user_id))


def test_no_file_holds_a_byte_of_a_forgotten_user(tmp_path):
    path = tmp_path / "store.db"
    with SqliteStore(path) as store:
        for number in range(30):
            tell_all(store, f"user-{number}", f"m{number:03}m")
        tell_all(store, ZOE, MARK)
        key = (
            sqlite3.connect(path).execute("SELECT key FROM keys ORDER BY number").fetchall()[-1][0]
        )
        assert key in everything(path)
        receipt = store.forget(ZOE, now_ms=50)
        counts = (
            receipt.num_events, receipt.num_event_ids, receipt.num_memories,
            receipt.num_attributes, receipt.num_snapshots, receipt.num_impressions,
        )  # fmt: skip
        assert counts == (39, 40, 1, 2, 1, 2)
        [told] = receipt.not_reached
        assert "backups" in told
        left = everything(path)
        for trace in (ZOE.encode(), ZOE[:7].encode(), MARK.encode(), key):
            assert trace not in left
        assert b"m007m" in left, "the memory of another user is there to be found"
    left = everything(path)
    assert MARK.encode() not in left
    with SqliteStore(path) as store:
        assert store.export_user(ZOE)["events"] == []
        assert store.append(LoggedEvent(ZOE, "item", 1_039, "again"))[0].value == "forgotten"
        assert ZOE.encode() not in everything(path)
        assert all(each.user_id != ZOE for piece in store.all_events() for each in piece)


def test_whoever_is_forgotten_among_many_who_come_and_go_leaves_nothing(tmp_path):
    draw, path = random.Random(4), tmp_path / "store.db"
    users = [f"user-{draw.getrandbits(48):012x}" for _ in range(120)]
    with SqliteStore(path, durability="process") as store:
        for number in range(60):
            chosen = draw.choices(users, k=25)
            store.append_many(
                [
                    LoggedEvent(user, f"for {user}", number, f"{user}/{number}/{i}")
                    for i, user in enumerate(chosen)
                ]
            )
            store.put_user(chosen[0], {"name": chosen[0] * draw.randrange(1, 20)})
        keys = {key for (key,) in store.database.commits.connection.all("SELECT key FROM keys")}
        gone = draw.sample(sorted(store.user_ids()), 30)
        for user in gone:
            store.forget(user, now_ms=99)
        left = everything(path)
        assert [user for user in gone if user.encode() in left] == []
        assert sum(key in left for key in keys) == len(keys) - len(gone)


def test_ids_of_users_stand_in_clear_nowhere_even_before(tmp_path):
    path = tmp_path / "store.db"
    with SqliteStore(path) as store:
        store.append(LoggedEvent(ZOE, "private item", 1, "private event"))
        left = everything(path)
        assert ZOE.encode() not in left
        assert b"private" not in left


def test_while_others_read_the_receipt_says_what_is_still_to_be_emptied(tmp_path, monkeypatch):
    monkeypatch.setattr("penchant.stores.sqlite.commits.SCRUB_S", 0.05)
    path = tmp_path / "store.db"
    with SqliteStore(path) as store:
        tell_all(store, ZOE, MARK)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM events").fetchone()
        receipt = store.forget(ZOE, now_ms=50)
        assert "store.db-wal, which others read" in receipt.not_reached[0]
        assert ZOE.encode() not in everything(path)
        reader.execute("ROLLBACK")
        reader.close()
        store.put_item("anything", {})
        assert MARK.encode() not in everything(path)
