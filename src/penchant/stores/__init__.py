"""Keep events and memories: one contract, and the stores that fulfil it."""

from penchant.stores.base import Store
from penchant.stores.memory import InProcessStore
from penchant.stores.receipts import ForgetReceipt, RetainReceipt, StoreStats
from penchant.stores.records import (
    ItemVector,
    LoggedEvent,
    Memory,
    Outcome,
    Snapshot,
    Standing,
    StoredItem,
    StoredUser,
)
from penchant.stores.shown import (
    AuditEntry,
    Document,
    Impression,
    ServedItem,
    ServedList,
    ShownList,
)
from penchant.stores.sqlite import SqliteStore
from penchant.stores.urls import blot, is_store_url, open_store

__all__ = [
    "AuditEntry",
    "Document",
    "ForgetReceipt",
    "Impression",
    "InProcessStore",
    "ItemVector",
    "LoggedEvent",
    "Memory",
    "Outcome",
    "RetainReceipt",
    "ServedItem",
    "ServedList",
    "ShownList",
    "Snapshot",
    "SqliteStore",
    "Standing",
    "Store",
    "StoreStats",
    "StoredItem",
    "StoredUser",
    "blot",
    "is_store_url",
    "open_store",
]
