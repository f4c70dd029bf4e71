"""What a few answers are worth: items chosen to ask about against the most popular and random ones.

    python benchmarks/onboarding.py RUN [--data DATA] [--held-out new|half] [-k 10] [--users 1000]

Held-out users say which of the items they know, the model folds that, and its list is held against
the rest of what they did. `new` are users without training events; `half` asks one half of all by
questions chosen on the other half, the model having been trained on both.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from penchant.evaluation import bootstrap_mean, paired_difference
from penchant.events import PreparedData
from penchant.recommender import Recommender
from penchant.seeds import stream
from penchant.serving.batches import aligned
from penchant.serving.onboarding import answered, onboarding, question_pool
from penchant.serving.ranking import Ranker

NUM_RANDOM = 5
MIN_ITEMS = 20
"""Items that a held-out user must have: of a shorter history little is left to be found."""

METRICS = ("ndcg@10", "recall@10", "ndcg@100")


@dataclass(frozen=True)
class HeldOut:
    """Users who were held out, `did` (U, I) bool what they did, and data without them."""

    users: np.ndarray
    did: np.ndarray
    others: PreparedData

    @classmethod
    def of(cls, ranker: Ranker, data: PreparedData, how: str) -> HeldOut:
        """Take new users, or one half of all."""
        log = aligned(data.log, data, ranker)
        did = np.zeros((log.num_users, ranker.num_items), dtype=bool)
        known = log.where(log.item_index >= 0)
        did[known.user, known.item_index] = True
        is_new = log.train.lengths == 0
        if how == "half":
            is_new = stream(0, "held-out users").random(log.num_users) < 0.5
        others = replace(data, log=data.log.where(~is_new[data.log.user]))
        users = np.flatnonzero(is_new & (did.sum(1) >= MIN_ITEMS))
        return cls(users, did[users], others)


def asked(ranker: Ranker, did: np.ndarray, items: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return (U, 3) metrics of lists after the answers to questions, items of `out` left out."""
    answers = [tuple(items[knows].tolist()) for knows in did[:, items]]
    distinct = list(dict.fromkeys(answers))
    place = {answer: row for row, answer in enumerate(distinct)}
    lists = np.concatenate(
        [
            best(answered(ranker, distinct[at : at + 500]), out)
            for at in range(0, len(distinct), 500)
        ]
    )
    wanted = did.copy()
    wanted[:, out] = False
    return judged(lists[[place[answer] for answer in answers]], wanted)


def best(scores: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return (n, 100) items, best first, without some."""
    scores[:, out] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :100]


def judged(lists: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return (U, 3) the metrics of lists (U, L), ten or longer; the last one is of all L."""
    hits = np.take_along_axis(wanted, lists, 1)
    gains = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    num_wanted = np.maximum(wanted.sum(1), 1)
    ideal = np.cumsum(gains)

    def ndcg(k: int) -> np.ndarray:
        return hits[:, :k] @ gains[:k] / ideal[np.minimum(num_wanted, k) - 1]

    return np.stack([ndcg(10), hits[:, :10].sum(1) / num_wanted, ndcg(lists.shape[1])], axis=1)


def told(name: str, values: np.ndarray, beside: np.ndarray | None = None) -> None:
    """Print the means of (U, M) metrics, or paired differences, with intervals over users."""
    user = np.arange(len(values))
    cells = []
    for column in range(values.shape[1]):
        of_column = values[:, column]
        found = (
            bootstrap_mean(of_column, user)
            if beside is None
            else paired_difference(of_column, beside[:, column], user)
        )
        sign = "" if beside is None else "+"
        cells.append(f"{found.value:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]")
    print(f"{name:<34}" + "  ".join(f"{cell:<26}" for cell in cells), flush=True)


def compare(
    ranker: Ranker, did: np.ndarray, ways: dict[str, list[np.ndarray]], out: Iterable[int]
) -> None:
    """Print every way of asking on the same targets, and what the first has over the others.

    Several sets of questions under one name count as their mean.
    """
    left_out = np.unique(np.array(list(out), np.int64))
    found = {
        name: np.mean([asked(ranker, did, items, left_out) for items in sets], axis=0)
        for name, sets in ways.items()
    }
    for name, values in found.items():
        told(name, values)
    first, *others = found
    for name in others:
        told(f"{first} - {name}", found[first], found[name])


def main() -> None:
    """Choose, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--data")
    parser.add_argument("--held-out", choices=["new", "half"], default="new")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--users", type=int, default=1_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rec = Recommender.load(given.run)
    data, ranker, k = rec.data(given.data), rec.ranker, given.k
    held = HeldOut.of(ranker, data, given.held_out)
    train = aligned(held.others.log.train, data, ranker)
    pairs = np.unique(np.stack([train.user, train.item_index]), axis=1)
    pool = question_pool(np.bincount(pairs[1], minlength=ranker.num_items), k)
    chosen = onboarding(ranker, held.others, k, num_users=given.users)
    items = ranker.items.indices(chosen.item_ids)
    draw = stream(0, "random questions")
    ways = {
        "chosen": [items],
        "most popular": [pool[:k]],
        "random of the pool": [draw.choice(pool, k, replace=False) for _ in range(NUM_RANDOM)],
        "nothing": [pool[:0]],
    }
    print(f"{len(held.did):,} held-out users; pool of {len(pool)}, {chosen.num_users:,} simulated")
    for name in ("chosen", "most popular"):
        answers = held.did[:, ways[name][0]].sum(1)
        none = (answers == 0).mean()
        print(f"{name}: {answers.mean():.2f} items known of {k}, {none:.1%} know none")
    print(f"\n{'targets outside the pool':<34}" + "  ".join(f"{name:<26}" for name in METRICS))
    compare(ranker, held.did, ways, pool)
    print("\ntargets outside the two sets")
    compare(ranker, held.did, {**ways, "random of the pool": ways["random of the pool"][:1]}, [
        *items, *pool[:k]
    ])  # fmt: skip


if __name__ == "__main__":
    main()
