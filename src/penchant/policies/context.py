"""What a list is asked with: the user's side of it, as arrays of item indices.

Everything that eligibility, arrangement and chance depend on stands here or in the policies, so
that the same asking gives the same list.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from penchant.policies.filters import Filter


def nothing() -> np.ndarray:
    """Return (0,) int64."""
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Happened:
    """Events of a user, in any order; those of unknown items have index -1.

    Parameters
    ----------
    item_index, time_ms
        (n,) each.
    event_type
        (n,) indices into `type_names`.
    """

    item_index: np.ndarray = field(default_factory=nothing)
    time_ms: np.ndarray = field(default_factory=nothing)
    event_type: np.ndarray = field(default_factory=nothing)
    type_names: tuple[str, ...] = ()

    def is_of(self, names: tuple[str, ...]) -> np.ndarray:
        """Return (n,) bool, which events are of one of the named types."""
        named = np.array([name in names for name in self.type_names] or [False], bool)
        return named[self.event_type]


@dataclass(frozen=True, slots=True)
class Shown:
    """Impressions of a user, in any order: which item, and when, (n,) each."""

    item_index: np.ndarray = field(default_factory=nothing)
    time_ms: np.ndarray = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Context:
    """One asking for a list.

    Parameters
    ----------
    k
        Length of the list.
    request_id
        What the draws of exploration depend on, beside the seed.
    seen
        Items that the user's memory holds as seen.
    exclude_seen
        What the request says of them; None: as the policies say.
    history
        Events of the user, for what looks at times, types or categories.
    shown
        Impressions of the user.
    allow
        Candidates of the request; None: all items.
    deny
        Items that the request leaves out.
    filter
        Filter of the request.
    num_events
        (I,) events that are known of each item, where `exploration.max_events` is set.
    """

    k: int
    now_ms: int
    request_id: str = ""
    seen: np.ndarray = field(default_factory=nothing)
    exclude_seen: bool | None = None
    history: Happened = field(default_factory=Happened)
    shown: Shown = field(default_factory=Shown)
    allow: np.ndarray | None = None
    deny: np.ndarray = field(default_factory=nothing)
    filter: Filter | None = None
    num_events: np.ndarray | None = None
