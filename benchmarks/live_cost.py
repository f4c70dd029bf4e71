"""What one event and one list cost in process, for short and for long histories.

    python benchmarks/live_cost.py [RUN]

RUN is a trained run or bundle; without one a model of the default recipe with random weights and
10,000 items is used. The store is `memory://`; one thread.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import polars as pl
import torch

from penchant import EventLog, Live
from penchant.bundle import Bundle
from penchant.config import Config
from penchant.training.setup import fresh_model

LENGTHS = (10, 1_000, 10_000)


def untrained(num_items: int = 10_000) -> Bundle:
    """Return a bundle of the default recipe, never trained: it costs as much as a trained one."""
    ids = [f"i{index}" for index in range(num_items)]
    frame = pl.DataFrame({"user_id": ["u"] * num_items, "item_id": ids})
    log = EventLog.read(frame.with_columns(timestamp=pl.int_range(pl.len())))
    data = log.prepare(split="leave-one-out")
    config = Config.load("default")
    return Bundle.of(fresh_model(data, config).eval(), config, data)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    bundle = Bundle.load(sys.argv[1]) if len(sys.argv) > 1 else untrained()
    items = bundle.vocabulary.ids
    draw = np.random.default_rng(0)
    with Live(bundle, clock=lambda: 2e9) as live:
        for length in LENGTHS:
            user = f"u{length}"
            picks = draw.integers(len(items), size=length + 200)
            events = [
                {"user_id": user, "item_id": items[pick], "timestamp": float(place)}
                for place, pick in enumerate(picks)
            ]
            live.observe(events[:length])
            observed, listed = [], []
            for event in events[length:]:
                start = time.perf_counter()
                live.observe(event)
                middle = time.perf_counter()
                live.recommend(user, k=10)
                observed.append(middle - start)
                listed.append(time.perf_counter() - middle)
            print(
                f"history {length:6,}: observe {1e3 * statistics.median(observed):.2f} ms, "
                f"recommend {1e3 * statistics.median(listed):.2f} ms (medians of 200)"
            )


if __name__ == "__main__":
    main()
