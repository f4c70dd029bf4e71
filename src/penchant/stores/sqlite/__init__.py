"""The embedded durable store: one SQLite file in write-ahead mode, shared by processes."""

from penchant.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
