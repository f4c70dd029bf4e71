"""What a search takes, finds and holds, by kind of index: 100,000 items and more.

    python benchmarks/index_speed.py [RUN] [--items 100000 1000000] [--widths 64 128]

Without RUN the tables are drawn: clusters of clusters, lengths and biases that differ, interests
between items of which one counts most. With RUN the table and users are those of a trained model.
Times are of one user at a time, one thread: median and 99th percentile, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

from penchant import Recommender
from penchant.indexes import ApproximateIndex, ExactIndex, Index, choose_index
from penchant.packed import NO_TIME

BLOCK = 100_000
NUM_SAMPLE = 400
"""Interests by which indexes are tuned; others are searched for."""


class World(NamedTuple):
    """Item vectors (I, D), biases (I,), interests to tune by and to search for (n, K, D)."""

    name: str
    vectors: np.ndarray
    bias: np.ndarray
    sample: np.ndarray
    asked: np.ndarray


def drawn(num_items: int, width: int, num_asked: int) -> World:
    """Return a table as trained ones are: not white noise."""
    draw = np.random.default_rng(0)
    spread = (1 + np.arange(width)) ** -0.35
    num_clusters = max(16, num_items // 400)
    above = draw.standard_normal((24, width)) * spread
    centres = 0.8 * (
        above[draw.integers(24, size=num_clusters)]
        + draw.standard_normal((num_clusters, width)) * spread
    )
    size = draw.zipf(1.6, num_clusters).clip(max=200)
    vectors = np.empty((num_items, width), np.float32)
    for start in range(0, num_items, BLOCK):
        block = vectors[start : start + BLOCK]
        cluster = draw.choice(num_clusters, len(block), p=size / size.sum())
        block[:] = centres[cluster] + 0.6 * spread * draw.standard_normal(block.shape)
        block *= np.exp(0.2 * draw.standard_normal((len(block), 1)))
    bias = (0.8 * draw.standard_normal(num_items)).astype(np.float32)
    total = NUM_SAMPLE + num_asked
    weights = draw.dirichlet(np.full(4, 0.6), total)
    picks = vectors[draw.integers(num_items, size=(total, 4))]
    interests = np.einsum("bn,bnd->bd", weights, picks)
    interests = interests + 0.35 * spread * draw.standard_normal((total, width))
    queries = interests.astype(np.float32)[:, None]
    name = f"{num_items:,} items, width {width}"
    return World(name, vectors, bias, queries[:NUM_SAMPLE], queries[NUM_SAMPLE:])


@torch.inference_mode()
def of_run(path: str, num_asked: int) -> World:
    """Return the table of a trained model, and the interests of its users after their histories."""
    rec = Recommender.load(path)
    model, ranker = rec.ranker.model, rec.ranker
    assert model.head.is_product, "an index searches for the head's score only if it is a product"
    data = rec.data()
    draw = np.random.default_rng(0)
    users = draw.permutation(data.log.num_users)[: NUM_SAMPLE + num_asked]
    state = ranker.fold(data.log.users(users))
    queries = model.read(state, ranker._query([NO_TIME] * len(users))).vectors.numpy()
    table = ranker.table
    keys = torch.cat([model.head.keys(table[:, : model.width]), table[:, model.width :]], 1)
    cut = min(NUM_SAMPLE, len(users) // 2)
    name = f"{path}: {keys.shape[0]:,} items, width {keys.shape[1]}"
    bias = model.head.biases(len(table)).numpy()
    return World(name, keys.numpy(), bias, queries[:cut], queries[cut:][:num_asked])


def timed(search: Callable[[int], object], num: int) -> np.ndarray:
    """Return (num,) milliseconds."""
    search(0)
    times = np.empty(num)
    for place in range(num):
        start = time.perf_counter()
        search(place)
        times[place] = 1e3 * (time.perf_counter() - start)
    return times


def two(times: np.ndarray) -> str:
    """Return median and 99th percentile."""
    return f"{np.median(times):7.3f} {np.quantile(times, 0.99):7.2f}"


def recall(index: Index, world: World, best: np.ndarray, k: int) -> float:
    """Return the share of the k best that is found."""
    found = index.search(world.asked[: len(best)], k).indices
    return float(np.mean([np.isin(best[user, :k], row).mean() for user, row in enumerate(found)]))


def row(name: str, make: Callable[[], Index], world: World, best: np.ndarray) -> str:
    """Return a line of the table."""
    start = time.perf_counter()
    index = make()
    index.wait()
    built = time.perf_counter() - start
    asked, size = world.asked, len(world.vectors)
    num = len(asked) if size <= 2 * BLOCK or not index.is_exact else min(30, len(asked))
    draw = np.random.default_rng(1)
    few, many = (draw.integers(size, size=(num, length)) for length in (100, 10_000))
    third, hundredth = draw.random(size) < 0.3, draw.random(size) < 0.01
    columns = [
        timed(lambda i: index.search(asked[i : i + 1], 10), num),
        timed(lambda i: index.search(asked[i : i + 1], 10, excluded=few[i : i + 1]), num),
        timed(lambda i: index.search(asked[i : i + 1], 10, excluded=many[i : i + 1]), num),
        timed(lambda i: index.search(asked[i : i + 1], 10, third), min(num, 40)),
        timed(lambda i: index.search(asked[i : i + 1], 10, hundredth), min(num, 40)),
    ]
    users = asked[:64]
    batch = np.median(timed(lambda _: index.search(users, 10), 3)) / len(users)
    ten, hundred = (recall(index, world, best, k) for k in (10, 100))
    facts = index.facts
    put = np.median(timed(lambda i: index.put([i], world.vectors[i : i + 1]), 20))
    index.close()
    times = "  ".join(two(each) for each in columns)
    beside = facts.num_bytes - world.vectors.nbytes
    return (
        f"{name:<12}{facts.detail:<18}{times}  {batch:7.3f}  {ten:.3f} {hundred:.3f}"
        f"{built:8.1f}{beside / 2**20:8.0f}{put:7.2f}"
    )


def told(world: World) -> None:
    """Print the table of one world."""
    vectors, bias, sample = world.vectors, world.bias, world.sample
    print(f"\n{world.name} ({vectors.nbytes / 2**20:,.0f} MiB of vectors)")
    heads = ("search", "100 seen", "10,000 seen", "filter 30 %", "filter 1 %")
    print(f"{'':<30}{''.join(f'{head:<17}' for head in heads)}", end="")
    print("of 64    recall@10 @100 build s MiB beside  put ms")
    best = ExactIndex(vectors, bias).search(world.asked[:200], 100).indices
    makes: dict[str, Callable[[], Index]] = {
        "exact": lambda: ExactIndex(vectors, bias),
        "exact int8": lambda: ExactIndex(vectors, bias, "int8"),
        "approximate": lambda: ApproximateIndex(vectors, bias, queries=sample),
        "chosen": lambda: choose_index(vectors, bias, queries=sample),
    }
    for name, make in makes.items():
        print(row(name, make, world, best), flush=True)


def main() -> None:
    """Draw or load, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--items", type=int, nargs="+", default=[BLOCK])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--searches", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.run:
        told(of_run(given.run, given.searches))
    else:
        for num_items in given.items:
            for width in given.widths:
                told(drawn(num_items, width, given.searches))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nMost memory of this process: {most:.1f} GiB")


if __name__ == "__main__":
    main()
