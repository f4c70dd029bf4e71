"""The tables of a store in SQLite, and the steps from one version of them to the next.

Users stand in no table by their id: a digest finds them, and the id is sealed under a key of
theirs. So is every text that tells what they did. `docs/decisions` says why.
"""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x50454E43
"""Marks a file as a store of Penchant ("PENC"), so that no other program's file is touched."""

_FIRST: Final = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('revision', 0), ('user', 0), ('item', 0), ('bundle', 0),
    ('impression', 0), ('audit', 0);

-- Rows come in order, keep their size, and are overwritten but never deleted: no copy is ever made
-- of them when a page is split or joined, so that an overwritten key is gone.
CREATE TABLE keys (number INTEGER PRIMARY KEY, key BLOB NOT NULL);

CREATE TABLE users (
    number INTEGER PRIMARY KEY, blind BLOB NOT NULL UNIQUE, user_id BLOB NOT NULL,
    num_events INTEGER NOT NULL DEFAULT 0, last_sequence INTEGER NOT NULL DEFAULT 0,
    log_revision INTEGER NOT NULL DEFAULT 0, is_complete INTEGER NOT NULL DEFAULT 1,
    first_revision INTEGER NOT NULL DEFAULT 0, forgotten_ms INTEGER, cut_ms INTEGER,
    attributes_revision INTEGER NOT NULL DEFAULT 0, attributes BLOB
);
CREATE TABLE tombstones (
    blind BLOB PRIMARY KEY, through_ms INTEGER NOT NULL, revision INTEGER NOT NULL
) WITHOUT ROWID;

-- Clustered by user: a history is read in a few pages. Of a deleted event the row stays without
-- item and content.
CREATE TABLE events (
    owner INTEGER NOT NULL, sequence INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    event_digest INTEGER NOT NULL, item_digest INTEGER, request_digest INTEGER,
    item_revision INTEGER NOT NULL, value REAL, arrival_time INTEGER NOT NULL, content BLOB,
    PRIMARY KEY (owner, sequence)
) WITHOUT ROWID;
CREATE INDEX events_by_id ON events (event_digest);
CREATE INDEX events_by_item ON events (item_digest) WHERE item_digest IS NOT NULL;
CREATE INDEX events_by_request ON events (request_digest) WHERE request_digest IS NOT NULL;
CREATE TABLE offsets (source TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE bundles (
    number INTEGER PRIMARY KEY, bundle_id TEXT NOT NULL UNIQUE,
    replaced_revision INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE memories (
    place INTEGER PRIMARY KEY, num_events INTEGER NOT NULL, last_time_ms INTEGER,
    applied_through INTEGER NOT NULL, revision INTEGER NOT NULL, fold_revision INTEGER NOT NULL,
    items_revision INTEGER NOT NULL, seen BLOB NOT NULL, state BLOB NOT NULL
);
CREATE TABLE snapshots (
    place INTEGER NOT NULL, num_events INTEGER NOT NULL, last_time_ms INTEGER NOT NULL,
    applied_through INTEGER NOT NULL, revision INTEGER NOT NULL, fold_revision INTEGER NOT NULL,
    items_revision INTEGER NOT NULL, seen BLOB NOT NULL, state BLOB NOT NULL,
    UNIQUE (place, applied_through)
);

CREATE TABLE items (
    number INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
    attributes TEXT NOT NULL, revision INTEGER NOT NULL, hidden INTEGER NOT NULL
);
CREATE INDEX items_by_title ON items (title);
CREATE INDEX items_by_revision ON items (revision);
CREATE TABLE vectors (
    bundle INTEGER NOT NULL, item_id TEXT NOT NULL, revision INTEGER NOT NULL,
    vector BLOB NOT NULL, PRIMARY KEY (bundle, item_id, revision)
) WITHOUT ROWID;

CREATE TABLE impressions (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, request_digest INTEGER NOT NULL, owner INTEGER,
    time_ms INTEGER NOT NULL, content BLOB NOT NULL
);
CREATE INDEX impressions_by_request ON impressions (request_digest);
CREATE INDEX impressions_by_user ON impressions (owner) WHERE owner IS NOT NULL;
CREATE INDEX impressions_by_time ON impressions (time_ms);

CREATE TABLE documents (
    name TEXT PRIMARY KEY, content TEXT NOT NULL, revision INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE changes (kind TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL
);
"""

MIGRATIONS: Final = (_FIRST,)
"""Statements that lead from version n to n + 1; a new file goes through all of them."""

VERSION: Final = len(MIGRATIONS)
