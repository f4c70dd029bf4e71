"""What an index tells of itself, for metrics and for whoever chose it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """What was measured when an index was built, and what holds now.

    Parameters
    ----------
    kind
        What answers now: `exact` or `approximate`.
    detail
        How, in a word or two: `float32`, `int8`, `64 of 632 lists`.
    recall
        Share of the ten best that are found, as measured; 1 of an exact index.
    search_ms
        Median time of a search for one user's ten best; None until it was measured.
    num_items
        Items that may be found.
    num_extra
        Those that came since the index was built, and are compared one by one.
    num_bytes
        Memory of rows and index; the vectors may be the caller's own.
    built_at
        When it was built, in seconds since 1970.
    is_building
        Whether another is being built in the background.
    reason
        Why this one answers, or what went wrong with another.
    """

    kind: str
    detail: str
    recall: float
    search_ms: float | None
    num_items: int
    num_extra: int
    num_bytes: int
    built_at: float
    is_building: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the facts by name."""
        return asdict(self)
