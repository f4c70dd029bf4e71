"""The logs of users in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from penchant.stores.logs import Appended, EventLogs
from penchant.stores.records import LoggedEvent, Outcome
from penchant.stores.sql.database import Row, Sql, SqlPart
from penchant.stores.sql.people import People, Person, Tombstone, places_of
from penchant.stores.sql.sealing import Vault

COLUMNS = (
    "e.owner, e.sequence, e.time_ms, e.item_revision, e.value, e.arrival_time, e.content,"
    " e.event_digest"
)
NUM_USERS_AT_ONCE = 500


class SqlLogs(SqlPart, EventLogs):
    """Events as rows clustered by user; what they say is sealed."""

    def append_many(self, events: Sequence[LoggedEvent]) -> list[Appended]:
        """Add events to the logs of their users in the order given, in one transaction."""
        if not events:
            return []
        with self._writing(*{event.user_id for event in events}) as sql:
            return _Appending(sql, self.vault, events).appended()

    def events(
        self,
        user_id: str,
        *,
        after_sequence: int = 0,
        through_ms: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int | None = None,
    ) -> Sequence[LoggedEvent]:
        """Return a user's events in the order (time, sequence)."""
        with self._database.reading() as sql:
            person = People(sql, self.vault).find(user_id)
            if person is None or person.last_sequence <= after_sequence:
                return []
            statement = f"SELECT {COLUMNS} FROM events e WHERE e.owner = ? AND e.sequence > ?"
            statement += " AND e.content IS NOT NULL"
            values: list[Any] = [person.number, after_sequence]
            if through_ms is not None:
                statement, values = statement + " AND e.time_ms <= ?", [*values, through_ms]
            if after is not None:
                statement += " AND (e.time_ms, e.sequence) > (?, ?)"
                values += after
            statement += " ORDER BY e.time_ms, e.sequence"
            if limit is not None:
                statement, values = statement + " LIMIT ?", [*values, limit]
            return [
                read_event(row, user_id, person, self.vault) for row in sql.all(statement, values)
            ]

    def delete_event(self, user_id: str, event_id: str) -> bool:
        """Delete one event; its id is kept, so that a repeat stays out."""
        with self._writing(user_id) as sql:
            person = People(sql, self.vault).find(user_id)
            found = None if person is None else self._found(sql, person, user_id, event_id)
            if person is None or found is None:
                return False
            sql.run(
                "UPDATE events SET content = NULL, item_digest = NULL, request_digest = NULL,"
                " value = NULL WHERE owner = ? AND sequence = ?",
                (person.number, found.sequence),
            )
            sql.run(
                "UPDATE users SET num_events = num_events - 1, log_revision = ? WHERE number = ?",
                (sql.take("revision"), person.number),
            )
            sql.matching("DELETE FROM snapshots WHERE place IN ({})", places_of(sql, person.number))
            return True

    def _found(self, sql: Sql, person: Person, user_id: str, event_id: str) -> LoggedEvent | None:
        """Return the event of a user that has an id."""
        rows = sql.all(
            f"SELECT {COLUMNS} FROM events e WHERE e.event_digest = ? AND e.owner = ?"
            " AND e.content IS NOT NULL",
            (self.vault.digest(event_id), person.number),
        )
        found = [read_event(row, user_id, person, self.vault) for row in rows]
        return next((event for event in found if event.event_id == event_id), None)

    def history_complete(self, user_id: str) -> bool:
        """Say whether the kept log of a user is all that was accepted and not deleted."""
        with self._database.reading() as sql:
            person = People(sql, self.vault).find(user_id)
            return person is None or bool(person.is_complete)

    def user_ids(self) -> Iterator[str]:
        """Go through all users who have events, in pieces."""
        for person in self._people("u.num_events > 0"):
            yield person.name(self.vault)

    def _people(self, having: str) -> Iterator[Person]:
        """Go through rows of users; nothing is held between two pieces."""
        last = 0
        while True:
            with self._database.reading() as sql:
                page = People(sql, self.vault).page(last, NUM_USERS_AT_ONCE, having)
            if not page:
                return
            yield from page
            last = page[-1].number

    def all_events(self, batch_size: int = 10_000) -> Iterator[Sequence[LoggedEvent]]:
        """Go through the whole log in pieces: user by user, each user's events by sequence."""
        statement = f"""SELECT {COLUMNS} FROM events e
            WHERE (e.owner, e.sequence) > (?, ?) ORDER BY e.owner, e.sequence LIMIT ?"""
        place = (0, 0)
        while True:
            with self._database.reading() as sql:
                rows = sql.all(statement, (*place, batch_size))
                people = People(sql, self.vault).numbered({row[0] for row in rows})
            if not rows:
                return
            place = rows[-1][0], rows[-1][1]
            names = {number: person.name(self.vault) for number, person in people.items()}
            found = [
                read_event(row, names[row[0]], people[row[0]], self.vault)
                for row in rows
                if row[6] is not None
            ]
            if found:
                yield found

    def users_of_item(self, item_id: str) -> Iterator[str]:
        """Go through the users who have an event with an item."""
        statement = """SELECT DISTINCT owner FROM events WHERE item_digest = ? AND owner > ?
            ORDER BY owner LIMIT ?"""
        last = 0
        while True:
            with self._database.reading() as sql:
                rows = sql.all(statement, (self.vault.digest(item_id), last, NUM_USERS_AT_ONCE))
                people = People(sql, self.vault).numbered(row[0] for row in rows)
            if not rows:
                return
            last = rows[-1][0]
            yield from (people[number].name(self.vault) for (number,) in rows)

    def mark_item_known(self, item_id: str) -> int:
        """Mark the users who have an event with an item, and nobody else, to be folded again."""
        with self._writing() as sql:
            return sql.run(
                "UPDATE users SET log_revision = ? WHERE number IN"
                " (SELECT owner FROM events WHERE item_digest = ?)",
                (sql.take("revision"), self.vault.digest(item_id)),
            )

    def get_offset(self, source: str) -> str | None:
        """Return how far a source has been read, `None` at its beginning."""
        with self._database.reading() as sql:
            row = sql.one("SELECT value FROM offsets WHERE source = ?", (source,))
            return None if row is None else row[0]

    def put_offset(self, source: str, offset: str) -> None:
        """Keep how far a source has been read."""
        with self._writing() as sql:
            sql.run(
                "INSERT INTO offsets VALUES (?, ?)"
                " ON CONFLICT (source) DO UPDATE SET value = excluded.value",
                (source, offset),
            )


def read_event(row: Row, user_id: str, person: Person, vault: Vault) -> LoggedEvent:
    """Return the event of a row of `COLUMNS`."""
    _, sequence, time_ms, item_revision, value, arrival_time, sealed, _ = row
    item_id, event_id, event_type, session_id, request_id = vault.unseal(
        person.key, "event", sequence, sealed
    )
    return LoggedEvent(
        user_id, item_id, time_ms, event_id, event_type, value, session_id, bool(arrival_time),
        request_id, sequence, item_revision,
    )  # fmt: skip


class _Appending:
    """One call of `append_many`: what is there already, what is let in, and the rows of that."""

    def __init__(self, sql: Sql, vault: Vault, events: Sequence[LoggedEvent]) -> None:
        self._sql, self._vault, self._given = sql, vault, events
        self._people = People(sql, vault)
        self._kept: dict[str, LoggedEvent] = {}
        self._deleted: set[int] = set()

    def appended(self) -> list[Appended]:
        """Keep what is let in; say what became of each event."""
        self._look_up()
        user_ids = list(
            dict.fromkeys(e.user_id for e in self._given if e.event_id not in self._kept)
        )
        known = self._people.find_all(user_ids)
        strangers = [user_id for user_id in user_ids if user_id not in known]
        tombstones = self._people.tombstones(strangers)
        revisions = self._item_revisions() if user_ids else {}
        sequence = self._sql.take("revision", len(self._given)) if user_ids else 0
        outcomes: list[Appended] = []
        for place, event in enumerate(self._given, start=sequence):
            outcome = self._outcome(event, known.get(event.user_id), tombstones.get(event.user_id))
            kept = self._kept.get(event.event_id, event)
            if outcome is Outcome.ACCEPTED:
                revision = revisions.get(event.item_id, 0)
                kept = event.kept(place, revision)
                self._kept[event.event_id] = kept
            outcomes.append((outcome, kept))
        self._write([kept for outcome, kept in outcomes if outcome is Outcome.ACCEPTED], known)
        return outcomes

    def _look_up(self) -> None:
        """Find the events whose ids are there already."""
        digests = {self._vault.digest(event.event_id) for event in self._given}
        statement = f"SELECT {COLUMNS} FROM events e WHERE e.event_digest IN ({{}})"
        rows = self._sql.matching(statement, digests)
        people = self._people.numbered({row[0] for row in rows}) if rows else {}
        for row in rows:
            if row[6] is None:
                self._deleted.add(row[7])
                continue
            person = people[row[0]]
            event = read_event(row, person.name(self._vault), person, self._vault)
            self._kept[event.event_id] = event

    def _item_revisions(self) -> dict[str, int]:
        statement = "SELECT item_id, revision FROM items WHERE item_id IN ({})"
        wanted = {event.item_id for event in self._given}
        return dict(self._sql.matching(statement, wanted))

    def _outcome(
        self, event: LoggedEvent, person: Person | None, tombstone: Tombstone | None
    ) -> Outcome:
        kept = self._kept.get(event.event_id)
        if kept is not None:
            return Outcome.DUPLICATE if kept.same_content(event) else Outcome.CONFLICT
        if self._vault.digest(event.event_id) in self._deleted:
            return Outcome.DELETED
        if tombstone is not None and event.time_ms <= tombstone.through_ms:
            return Outcome.FORGOTTEN
        if person is None:
            return Outcome.ACCEPTED
        if person.forgotten_ms is not None and event.time_ms <= person.forgotten_ms:
            return Outcome.FORGOTTEN
        if person.cut_ms is not None and event.time_ms <= person.cut_ms:
            return Outcome.EXPIRED
        return Outcome.ACCEPTED

    def _write(self, accepted: list[LoggedEvent], known: Mapping[str, Person]) -> None:
        if not accepted:
            return
        new = [e.user_id for e in accepted if e.user_id not in known]
        people = {**known, **self._people.taken_in(new)} if new else known
        rows = [self._row(event, people[event.user_id]) for event in accepted]
        rows.sort(key=itemgetter(0, 1))  # as they lie in the file
        self._sql.many("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        counts: dict[str, list[int]] = {}
        for event in accepted:
            count = counts.setdefault(event.user_id, [0, 0])
            count[:] = count[0] + 1, event.sequence
        self._sql.many(
            "UPDATE users SET num_events = num_events + ?, last_sequence = ? WHERE number = ?",
            sorted(
                ((*count, people[user_id].number) for user_id, count in counts.items()),
                key=itemgetter(2),
            ),
        )

    def _row(self, event: LoggedEvent, person: Person) -> Row:
        said = (
            event.item_id, event.event_id, event.event_type, event.session_id, event.request_id
        )  # fmt: skip
        digest = self._vault.digest
        return (
            person.number,
            event.sequence,
            event.time_ms,
            digest(event.event_id),
            digest(event.item_id),
            None if event.request_id is None else digest(event.request_id),
            event.item_revision,
            event.value,
            int(event.arrival_time),
            self._vault.seal(person.key, "event", event.sequence, said),
        )
