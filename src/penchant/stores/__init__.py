"""Keep events and memories: one contract, and the stores that fulfil it."""

from penchant.stores.base import (
    ForgetReceipt,
    LoggedEvent,
    Memory,
    Outcome,
    Store,
    StoredUser,
    StoreStats,
)
from penchant.stores.memory import InProcessStore
from penchant.stores.urls import blot, open_store

__all__ = [
    "ForgetReceipt",
    "InProcessStore",
    "LoggedEvent",
    "Memory",
    "Outcome",
    "Store",
    "StoreStats",
    "StoredUser",
    "blot",
    "open_store",
]
