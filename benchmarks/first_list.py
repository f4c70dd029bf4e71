"""First lists for users of whom there is no event: by segment, of all, and what variety costs.

    python benchmarks/first_list.py RUN [--data DATA] [--held-out new|half]

Counts are made anew of the users who were not held out, so that runs of older versions serve too.
Likeness is the mean cosine between items of a list, seen from the middle of the 50 most popular.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import polars as pl
import torch

from onboarding import MIN_ITEMS, HeldOut, judged, told
from penchant.baselines import SegmentPopular
from penchant.config import build_roles
from penchant.recommender import Recommender
from penchant.serving.first_list import DIVERSITY, POOL, diversified
from penchant.serving.ranking import Ranker, best_first

LENGTH, MOST_USERS = 10, 1_500
DIVERSITIES = (0.0, 0.05, DIVERSITY, 0.2, 0.4)


def first_lists(
    ranker: Ranker, popular: SegmentPopular, users: pl.DataFrame, diversity: float
) -> np.ndarray:
    """Return (U, 10) first lists of users with these attributes."""
    table = ranker.table.detach().float().numpy()
    found = []
    for shares in popular.shares(users):
        pool = best_first(shares.copy(), POOL * LENGTH, np.array([], int))
        order = diversified(shares[pool] / shares[pool[0]], table[pool], LENGTH, diversity)
        found.append(pool[order])
    return np.stack(found)


def likeness(ranker: Ranker, popular: SegmentPopular, lists: np.ndarray) -> float:
    """Return the mean cosine between items of a list."""
    table = ranker.table.detach().numpy()
    around = table - table[np.argsort(-popular.whole)[: 5 * LENGTH]].mean(0)
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12)
    length = lists.shape[1]
    means = [
        ((around[row] @ around[row].T).sum() - length) / (length * (length - 1)) for row in lists
    ]
    return float(np.mean(means))


def main() -> None:
    """Count, list, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--data")
    parser.add_argument("--held-out", choices=["new", "half"], default="new")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rec = Recommender.load(given.run)
    data, ranker = rec.data(given.data), rec.ranker
    assert data.items == rec.bundle.vocabulary, "counts and vectors must be of the same items"
    held = HeldOut.of(ranker, data, given.held_out)
    ids = pl.DataFrame({"user_id": data.users.series})
    chosen = held.users[:MOST_USERS]
    users = (ids if data.user_table is None else data.user_table)[chosen]
    popular = SegmentPopular.of(held.others, build_roles(rec.config, data.event_types))
    whole = popular.with_strength(float("inf"))
    train = held.others.log.train
    every = np.bincount(train.item_index, minlength=len(data.items)).astype(float)
    all_time = replace(whole, whole=every)
    [empty] = ranker.scores(ranker.begin(1), [None])
    of_model = best_first(empty, LENGTH, np.array([], int))
    print(
        f"{users.height:,} held-out users of {MIN_ITEMS} items or more; chosen: {popular.chosen}, "
    )
    print(f"strength {popular.strength:g}, segments {popular.segments.sizes}\n")
    ways = {
        f"segment, diversity {each:g}": first_lists(ranker, popular, users, each)
        for each in DIVERSITIES
    }
    ways["recent, all users"] = first_lists(ranker, whole, users, 0.0)
    ways["all time, all users"] = first_lists(ranker, all_time, users, 0.0)
    ways["model, empty history"] = np.tile(of_model, (len(users), 1))
    values = {name: judged(lists, held.did[:MOST_USERS])[:, :2] for name, lists in ways.items()}
    print(f"{'':<34}{'ndcg@10':<26}  recall@10")
    for name, found in values.items():
        told(f"{name} ({likeness(ranker, whole, ways[name]):.2f})", found)
    first = f"segment, diversity {0:g}"
    print()
    for name in (f"segment, diversity {DIVERSITY:g}", "recent, all users", "model, empty history"):
        told(f"{first} - {name}", values[first], values[name])


if __name__ == "__main__":
    main()
