"""A small catalogue whose lists can be worked out by hand, and a search over it."""

from __future__ import annotations

import numpy as np

from penchant.policies import (
    Arranged,
    Arranger,
    Context,
    ItemColumns,
    Scored,
    policies_from_dict,
)

DAY_MS = 86_400_000
NOW_MS = 1_777_636_800_000  # 2026-05-01T12:00:00Z

ITEMS = [
    {"category": "red", "price": 5, "created_at": "2026-04-30"},
    {"category": "red", "price": 12, "created_at": "2020-01-01"},
    {"category": "red|blue", "price": 7, "created_at": "2026-04-29"},
    {"category": "blue", "price": 3, "created_at": "2019-01-01", "available": True},
    {"category": "green", "price": 30},
    {"category": "blue", "price": 9, "created_at": "2026-05-01"},
    {"price": 1, "created_at": "2026-04-28"},
    {"category": "green", "price": 2, "created_at": "2021-06-01", "available": False},
]
SCORES = np.array([0.9, 0.8, 0.75, 0.6, 0.55, 0.3, 0.2, 0.1])
VECTORS = np.array(
    [[1, 0], [1, 0.1], [0.7, 0.8], [-0.2, 1], [-1, -0.3], [0, 0.9], [0.2, -1], [-0.8, 0]], float
)


def index_of(item_id: str) -> int | None:
    """Return the index of "i0", "i1", …; None for other ids."""
    number = item_id.removeprefix("i")
    return int(number) if item_id.startswith("i") and number.isdigit() else None


def arranger(columns: ItemColumns | None = None, **policies: object) -> Arranger:
    """Return an arranger of these policies over the small catalogue."""
    columns = ItemColumns.of(ITEMS) if columns is None else columns
    return Arranger(policies_from_dict(policies), columns, index_of)


def scored(items: np.ndarray, scores: np.ndarray = SCORES) -> Scored:
    """Return items with their scores and vectors."""
    vectors = np.resize(VECTORS, (len(scores), 2))
    return Scored(items, scores[items], vectors[items])


def listed(
    arranging: Arranger, context: Context | None = None, k: int = 4, scores: np.ndarray = SCORES
) -> Arranged:
    """Return the list that the whole walk gives, with an exact search."""
    plan = arranging.plan(context or Context(k, NOW_MS))
    eligible = np.flatnonzero(plan.eligible.mask())
    best = eligible[np.argsort(-scores[eligible], kind="stable")]
    return arranging.filled(
        plan, lambda size: scored(best[:size], scores), lambda items: scored(items, scores)
    )


def indices(arranged: Arranged) -> list[int]:
    """Return the items of a list."""
    return [one.item_index for one in arranged]
