"""All parts of a store in SQL together: forgetting, cutting and counting reach over all of them."""

from __future__ import annotations

from dataclasses import replace

from penchant.stores.base import Store
from penchant.stores.receipts import ForgetReceipt, RetainReceipt, StoreStats
from penchant.stores.sql.catalogue import SqlCatalogue
from penchant.stores.sql.database import Sql
from penchant.stores.sql.memories import SqlMemories
from penchant.stores.sql.operations import SqlOperations
from penchant.stores.sql.people import People, Person, places_of
from penchant.stores.sql.sealing import SPENT

NUM_CUT_AT_ONCE = 500


class SqlStore(SqlMemories, SqlCatalogue, SqlOperations, Store):
    """A store whose engine speaks SQL."""

    @property
    def url(self) -> str:  # type: ignore[override]
        """The address that opened it."""
        return self._database.url

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def forget(self, user_id: str, now_ms: int) -> ForgetReceipt:
        """Delete all that is kept of a user and leave a keyed tombstone."""
        with self._writing(user_id) as sql:
            people = People(sql, self.vault)
            person = people.find(user_id)
            receipt = ForgetReceipt(user_id, 0, 0, 0, now_ms)
            if person is not None:
                receipt = self._delete(sql, person, receipt)
            before = people.tombstones([user_id]).get(user_id)
            through_ms = max(receipt.through_ms, before.through_ms if before else now_ms)
            sql.run(
                "INSERT INTO tombstones VALUES (?, ?, ?) ON CONFLICT (blind) DO UPDATE SET"
                " through_ms = excluded.through_ms, revision = excluded.revision",
                (self.vault.blind(user_id), through_ms, sql.take("revision")),
            )
            sql.is_scrub_due = True
        self.vault.clear()
        return replace(receipt, through_ms=through_ms, not_reached=self._database.not_reached())

    def _delete(self, sql: Sql, person: Person, receipt: ForgetReceipt) -> ForgetReceipt:
        """Delete what is kept of a user, and count it."""
        number, places = person.number, places_of(sql, person.number)
        row = sql.one("SELECT MAX(time_ms) FROM events WHERE owner = ?", (number,))
        last_ms = row[0] if row and row[0] is not None else receipt.through_ms
        attributes = person.user(self.vault).attributes
        num_ids = sql.run("DELETE FROM events WHERE owner = ?", (number,))
        num_impressions = sql.run("DELETE FROM impressions WHERE owner = ?", (number,))
        num_memories = num_snapshots = 0
        for place in places:
            num_memories += sql.run("DELETE FROM memories WHERE place = ?", (place,))
            num_snapshots += sql.run("DELETE FROM snapshots WHERE place = ?", (place,))
        sql.run("DELETE FROM users WHERE number = ?", (number,))
        sql.run("UPDATE keys SET key = ? WHERE number = ?", (SPENT, number))
        return ForgetReceipt(
            receipt.user_id,
            person.num_events,
            num_ids,
            num_memories,
            max(receipt.through_ms, last_ms),
            len(attributes),
            num_snapshots,
            num_impressions,
        )

    def retain(
        self, *, since_ms: int | None = None, num_newest: int | None = None
    ) -> RetainReceipt:
        """Cut all logs, and mark the users whose log was cut to be folded again."""
        receipt, last, size = RetainReceipt(), 0, NUM_CUT_AT_ONCE
        while True:
            with self._writing() as sql:
                page = People(sql, self.vault).page(last, size, "u.num_events > 0")
                for person in page:
                    receipt += self._cut(sql, person, since_ms, num_newest)
            if not page:
                break
            last = page[-1].number
        return receipt + self._cut_impressions(since_ms)

    def _cut(
        self, sql: Sql, person: Person, since_ms: int | None, num_newest: int | None
    ) -> RetainReceipt:
        """Cut the log of one user behind the last event that goes."""
        where = "FROM events WHERE owner = ? AND content IS NOT NULL"
        order = "ORDER BY time_ms DESC, sequence DESC LIMIT 1"
        found = []
        if since_ms is not None:
            statement = f"SELECT time_ms, sequence {where} AND time_ms < ? {order}"
            found.append(sql.one(statement, (person.number, since_ms)))
        if num_newest is not None and person.num_events > num_newest:
            statement = f"SELECT time_ms, sequence {where} {order} OFFSET ?"
            found.append(sql.one(statement, (person.number, num_newest)))
        cuts = [row for row in found if row is not None]
        if not cuts:
            return RetainReceipt()
        behind = (person.number, *max(cuts))
        row = sql.one(f"SELECT COUNT(*) {where} AND (time_ms, sequence) <= (?, ?)", behind)
        num_cut = row[0] if row else 0
        sql.run("DELETE FROM events WHERE owner = ? AND (time_ms, sequence) <= (?, ?)", behind)
        sql.matching("DELETE FROM snapshots WHERE place IN ({})", places_of(sql, person.number))
        sql.run(
            "UPDATE users SET num_events = num_events - ?, is_complete = 0, log_revision = ?,"
            " cut_ms = ? WHERE number = ?",
            (num_cut, sql.take("revision"), max(max(cuts)[0], person.cut_ms or 0), person.number),
        )
        return RetainReceipt(1, num_cut)

    def _cut_impressions(self, since_ms: int | None) -> RetainReceipt:
        num_cut, size = 0, NUM_CUT_AT_ONCE * 10
        while since_ms is not None:
            with self._writing() as sql:
                num_gone = sql.run(
                    "DELETE FROM impressions WHERE number IN"
                    " (SELECT number FROM impressions WHERE time_ms < ? LIMIT ?)",
                    (since_ms, size),
                )
            num_cut += num_gone
            if num_gone < size:
                break
        return RetainReceipt(num_impressions=num_cut)

    def stats(self) -> StoreStats:
        """Count what is kept."""
        with self._database.reading() as sql:
            [row] = sql.all(
                "SELECT (SELECT COUNT(*) FROM users WHERE num_events > 0),"
                " (SELECT COALESCE(SUM(num_events), 0) FROM users),"
                " (SELECT COUNT(*) FROM memories), (SELECT COUNT(*) FROM items),"
                " (SELECT COUNT(*) FROM tombstones),"
                " (SELECT COALESCE(SUM(LENGTH(state) + LENGTH(seen)), 0) FROM memories),"
                " (SELECT COUNT(*) FROM users WHERE attributes IS NOT NULL),"
                " (SELECT COUNT(*) FROM snapshots),"
                " (SELECT COALESCE(SUM(LENGTH(state) + LENGTH(seen)), 0) FROM snapshots),"
                " (SELECT COUNT(*) FROM impressions), (SELECT COUNT(*) FROM vectors)"
            )
        on_disk, in_process = self._database.sizes()
        counted = StoreStats(*map(int, row))
        return replace(counted, disk_bytes=on_disk, process_bytes=in_process)
