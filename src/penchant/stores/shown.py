"""What was offered and what was shown, and what came of it: the material of later estimates."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from penchant.stores.records import LoggedEvent


@dataclass(frozen=True, slots=True)
class ServedItem:
    """An item in a slot of a list.

    Parameters
    ----------
    score
        What the model gave it.
    policy
        What put it there: the model's order, or the name of a policy.
    probability
        That this item would stand in this slot; 1 where the slot was not drawn.
    """

    item_id: str
    score: float
    policy: str = "rank"
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class ServedList:
    """A list that was answered, best first; `user_id` is `None` for somebody unknown."""

    request_id: str
    user_id: str | None
    items: tuple[ServedItem, ...]
    model_version: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class ShownList:
    """What was really shown of a list: items and their positions on the page, from 1."""

    request_id: str
    user_id: str | None
    items: tuple[tuple[str, int], ...]
    time_ms: int


@dataclass(frozen=True, slots=True)
class Impression:
    """All that is known of one request: what was served, what was shown, and what came of it."""

    request_id: str
    served: ServedList | None = None
    shown: tuple[ShownList, ...] = ()
    events: tuple[LoggedEvent, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Document:
    """A named setting of the service (policies, the model in use), as JSON values.

    Parameters
    ----------
    revision
        Grows with every put and is the key of compare-and-set; 0 where there is none.
    """

    name: str
    content: Any = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what and when; `number` rises. Users are never named here."""

    number: int
    time_ms: int
    who: str
    what: str
    before: Any = field(default=None)
    after: Any = field(default=None)
