"""The contract on a file of SQLite."""

from penchant.stores import SqliteStore

from .contract import StoreContract


class TestSqliteStore(StoreContract):
    def make_store(self, tmp_path):
        return SqliteStore(tmp_path / "store.db")
