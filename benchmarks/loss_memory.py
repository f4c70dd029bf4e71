"""What losses over large catalogues cost: peak memory, targets per second, and where sampling pays.

    python benchmarks/loss_memory.py [softmax] [training] [choice]

`softmax`: the full softmax of one batch of 65,536 targets over 100,000 items, forward and backward.
`training`: a training with a sampled softmax on a log of 1,000,000 items that is drawn here, from
the prepared log to the bundle. `choice`: microseconds a target of either loss by catalogue. All at
width 64 on one thread, each part in a process of its own, whose peak is printed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import polars as pl
import torch

from penchant.config import Config
from penchant.events import FeatureEncoder, LogArrays, Part, PreparedData, Vocabulary
from penchant.heads import DotProductHead
from penchant.losses import FullSoftmax, SampledSoftmax, Targets
from penchant.training import train

WIDTH = 64


def peak_mb() -> float:
    """Return the most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def question(num_items: int, num_targets: int) -> tuple[torch.Tensor, torch.Tensor, Targets]:
    """Return random interest vectors, an item table, and targets."""
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn(num_targets, WIDTH, generator=draw).requires_grad_()
    table = (torch.randn(num_items, WIDTH, generator=draw) * WIDTH**-0.5).requires_grad_()
    item = torch.randint(num_items, (num_targets,), generator=draw)
    weight = torch.full((num_targets,), 1 / num_targets)
    return vectors, table, Targets(item, torch.ones(num_targets), weight)


def softmax(num_items: int = 100_000, num_targets: int = 65_536) -> None:
    """Measure one batch of the full softmax."""
    vectors, table, targets = question(num_items, num_targets)
    before, head = peak_mb(), DotProductHead(num_items)
    started = time.perf_counter()
    FullSoftmax()(vectors, table, head, targets).backward()
    seconds = time.perf_counter() - started
    rate = 6 * num_items * num_targets * WIDTH / seconds / 1e9
    print(
        f"full softmax, {num_items:,} items x {num_targets:,} targets: peak {peak_mb():,.0f} MB "
        f"({before:,.0f} MB before), {seconds:.1f} s, {num_targets / seconds:,.0f} targets/s, "
        f"{rate:.0f} GFLOP/s"
    )


def drawn_data(num_items: int, num_users: int, seed: int = 0) -> PreparedData:
    """Return a log of many items: each user walks about a place of the catalogue."""
    draw = np.random.default_rng(seed)
    lengths = np.clip(draw.lognormal(3.0, 0.8, num_users), 5, 200).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    home = np.repeat(draw.integers(num_items, size=num_users), lengths)
    item = (home + draw.zipf(1.5, offsets[-1]) % 5_000) % num_items
    part = np.full(offsets[-1], Part.TRAIN, np.int8)
    part[offsets[1:] - 1] = Part.VALIDATION
    none = np.zeros(offsets[-1], np.int64)
    time_ms = 60_000 * np.arange(offsets[-1])
    ids = [f"item {index}" for index in range(num_items)]
    table = pl.DataFrame({"item_id": ids})
    return PreparedData(
        log=LogArrays(item, none, none.astype(np.float32), time_ms, part, offsets),
        users=Vocabulary([f"user {index}" for index in range(num_users)]),
        items=Vocabulary(table["item_id"]),
        item_table=table,
        user_table=None,
        event_types=("event",),
        encoder=FeatureEncoder.fit(table),
        manifest={"fingerprint": "drawn", "split": "leave-one-out"},
    )


def training(num_items: int = 1_000_000, num_users: int = 12_000) -> None:
    """Measure an epoch of a training with a sampled softmax, checkpoints and bundle included."""
    data = drawn_data(num_items, num_users)
    settings = {
        "width": WIDTH,
        "items.kind": "identity",
        "encoder.kind": "gru",
        "loss.num_negatives": 512,
        "training.batch_events": 4_096,
        "training.num_epochs": 1,
        "training.validation_users": 200,
        "training.num_threads": 1,
        "training.tracker": "none",
    }
    before = peak_mb()
    with tempfile.TemporaryDirectory() as directory:
        config = Config.load("default", settings, {})
        result = train(data, config, f"{directory}/run", reporter="plain")
    chosen = result.bundle.config
    print(
        f"training, {num_items:,} items, {result.history[0]['num_targets']:,} targets, "
        f"{chosen.loss.kind}, {chosen.training.optimizer}: peak {result.peak_memory_mb:,.0f} MB "
        f"({before:,.0f} MB before), {result.targets_per_s:,.0f} targets/s"
    )


def choice(num_targets: int = 4_096, repeats: int = 3) -> None:
    """Measure either loss for catalogues of several sizes, in turn."""
    for num_items in (3_416, 12_101, 25_000, 50_000, 100_000):
        vectors, table, targets = question(num_items, num_targets)
        head = DotProductHead(num_items)
        losses = {"full": FullSoftmax(), "sampled": SampledSoftmax(torch.ones(num_items))}
        found: dict[str, list[float]] = {name: [] for name in losses}
        for _ in range(repeats):
            for name, loss in losses.items():
                started = time.process_time()
                loss(vectors, table, head, targets).backward()
                found[name].append(time.process_time() - started)
        costs = {
            name: statistics.median(times) / num_targets * 1e6 for name, times in found.items()
        }
        print(
            f"{num_items:7,} items: full {costs['full']:7.1f} us a target, 512 negatives "
            f"{costs['sampled']:6.1f} us"
        )


PARTS = {"softmax": softmax, "training": training, "choice": choice}


def main() -> None:
    """Measure each part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="|".join(PARTS))
    parser.add_argument("--here", action="store_true", help="measure in this process")
    told = parser.parse_args()
    for part in told.parts:
        if told.here:
            torch.set_num_threads(1)
            PARTS[part]()
        else:
            subprocess.run([sys.executable, __file__, "--here", part], check=True)


if __name__ == "__main__":
    main()
