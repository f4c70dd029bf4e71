"""Impressions, documents and the audit log in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from penchant.errors import StaleDocumentError
from penchant.stores.operations import Operations
from penchant.stores.records import LoggedEvent
from penchant.stores.shown import (
    AuditEntry,
    Document,
    Impression,
    ServedItem,
    ServedList,
    ShownList,
)
from penchant.stores.sql.catalogue import note_change
from penchant.stores.sql.database import Row, Sql, SqlPart
from penchant.stores.sql.logs import COLUMNS as EVENT_COLUMNS
from penchant.stores.sql.logs import read_event
from penchant.stores.sql.people import People, Person
from penchant.stores.sql.sealing import SPENT

_COLUMNS = "number, kind, owner, time_ms, content"
NOBODY_KEY = b"nobody's lists\x00\x00"
"""Seals lists of users unknown, which tell of nobody, in the same form as all others."""
NUM_AT_ONCE = 1_000

assert len(NOBODY_KEY) == len(SPENT), "a key like any other"


class SqlOperations(SqlPart, Operations):
    """What runs a service beside events and memories."""

    def put_served(self, lists: Sequence[ServedList]) -> int:
        """Keep lists that were answered; return how many."""
        return self._put("served", lists, [_served_content(each) for each in lists])

    def put_shown(self, lists: Sequence[ShownList]) -> int:
        """Keep what was shown; return how much of it was not told before."""
        with self._writing(*_users(lists)):
            new = list(dict.fromkeys(lists))
            new = [each for each in new if each not in self.impression(each.request_id).shown]
            return self._put("shown", new, [[each.request_id, each.items] for each in new])

    def _put(
        self, kind: str, lists: Sequence[ServedList | ShownList], contents: Sequence[Any]
    ) -> int:
        with self._writing(*_users(lists)) as sql:
            people = self._let_in(sql, lists)
            first = sql.take("impression", len(lists)) if lists else 0
            rows = []
            for number, (each, content) in enumerate(
                zip(lists, contents, strict=True), start=first
            ):
                person = None if each.user_id is None else people.get(each.user_id)
                if each.user_id is not None and not _is_let_in(person, each):
                    continue
                key, user = (person.key, person.number) if person else (NOBODY_KEY, None)
                sealed = self.vault.seal(key, "shown", number, content)
                digest = self.vault.digest(each.request_id)
                rows.append((number, kind, digest, user, each.time_ms, sealed))
            sql.many("INSERT INTO impressions VALUES (?, ?, ?, ?, ?, ?)", rows)
            return len(rows)

    def _let_in(self, sql: Sql, lists: Sequence[ServedList | ShownList]) -> dict[str, Person]:
        """Return the rows of users; who has none yet, and was not forgotten since, is taken in."""
        people = People(sql, self.vault)
        known = people.find_all(_users(lists))
        new = {each.user_id: each.time_ms for each in lists if each.user_id is not None}
        new = {user_id: time_ms for user_id, time_ms in new.items() if user_id not in known}
        tombstones = people.tombstones(new)
        wanted = [
            user_id
            for user_id, time_ms in new.items()
            if user_id not in tombstones or time_ms > tombstones[user_id].through_ms
        ]
        return known | people.enter(wanted, tombstones) if wanted else known

    def impression(self, request_id: str) -> Impression:
        """Return all that is known of a request, its events included."""
        with self._database.reading() as sql:
            digest = self.vault.digest(request_id)
            statement = f"SELECT {_COLUMNS} FROM impressions WHERE request_digest = ?"
            rows = sql.all(f"{statement} ORDER BY number", (digest,))
            found = [each for each in self._read(sql, rows) if each.request_id == request_id]
            served = next((each for each in found if isinstance(each, ServedList)), None)
            shown = tuple(each for each in found if isinstance(each, ShownList))
            return Impression(request_id, served, shown, self._events(sql, request_id))

    def _events(self, sql: Sql, request_id: str) -> tuple[LoggedEvent, ...]:
        rows = sql.all(
            f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.request_digest = ?",
            (self.vault.digest(request_id),),
        )
        people = People(sql, self.vault).numbered({row[0] for row in rows}) if rows else {}
        found = [
            read_event(row, people[row[0]].name(self.vault), people[row[0]], self.vault)
            for row in rows
        ]
        found.sort(key=lambda event: event.place)
        return tuple(event for event in found if event.request_id == request_id)

    def impressions(self, since_ms: int = 0) -> Iterator[Impression]:
        """Go through the requests that were served from a time on, each with what came of it."""
        last = 0
        statement = f"""SELECT {_COLUMNS} FROM impressions
            WHERE number > ? AND time_ms >= ? AND kind = 'served' ORDER BY number LIMIT ?"""
        while True:
            with self._database.reading() as sql:
                rows = sql.all(statement, (last, since_ms, NUM_AT_ONCE))
                found = [self.impression(each.request_id) for each in self._read(sql, rows)]
            if not rows:
                return
            last = rows[-1][0]
            yield from found

    def served_to(self, user_id: str, since_ms: int = 0) -> Sequence[ServedList]:
        """Return the lists served to a user from a time on, the oldest first."""
        return [each for each in self._of(user_id, since_ms) if isinstance(each, ServedList)]

    def shown_to(self, user_id: str, since_ms: int = 0) -> Sequence[ShownList]:
        """Return what was shown to a user from a time on, the oldest first."""
        return [each for each in self._of(user_id, since_ms) if isinstance(each, ShownList)]

    def _of(self, user_id: str, since_ms: int) -> list[ServedList | ShownList]:
        with self._database.reading() as sql:
            person = People(sql, self.vault).find(user_id)
            if person is None:
                return []
            statement = f"SELECT {_COLUMNS} FROM impressions WHERE owner = ? AND time_ms >= ?"
            rows = sql.all(f"{statement} ORDER BY time_ms, number", (person.number, since_ms))
            return self._read(sql, rows)

    def _read(self, sql: Sql, rows: Sequence[Row]) -> list[ServedList | ShownList]:
        people = People(sql, self.vault).numbered({row[2] for row in rows if row[2] is not None})
        found: list[ServedList | ShownList] = []
        for number, kind, user, time_ms, sealed in rows:
            person = None if user is None else people[user]
            key, name = (person.key, person.name(self.vault)) if person else (NOBODY_KEY, None)
            content = self.vault.unseal(key, "shown", number, sealed)
            read = _served if kind == "served" else _shown
            found.append(read(name, time_ms, content))
        return found

    def get_document(self, name: str) -> Document:
        """Return a document, an empty one under revision 0 where there is none."""
        with self._database.reading() as sql:
            statement = "SELECT content, revision FROM documents WHERE name = ?"
            row = sql.one(statement, (name,))
            return Document(name) if row is None else Document(name, json.loads(row[0]), row[1])

    def put_document(
        self, name: str, content: Any, *, revision: int, who: str, time_ms: int
    ) -> Document:
        """Keep a document made from a revision, and say so in the audit log."""
        with self._writing() as sql:
            before = self.get_document(name)
            if before.revision != revision:
                raise StaleDocumentError(
                    f'"{name}" must be changed from its newest revision ({before.revision}) but '
                    f"the change was made from {revision}.",
                    "Read it again, and make the change anew.",
                )
            kept = Document(name, json.loads(json.dumps(content)), sql.take("revision"))
            sql.run(
                "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " content = excluded.content, revision = excluded.revision",
                (name, json.dumps(content), kept.revision),
            )
            note_change(sql, name, kept.revision)
            self.add_audit(who, name, time_ms, before.content, content)
            return kept

    def add_audit(
        self, who: str, what: str, time_ms: int, before: Any = None, after: Any = None
    ) -> None:
        """Write an entry of the audit log."""
        with self._writing() as sql:
            told = (sql.take("audit"), time_ms, who, what, json.dumps(before), json.dumps(after))
            sql.run("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", told)

    def audit_log(self, limit: int = 100, before: int | None = None) -> Sequence[AuditEntry]:
        """Return entries, the newest first."""
        statement = "SELECT number, time_ms, who, what, before, after FROM audit"
        values: list[Any] = [limit]
        if before is not None:
            statement, values = f"{statement} WHERE number < ?", [before, limit]
        with self._database.reading() as sql:
            rows = sql.all(f"{statement} ORDER BY number DESC LIMIT ?", values)
            return [AuditEntry(*row[:4], *map(json.loads, row[4:])) for row in rows]

    def changes(self) -> dict[str, int]:
        """Return when each kind of thing last changed, as revisions of the store."""
        with self._database.reading() as sql:
            return dict(sql.all("SELECT kind, revision FROM changes"))

    def blind(self, user_id: str) -> str:
        """Return a keyed digest that stands for a user where the id must not stand."""
        return self.vault.blind(user_id).hex()


def _users(lists: Iterable[ServedList | ShownList]) -> set[str]:
    return {each.user_id for each in lists if each.user_id is not None}


def _is_let_in(person: Person | None, each: ServedList | ShownList) -> bool:
    if person is None:
        return False
    return person.forgotten_ms is None or each.time_ms > person.forgotten_ms


def _served_content(served: ServedList) -> list[Any]:
    slots = [[each.item_id, each.score, each.policy, each.probability] for each in served.items]
    return [served.request_id, slots, served.model_version]


def _served(user_id: str | None, time_ms: int, content: list[Any]) -> ServedList:
    request_id, slots, model_version = content
    items = tuple(ServedItem(*slot) for slot in slots)
    return ServedList(request_id, user_id, items, model_version, time_ms)


def _shown(user_id: str | None, time_ms: int, content: list[Any]) -> ShownList:
    request_id, items = content
    return ShownList(request_id, user_id, tuple((item, at) for item, at in items), time_ms)
