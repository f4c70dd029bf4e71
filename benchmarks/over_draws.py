"""Runs of several ways of training on several draws of held-out items, all targets in one figure.

    python benchmarks/over_draws.py graph=RUN,RUN,RUN text=RUN,RUN,RUN [--on validation]
        [--candidates cold] [--baselines mean_text,random]

The first runs of all ways were trained on one draw, the second ones on another, and so on. With few
cold targets a draw, one draw says little. Differences are those of each way and baseline against
the ones behind it, paired over targets.
"""

from __future__ import annotations

import sys
from itertools import combinations

import numpy as np
import torch

from compare_runs import Asked, asked_for, compared
from penchant.evaluation import bootstrap_mean, paired_difference
from penchant.training import Run
from value_of_time import told

METRIC = "ndcg@10"


def pooled(
    ways: dict[str, list[Run]], asked: Asked
) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """Return (M,) the figure of every target, draw by draw, and whose they are; no user twice."""
    values: dict[str, list[np.ndarray]] = {}
    users: list[np.ndarray] = []
    for draw in range(len(next(iter(ways.values())))):
        found, user, _ = compared({name: [runs[draw]] for name, runs in ways.items()}, asked)
        for name, way in found.items():
            values.setdefault(name, []).append(way.mean(METRIC))
        users.append(user + 1 + max((each.max() for each in users), default=-1))
    return values, np.concatenate(users)


def show(values: dict[str, list[np.ndarray]], user: np.ndarray) -> None:
    """Print figures, draw by draw and over all, and the differences."""
    print(f"{len(user):,} targets; {METRIC}, 95 % intervals over users and draws\n")
    whole = {name: np.concatenate(draws) for name, draws in values.items()}
    for name, draws in values.items():
        each = ", ".join(f"{draw.mean():.4f}" for draw in draws)
        print(f"  {name:12} {told(bootstrap_mean(whole[name], user))}  ({each})")
    print()
    for one, other in combinations(whole, 2):
        difference = paired_difference(whole[one], whole[other], user)
        print(f"  {one} − {other}: {told(difference, '+')}")


def main() -> None:
    """Rank and print."""
    ways, asked = asked_for(__doc__.splitlines()[0], "cold", "mean_text,random")
    if len({len(runs) for runs in ways.values()}) > 1:
        sys.exit("Every way needs one run for each draw.")
    with torch.inference_mode():
        show(*pooled(ways, asked))


if __name__ == "__main__":
    main()
