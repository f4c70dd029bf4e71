"""Rows of users: who is known by which number, under which key, and what stands of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penchant.stores.records import StoredUser
from penchant.stores.sql.database import Sql
from penchant.stores.sql.sealing import Vault, new_key

PLACE_OF_BUNDLE = 2**40
"""A memory stands at the number of its bundle times this, plus the number of its user."""

_COLUMNS = """u.number, k.key, u.user_id, u.num_events, u.last_sequence, u.log_revision,
    u.is_complete, u.first_revision, u.forgotten_ms, u.cut_ms, u.attributes_revision,
    u.attributes"""
_FROM = "FROM users u JOIN keys k ON k.number = u.number"


@dataclass(frozen=True, slots=True)
class Person:
    """What stands of a user in one row.

    Parameters
    ----------
    first_revision
        That of a memory which was never put: 0, or the revision when the user was forgotten.
    forgotten_ms, cut_ms
        Events up to these times are refused; `None` where there is no such time.
    """

    number: int
    key: bytes
    user_id: bytes
    num_events: int = 0
    last_sequence: int = 0
    log_revision: int = 0
    is_complete: int = 1
    first_revision: int = 0
    forgotten_ms: int | None = None
    cut_ms: int | None = None
    attributes_revision: int = 0
    attributes: bytes | None = None

    def name(self, vault: Vault) -> str:
        """Return the id."""
        return str(vault.unseal(self.key, "user", self.number, self.user_id))

    def user(self, vault: Vault) -> StoredUser:
        """Return the attributes."""
        if self.attributes is None:
            return StoredUser({}, self.attributes_revision)
        revision = self.attributes_revision
        return StoredUser(vault.unseal(self.key, "told", revision, self.attributes), revision)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a forgotten user: events up to a time stay out."""

    through_ms: int
    revision: int


class People:
    """Users as rows, looked up on one connection.

    Parameters
    ----------
    sql, vault
        The connection, and what seals under the secret of the store.
    """

    def __init__(self, sql: Sql, vault: Vault) -> None:
        self._sql = sql
        self._vault = vault

    def find(self, user_id: str) -> Person | None:
        """Return the row of a user, `None` where nothing is kept of them."""
        statement = f"SELECT {_COLUMNS} {_FROM} WHERE u.blind = ?"
        row = self._sql.one(statement, (self._vault.blind(user_id),))
        return None if row is None else Person(*row)

    def find_all(self, user_ids: Iterable[str]) -> dict[str, Person]:
        """Return the rows of users by id, of those of whom something is kept."""
        by_blind = {self._vault.blind(user_id): user_id for user_id in user_ids}
        statement = f"SELECT u.blind, {_COLUMNS} {_FROM} WHERE u.blind IN ({{}})"
        rows = self._sql.matching(statement, by_blind)
        return {by_blind[bytes(row[0])]: Person(*row[1:]) for row in rows}

    def numbered(self, numbers: Iterable[int]) -> dict[int, Person]:
        """Return the rows of users by number."""
        statement = f"SELECT {_COLUMNS} {_FROM} WHERE u.number IN ({{}})"
        return {row[0]: Person(*row) for row in self._sql.matching(statement, numbers)}

    def page(self, after: int, size: int, having: str) -> list[Person]:
        """Return the next rows behind a number that a condition holds for."""
        statement = f"SELECT {_COLUMNS} {_FROM} WHERE u.number > ? AND {having}"
        rows = self._sql.all(f"{statement} ORDER BY u.number LIMIT ?", (after, size))
        return [Person(*row) for row in rows]

    def tombstones(self, user_ids: Iterable[str]) -> dict[str, Tombstone]:
        """Return what is left of forgotten users, by id."""
        by_blind = {self._vault.blind(user_id): user_id for user_id in user_ids}
        statement = "SELECT blind, through_ms, revision FROM tombstones WHERE blind IN ({})"
        rows = self._sql.matching(statement, by_blind)
        return {by_blind[bytes(blind)]: Tombstone(*rest) for blind, *rest in rows}

    def taken_in(self, user_ids: Iterable[str]) -> dict[str, Person]:
        """Return the rows of users by id; who is not known yet gets a number and a key."""
        wanted = list(dict.fromkeys(user_ids))
        found = self.find_all(wanted)
        missing = [user_id for user_id in wanted if user_id not in found]
        if missing:
            found |= self.enter(missing, self.tombstones(missing))
        return found

    def enter(self, user_ids: list[str], tombstones: dict[str, Tombstone]) -> dict[str, Person]:
        """Give numbers and keys to users who have none."""
        first = self._sql.take("user", len(user_ids))
        entered = {}
        for number, user_id in enumerate(user_ids, start=first):
            key, tombstone = new_key(), tombstones.get(user_id)
            entered[user_id] = Person(
                number,
                key,
                self._vault.seal(key, "user", number, user_id),
                first_revision=tombstone.revision if tombstone else 0,
                forgotten_ms=tombstone.through_ms if tombstone else None,
            )
        rows = entered.values()
        self._sql.many("INSERT INTO keys VALUES (?, ?)", ((each.number, each.key) for each in rows))
        self._sql.many(
            "INSERT INTO users (number, blind, user_id, first_revision, forgotten_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                (row.number, self._vault.blind(user_id), row.user_id, row.first_revision,
                 row.forgotten_ms)
                for user_id, row in entered.items()
            ),
        )  # fmt: skip
        return entered

    def pages(self, having: str, size: int = 500) -> Iterator[list[Person]]:
        """Go through all rows that a condition holds for, on one connection."""
        page = self.page(0, size, having)
        while page:
            yield page
            page = self.page(page[-1].number, size, having)


def places_of(sql: Sql, number: int) -> list[int]:
    """Return the places of a user's memories under all bundles."""
    return [
        bundle * PLACE_OF_BUNDLE + number for (bundle,) in sql.all("SELECT number FROM bundles")
    ]


def bundle_number(sql: Sql, bundle_id: str) -> int | None:
    """Return the number of a bundle, `None` where nothing was kept under it."""
    row = sql.one("SELECT number FROM bundles WHERE bundle_id = ?", (bundle_id,))
    return None if row is None else row[0]


def bundle_entered(sql: Sql, bundle_id: str) -> int:
    """Return the number of a bundle; a new one gets one."""
    number = bundle_number(sql, bundle_id)
    if number is None:
        number = sql.take("bundle")
        sql.run("INSERT INTO bundles (number, bundle_id) VALUES (?, ?)", (number, bundle_id))
    return number
