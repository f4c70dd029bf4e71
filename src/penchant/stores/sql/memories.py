"""Attributes of users, memories and their snapshots in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from penchant.errors import StaleMemoryError
from penchant.stores.memories import Memories
from penchant.stores.records import Memory, Snapshot, Standing, StoredUser, merged
from penchant.stores.sql.database import Row, Sql
from penchant.stores.sql.logs import SqlLogs
from penchant.stores.sql.people import (
    PLACE_OF_BUNDLE,
    People,
    Person,
    bundle_entered,
    bundle_number,
)

_COLUMNS = (
    "m.state, m.seen, m.num_events, m.last_time_ms, m.applied_through, m.revision,"
    " m.fold_revision, m.items_revision"
)
_INTO = (
    "(state, seen, num_events, last_time_ms, applied_through, revision, fold_revision,"
    " items_revision, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
NUM_DROPPED_AT_ONCE = 2_000


def _values(memory: Memory) -> Row:
    return (
        memory.state, memory.seen, memory.num_events, memory.last_time_ms, memory.applied_through,
        memory.revision, memory.fold_revision, memory.items_revision,
    )  # fmt: skip


def _read(row: Row) -> Memory:
    return Memory(bytes(row[0]), bytes(row[1]), *row[2:8])


class SqlMemories(SqlLogs, Memories):
    """Memories by bundle and user, beside the rows of users."""

    def standing(self, user_id: str, bundle_id: str) -> Standing:
        """Return all that a list of a user rests on, from one look."""
        with self._database.reading() as sql:
            revision = sql.last("revision")
            people = People(sql, self.vault)
            person = people.find(user_id)
            if person is None:
                tombstone = people.tombstones([user_id]).get(user_id)
                put = Memory(revision=tombstone.revision if tombstone else 0)
                return Standing(put, revision=revision)
            return Standing(
                self._memory(sql, person, bundle_id),
                person.user(self.vault),
                person.last_sequence,
                person.num_events,
                person.log_revision,
                bool(person.is_complete),
                revision,
            )

    def _memory(self, sql: Sql, person: Person, bundle_id: str) -> Memory:
        row = sql.one(
            f"SELECT {_COLUMNS} FROM memories m WHERE m.place = ? +"
            f" {PLACE_OF_BUNDLE} * (SELECT number FROM bundles WHERE bundle_id = ?)",
            (person.number, bundle_id),
        )
        return Memory(revision=person.first_revision) if row is None else _read(row)

    def put_memory(self, user_id: str, bundle_id: str, memory: Memory) -> Memory:
        """Keep a memory that was made from the revision it carries."""
        with self._writing(user_id) as sql:
            people = People(sql, self.vault)
            person = people.find(user_id)
            if person is None:
                tombstones = people.tombstones([user_id])
                newest = tombstones[user_id].revision if tombstones else 0
                if memory.revision != newest:
                    _refuse(newest, memory.revision)
                person = people.enter([user_id], tombstones)[user_id]
            renewed = replace(memory, revision=sql.take("revision"))
            place = bundle_entered(sql, bundle_id) * PLACE_OF_BUNDLE + person.number
            if not self._is_put(sql, place, renewed, memory.revision, person.first_revision):
                _refuse(self._memory(sql, person, bundle_id).revision, memory.revision)
            return renewed

    def _is_put(self, sql: Sql, place: int, memory: Memory, before: int, first: int) -> bool:
        """Write a memory over one of a given revision, or where there is none."""
        num_changed = sql.run(
            "UPDATE memories SET state = ?, seen = ?, num_events = ?, last_time_ms = ?,"
            " applied_through = ?, revision = ?, fold_revision = ?, items_revision = ?"
            " WHERE place = ? AND revision = ?",
            (*_values(memory), place, before),
        )
        if num_changed or before != first:
            return bool(num_changed)
        statement = f"INSERT INTO memories {_INTO} ON CONFLICT (place) DO NOTHING"
        return bool(sql.run(statement, (*_values(memory), place)))

    def drop_memories(self, bundle_id: str) -> int:
        """Delete the memories of a bundle, their snapshots and its item vectors, in pieces."""
        num_memories = 0
        while True:
            with self._writing() as sql:
                bundle = bundle_number(sql, bundle_id)
                if bundle is None:
                    return 0
                within = (bundle * PLACE_OF_BUNDLE, (bundle + 1) * PLACE_OF_BUNDLE)
                num_dropped = sql.run(
                    "DELETE FROM memories WHERE place IN (SELECT place FROM memories"
                    " WHERE place >= ? AND place < ? LIMIT ?)",
                    (*within, NUM_DROPPED_AT_ONCE),
                )
                num_memories += num_dropped
                if num_dropped < NUM_DROPPED_AT_ONCE:
                    sql.run("DELETE FROM snapshots WHERE place >= ? AND place < ?", within)
                    sql.run("DELETE FROM vectors WHERE bundle = ?", (bundle,))
                    return num_memories

    def memories_of(self, user_id: str) -> dict[str, Memory]:
        """Return all memories of a user by bundle."""
        with self._database.reading() as sql:
            person = People(sql, self.vault).find(user_id)
            if person is None:
                return {}
            rows = sql.all(
                f"SELECT {_COLUMNS}, b.bundle_id FROM bundles b JOIN memories m"
                f" ON m.place = b.number * {PLACE_OF_BUNDLE} + ? ORDER BY b.number",
                (person.number,),
            )
            return {row[8]: _read(row) for row in rows}

    def put_snapshot(self, user_id: str, bundle_id: str, memory: Memory, keep: int = 4) -> None:
        """Keep a memory that holds the log up to one place, to fold late events from."""
        assert memory.last_time_ms is not None, "a snapshot holds events"
        with self._writing(user_id) as sql:
            person = People(sql, self.vault).find(user_id)
            if person is None:  # forgotten in between
                return
            place = bundle_entered(sql, bundle_id) * PLACE_OF_BUNDLE + person.number
            given = (place, memory.applied_through)
            sql.run("DELETE FROM snapshots WHERE place = ? AND applied_through = ?", given)
            put = replace(memory, revision=sql.take("revision"))
            sql.run(f"INSERT INTO snapshots {_INTO}", (*_values(put), place))
            sql.run(
                "DELETE FROM snapshots WHERE place = ? AND applied_through NOT IN"
                " (SELECT applied_through FROM snapshots WHERE place = ?"
                " ORDER BY last_time_ms DESC, applied_through DESC LIMIT ?)",
                (place, place, keep),
            )

    def snapshot_before(self, user_id: str, bundle_id: str, time_ms: int) -> Snapshot | None:
        """Return the latest snapshot without an event after a time; later ones are deleted."""
        with self._writing(user_id) as sql:
            person = People(sql, self.vault).find(user_id)
            bundle = bundle_number(sql, bundle_id)
            if person is None or bundle is None:
                return None
            place = bundle * PLACE_OF_BUNDLE + person.number
            late = "DELETE FROM snapshots WHERE place = ? AND last_time_ms > ?"
            sql.run(late, (place, time_ms))
            row = sql.one(
                f"SELECT {_COLUMNS} FROM snapshots m WHERE m.place = ?"
                " ORDER BY m.last_time_ms DESC, m.applied_through DESC LIMIT 1",
                (place,),
            )
            return None if row is None else Snapshot(_read(row), row[5])

    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> StoredUser:
        """Keep a user's attributes in place of those before; the revision grows if they changed."""
        with self._writing(user_id) as sql:
            return self._told(sql, user_id, dict(attributes))

    def patch_user(self, user_id: str, changes: Mapping[str, Any]) -> StoredUser:
        """Change some of a user's attributes; `None` takes one away."""
        with self._writing(user_id) as sql:
            return self._told(sql, user_id, merged(self.get_user(user_id).attributes, changes))

    def _told(self, sql: Sql, user_id: str, attributes: dict[str, Any]) -> StoredUser:
        person = People(sql, self.vault).taken_in([user_id])[user_id]
        kept = person.user(self.vault)
        if person.attributes is not None and kept.attributes == attributes:
            return kept
        revision = sql.take("revision")
        sealed = self.vault.seal(person.key, "told", revision, attributes)
        sql.run(
            "UPDATE users SET attributes = ?, attributes_revision = ? WHERE number = ?",
            (sealed, revision, person.number),
        )
        return StoredUser(self.vault.unseal(person.key, "told", revision, sealed), revision)

    def get_user(self, user_id: str) -> StoredUser:
        """Return a user's attributes, none under revision 0 where none were put."""
        with self._database.reading() as sql:
            person = People(sql, self.vault).find(user_id)
            return StoredUser() if person is None else person.user(self.vault)

    def users(self) -> Iterator[tuple[str, StoredUser]]:
        """Go through all users who have attributes, in pieces."""
        for person in self._people("u.attributes IS NOT NULL"):
            yield person.name(self.vault), person.user(self.vault)


def _refuse(newest: int, carried: int) -> NoReturn:
    raise StaleMemoryError(
        f"A memory must be put with the newest revision ({newest}) but carries {carried}.",
        "Get the memory again, fold what it lacks, and put it again.",
    )
