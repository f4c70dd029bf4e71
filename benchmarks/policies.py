"""Times what policies cost a list: eligibility, arranging 200 candidates, a filter, a change.

`python benchmarks/policies.py [items]`. Medians of processor time, so that a busy machine shows
less than it does in elapsed time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from penchant.policies import (
    Arranger,
    Context,
    Happened,
    ItemColumns,
    Scored,
    Shown,
    parse_filter,
    policies_from_dict,
)
from penchant.policies.matching import matching

NOW_MS, DAY_S = 1_777_636_800_000, 86_400
CAPS = {
    "caps": [{"field": "category", "most": 3}, {"field": "brand", "most": 1, "first": 5}],
}
EXPLORATION = {"exploration": {"slots": {"high": 4, "low": 8}, "weighting": "softmax"}}
EVERYTHING = {
    **CAPS,
    "seen": {"recent": [{"event_types": ["view"], "days": 30}]},
    "lists": {"deny": ["9"]},
    "filter": {"all": [{"field": "price", "op": "lt", "value": 400}]},
    "impressions": {"max_without_click": 3},
    "diversity": {"mmr_weight": 0.2, "calibration_weight": 0.2},
    **EXPLORATION,
    "promotions": [{"name": "spring", "item_id": "5", "position": 2}],
}
SETTINGS = {
    "default": {},
    "caps": CAPS,
    "mmr": {"diversity": {"mmr_weight": 0.2}},
    "calibration": {"diversity": {"calibration_weight": 0.2}},
    "exploration": EXPLORATION,
    "everything": EVERYTHING,
    "everything, half of the lists": {
        **EVERYTHING,
        "exploration": {**EXPLORATION["exploration"], "list_share": 0.5},
    },
}


def median_us(work: Callable[[], object], times: int = 300) -> float:
    """Return the median processor time of a call in microseconds."""
    work()
    taken = []
    for _ in range(times):
        begin = time.thread_time_ns()
        work()
        taken.append(time.thread_time_ns() - begin)
    return float(np.median(taken)) / 1000


def rows(size: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Return items of 30 categories, two each, and 2,000 brands; 1 in 500 is new."""
    categories = rng.integers(0, 30, (size, 2)).tolist()
    brands, prices = rng.integers(0, 2000, size).tolist(), rng.integers(1, 500, size).tolist()
    ages = (rng.random(size) * 7000 * DAY_S).tolist()
    return [
        {
            "category": [f"c{one}" for one in its],
            "brand": f"b{brand}",
            "price": float(price),
            "created_at": NOW_MS / 1000 - age,
        }
        for its, brand, price, age in zip(categories, brands, prices, ages, strict=True)
    ]


def main(size: int) -> None:
    rng = np.random.default_rng(0)
    items = rows(size, rng)
    begin = time.process_time()
    columns = ItemColumns.of(items)
    built = time.process_time() - begin
    print(f"{size:,} items of 4 attributes: columns in {built:.1f} s", flush=True)
    print(f"  one item changed     {median_us(lambda: columns.put(7, items[7])):8.0f} µs")
    price = {"field": "price", "op": "lt", "value": 400}
    others = {"not": {"field": "category", "op": "in", "value": ["c1", "c2"]}}
    asked = parse_filter({"all": [price, others]})
    print(f"  two conditions, new  {median_us(lambda: matching(columns, asked), 20):8.0f} µs")
    vectors = rng.normal(size=(size, 64)).astype(np.float32)
    context = Context(
        10,
        NOW_MS,
        "request",
        seen=np.unique(rng.integers(0, size, 200)),
        history=Happened(
            rng.integers(0, size, 200), np.full(200, NOW_MS), np.zeros(200, int), ("view",)
        ),
        shown=Shown(rng.integers(0, size, 500), np.full(500, NOW_MS)),
    )
    for name, policies in SETTINGS.items():
        arranger = Arranger(policies_from_dict(policies), columns, int)
        plan = arranger.plan(context)
        eligible = np.flatnonzero(plan.eligible.mask())
        best = np.sort(rng.choice(eligible, 200, replace=False))
        found = Scored(best, np.sort(rng.normal(size=200))[::-1], vectors[best])
        extra = Scored(plan.extra, rng.normal(size=len(plan.extra)), vectors[plan.extra])
        planned = median_us(lambda: arranger.plan(context))  # noqa: B023  timed at once
        arranged = median_us(lambda: arranger.arrange(plan, found, extra))  # noqa: B023
        masked = median_us(plan.eligible.mask)
        print(
            f"  {name:30s} plan {planned:6.0f}   mask {masked:5.0f}   arrange {arranged:6.0f} µs"
            f"   ({len(plan.pool)} new items)"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
