"""What a store says of itself and of what it deleted: counts, place by place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ForgetReceipt:
    """What was deleted when a user was forgotten, place by place.

    Parameters
    ----------
    num_event_ids
        Ids kept against repeats, those of events deleted before included.
    through_ms
        Events of this user up to this time are refused from now on.
    num_attributes
        Attributes of the user.
    num_impressions
        Lists served to and shown to the user.
    not_reached
        Where copies may be that this store cannot delete, one sentence each.
    """

    user_id: str
    num_events: int
    num_event_ids: int
    num_memories: int
    through_ms: int
    num_attributes: int = 0
    num_snapshots: int = 0
    num_impressions: int = 0
    not_reached: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RetainReceipt:
    """What was cut from the logs, and of how many users."""

    num_users: int = 0
    num_events: int = 0
    num_impressions: int = 0

    def __add__(self, other: RetainReceipt) -> RetainReceipt:
        return RetainReceipt(
            self.num_users + other.num_users,
            self.num_events + other.num_events,
            self.num_impressions + other.num_impressions,
        )

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much a store holds.

    Parameters
    ----------
    num_users
        Users with events.
    memory_bytes
        Of all memories.
    num_profiles
        Users with attributes.
    disk_bytes
        Of all files of the store, or what its server says.
    process_bytes
        What the store may hold in this process: its data, or the caches before its files.
    """

    num_users: int
    num_events: int
    num_memories: int
    num_items: int
    num_tombstones: int
    memory_bytes: int
    num_profiles: int = 0
    num_snapshots: int = 0
    snapshot_bytes: int = 0
    num_impressions: int = 0
    num_item_vectors: int = 0
    disk_bytes: int = 0
    process_bytes: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)
