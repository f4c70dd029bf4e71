"""Targets trained per second, and what the layer with its own backward and the fused softmax give.

    python benchmarks/training_speed.py [DATA] [--width 128] [--events 60000]

DATA is a folder made by `penchant prepare`; without one a log like MovieLens is drawn. Both sides
of a ratio run in turn in one process, on one thread; medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from penchant.config import Config, build_loss, build_model
from penchant.encoders.recurrent import plain_recurrence
from penchant.events import LogArrays, PreparedData
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.training.objective import Objective


def drawn_log(num_users: int = 1_000, num_items: int = 3_416) -> LogArrays:
    """Return histories with the lengths and the popularity of a film log."""
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.lognormal(4.6, 0.9, num_users), 20, 2_000).astype(np.int64)
    size = int(lengths.sum())
    items = np.minimum(draw.zipf(1.3, size) - 1, num_items - 1)
    zeros = np.zeros(size)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return LogArrays(items, zeros, zeros, np.arange(size) * 1_000, zeros, offsets)


def seconds(run: Callable[[], object]) -> float:
    """Return the processor time of a call, which other processes disturb least."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    torch.set_num_threads(1)
    log, num_items = drawn_log(), 3_416
    if told.data:
        data = PreparedData.load(told.data)
        log, num_items = data.log.train, data.num_items
    config = Config.load("ml-1m", {"width": told.width})
    model = build_model(config, num_items, 1)
    objective = Objective(build_loss(config, np.ones(num_items)), told.width)
    loader = TrainingLoader(log, 200, config.training.batch_events, seed=0)
    batches: list[TrainingBatch] = []
    for batch in loader.epoch(0):
        batches.append(batch)
        if sum(each.num_targets for each in batches) >= told.events:
            break
    targets = sum(batch.num_targets for batch in batches)

    def train(form: str) -> None:
        with plain_recurrence() if form != "fused" else nullcontext():
            for batch in batches:
                objective(model, batch)[0].total.backward()

    times: dict[str, list[float]] = {"fused": [], "torch recurrence": []}
    for _ in range(told.repeats):
        for form in times:
            times[form].append(seconds(lambda form=form: train(form)))
    print(f"{targets:,} targets, {num_items:,} items, width {told.width}, one thread")
    for form, found in times.items():
        middle = statistics.median(found)
        print(f"  {form:18} {middle:7.2f} s   {targets / middle:9,.0f} targets/s")
    ratio = statistics.median(
        slow / fast for slow, fast in zip(times["torch recurrence"], times["fused"], strict=True)
    )
    print(f"  the whole step is {ratio:.2f} times as fast with the layer's own backward")
    softmax_ratio(num_items, told.width, told.repeats)


def softmax_ratio(num_items: int, width: int, repeats: int) -> None:
    """Print how much faster the partition in blocks is than all scores at once."""
    from penchant.losses import log_partition

    vectors = torch.randn(8_192, width, requires_grad=True)
    table = (torch.randn(num_items, width) * 0.1).requires_grad_()
    bias, weight = torch.zeros(num_items), torch.full((8_192,), 1 / 8_192)
    blocks, whole = [], []
    for _ in range(repeats):
        blocks.append(seconds(lambda: log_partition(vectors, table, bias, weight).backward()))
        whole.append(seconds(lambda: (vectors @ table.T).logsumexp(1).mean().backward()))
    ratio = statistics.median(slow / fast for slow, fast in zip(whole, blocks, strict=True))
    print(f"  full softmax, 8,192 targets: {ratio:.2f} times as fast in blocks")


if __name__ == "__main__":
    main()
