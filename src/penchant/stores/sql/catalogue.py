"""Items and their vectors in SQL; nothing here is about users, so all of it is in clear."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from penchant.stores.catalogue import Catalogue
from penchant.stores.records import ItemVector, StoredItem, merged
from penchant.stores.sql.database import Row, Sql, SqlPart
from penchant.stores.sql.people import bundle_entered, bundle_number

_COLUMNS = "item_id, attributes, revision, number, hidden"
_LAST_LETTER = "\U0010ffff"
NUM_VECTORS_AT_ONCE = 1_000


class SqlCatalogue(SqlPart, Catalogue):
    """Items by id, and each of their vectors by bundle and revision."""

    def put_items(self, items: Iterable[tuple[str, Mapping[str, Any]]]) -> list[StoredItem]:
        """Keep the attributes of many items; the revision of each that changed grows."""
        given = [(item_id, dict(attributes)) for item_id, attributes in items]
        with self._writing() as sql:
            kept = self._kept(sql, {item_id for item_id, _ in given})
            found, changed = [], {}
            for item_id, attributes in given:
                before = kept.get(item_id)
                if before is None or before.hidden or before.attributes != attributes:
                    after = self._renewed(sql, item_id, attributes, before)
                    kept[item_id] = changed[item_id] = after
                found.append(kept[item_id])
            self._write(sql, list(changed.values()))
            return found

    def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> StoredItem | None:
        """Change some of an item's attributes; `None` takes one away."""
        with self._writing() as sql:
            before = self._kept(sql, [item_id]).get(item_id)
            if before is None:
                return None
            attributes = merged(before.attributes, changes)
            if attributes == before.attributes:
                return before
            after = self._renewed(sql, item_id, attributes, before, before.hidden)
            self._write(sql, [after])
            return after

    def hide_item(self, item_id: str) -> StoredItem:
        """Take an item out of all lists; one that was never put is kept without attributes."""
        with self._writing() as sql:
            before = self._kept(sql, [item_id]).get(item_id)
            if before is not None and before.hidden:
                return before
            attributes = before.attributes if before else {}
            after = self._renewed(sql, item_id, attributes, before, hidden=True)
            self._write(sql, [after])
            return after

    def _kept(self, sql: Sql, item_ids: Iterable[str]) -> dict[str, StoredItem]:
        statement = f"SELECT {_COLUMNS} FROM items WHERE item_id IN ({{}})"
        return {row[0]: _read(row) for row in sql.matching(statement, item_ids)}

    def _renewed(
        self,
        sql: Sql,
        item_id: str,
        attributes: dict[str, Any],
        before: StoredItem | None,
        hidden: bool = False,
    ) -> StoredItem:
        number = before.number if before else sql.take("item")
        copied = json.loads(json.dumps(attributes))
        return StoredItem(item_id, copied, sql.take("revision"), number, hidden)

    def _write(self, sql: Sql, items: Sequence[StoredItem]) -> None:
        sql.many(
            "INSERT INTO items (number, item_id, title, attributes, revision, hidden)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (item_id) DO UPDATE SET"
            " title = excluded.title, attributes = excluded.attributes,"
            " revision = excluded.revision, hidden = excluded.hidden",
            (
                (item.number, item.item_id, _title(item.attributes), json.dumps(item.attributes),
                 item.revision, int(item.hidden))
                for item in items
            ),
        )  # fmt: skip
        if items:
            note_change(sql, "items", max(item.revision for item in items))

    def get_item(self, item_id: str) -> StoredItem | None:
        """Return an item, `None` where none was put."""
        with self._database.reading() as sql:
            return self._kept(sql, [item_id]).get(item_id)

    def items(
        self,
        query: str = "",
        *,
        after: int = 0,
        since_revision: int = 0,
        limit: int | None = None,
    ) -> Sequence[StoredItem]:
        """Return items in the order in which they were first put, hidden ones included."""
        statement = f"SELECT {_COLUMNS} FROM items WHERE number > ?"
        values: list[Any] = [after]
        if since_revision:
            statement, values = statement + " AND revision > ?", [*values, since_revision]
        if query:
            statement += " AND ((item_id >= ? AND item_id < ?) OR (title >= ? AND title < ?))"
            title = query.casefold()
            values += [query, query + _LAST_LETTER, title, title + _LAST_LETTER]
        statement += " ORDER BY number"
        if limit is not None:
            statement, values = statement + " LIMIT ?", [*values, limit]
        with self._database.reading() as sql:
            return [_read(row) for row in sql.all(statement, values)]

    def put_item_vectors(self, bundle_id: str, vectors: Sequence[ItemVector]) -> set[str]:
        """Keep vectors, beside those of the same items made from earlier revisions."""
        with self._writing() as sql:
            bundle = bundle_entered(sql, bundle_id)
            newest = f"""SELECT item_id, MAX(revision) FROM vectors WHERE bundle = {bundle}
                AND item_id IN ({{}}) GROUP BY item_id"""
            kept: dict[str, int] = dict(sql.matching(newest, {each.item_id for each in vectors}))
            if any(kept.get(each.item_id, each.revision) != each.revision for each in vectors):
                replaced = (sql.take("revision"), bundle)
                sql.run("UPDATE bundles SET replaced_revision = ? WHERE number = ?", replaced)
            sql.many(
                "INSERT INTO vectors VALUES (?, ?, ?, ?) ON CONFLICT (bundle, item_id, revision)"
                " DO UPDATE SET vector = excluded.vector",
                ((bundle, each.item_id, each.revision, each.vector) for each in vectors),
            )
            return {each.item_id for each in vectors} - kept.keys()

    def item_vectors(self, bundle_id: str) -> Iterator[ItemVector]:
        """Go through the newest vector of each item."""
        last = ""
        while True:
            with self._database.reading() as sql:
                bundle = bundle_number(sql, bundle_id)
                rows = sql.all(
                    "SELECT v.item_id, v.revision, v.vector FROM (SELECT item_id, MAX(revision)"
                    " AS newest FROM vectors WHERE bundle = ? AND item_id > ? GROUP BY item_id"
                    " ORDER BY item_id LIMIT ?) n JOIN vectors v ON v.item_id = n.item_id"
                    " AND v.revision = n.newest AND v.bundle = ? ORDER BY v.item_id",
                    (bundle, last, NUM_VECTORS_AT_ONCE, bundle),
                )
            if not rows:
                return
            last = rows[-1][0]
            yield from (ItemVector(*row) for row in rows)

    def item_vector(
        self, bundle_id: str, item_id: str, at_revision: int | None = None
    ) -> ItemVector | None:
        """Return the newest vector of an item up to a revision."""
        with self._database.reading() as sql:
            statement = "SELECT item_id, revision, vector FROM vectors WHERE bundle = ?"
            values: list[Any] = [bundle_number(sql, bundle_id), item_id]
            statement += " AND item_id = ?"
            if at_revision is not None:
                statement, values = statement + " AND revision <= ?", [*values, at_revision]
            row = sql.one(statement + " ORDER BY revision DESC LIMIT 1", values)
            return None if row is None else ItemVector(*row)

    def vectors_replaced(self, bundle_id: str) -> int:
        """Return the store's revision when an item last got another vector."""
        with self._database.reading() as sql:
            statement = "SELECT replaced_revision FROM bundles WHERE bundle_id = ?"
            row = sql.one(statement, (bundle_id,))
            return 0 if row is None else int(row[0])


def note_change(sql: Sql, kind: str, revision: int) -> None:
    """Say that a kind of thing changed."""
    sql.run(
        "INSERT INTO changes VALUES (?, ?)"
        " ON CONFLICT (kind) DO UPDATE SET revision = excluded.revision",
        (kind, revision),
    )


def _title(attributes: Mapping[str, Any]) -> str:
    """Return the title as it is searched for."""
    title = attributes.get("title")
    return "" if title is None else str(title).casefold()


def _read(row: Row) -> StoredItem:
    item_id, attributes, revision, number, hidden = row
    return StoredItem(item_id, json.loads(attributes), revision, number, bool(hidden))
