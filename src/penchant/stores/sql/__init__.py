"""The contract of a store in SQL that any engine speaks; how an engine is reached stands outside.

An engine brings a `Database` (connections, transactions) and its schema; statements have `?` for
values, `ON CONFLICT` and pairs that are compared; no name of a column is a word of SQL.
"""

from penchant.stores.sql.database import Database, Sql
from penchant.stores.sql.sealing import Vault
from penchant.stores.sql.store import SqlStore

__all__ = ["Database", "Sql", "SqlStore", "Vault"]
