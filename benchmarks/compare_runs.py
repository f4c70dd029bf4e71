"""Runs of several ways of training on the same data, seeds averaged: figures, slices, differences.

    python benchmarks/compare_runs.py linear=RUN,RUN,RUN transformer=RUN,RUN,RUN [--on validation]

The differences are those of the first way against each other one, paired over targets. Slices are
by the number of events before a target.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from penchant.bundle import Bundle
from penchant.config import build_roles
from penchant.encoders import state_bytes
from penchant.evaluation import ModelRanker, bootstrap_mean, paired_difference
from penchant.evaluation.metrics import rank_metrics
from penchant.evaluation.ranking import Ranking, rank_targets
from penchant.evaluation.summary import missed
from penchant.events import Part, PreparedData
from penchant.training import Run
from value_of_time import told

METRICS = ("ndcg@10", "hit@10")
SLICES = (("≤ 50", 0, 50), ("51–200", 51, 200), ("> 200", 201, sys.maxsize))


@dataclass(frozen=True)
class Way:
    """The runs of one way of training.

    Parameters
    ----------
    bundles
        The best model of each seed.
    minutes
        What each training took, validation included.
    values
        (S, M) of each metric: every seed's figure for every target.
    """

    bundles: list[Bundle]
    minutes: list[float]
    values: dict[str, np.ndarray]

    @property
    def state_bytes(self) -> int:
        """Bytes of one user's memory, that of the readout included."""
        return state_bytes(self.bundles[0].model.initial_state(1))

    def mean(self, metric: str) -> np.ndarray:
        """Return (M,) the mean over seeds."""
        return self.values[metric].mean(0)


def minutes_of(run: Run) -> float:
    """Return the minutes that the epochs of a run and their validations took."""
    lines = run.history.read_text(encoding="utf-8").splitlines()
    epochs = [json.loads(line) for line in lines]
    return sum(epoch["train_s"] + epoch["validation_s"] for epoch in epochs) / 60


def common_data(runs: Sequence[Run]) -> PreparedData:
    """Return the data that all runs were trained on; ends the program where they differ."""
    fingerprints = {run.manifest["data"]["fingerprint"] for run in runs}
    if len(fingerprints) > 1:
        sys.exit("These runs were trained on different data; compare runs of one.")
    data = PreparedData.load(runs[0].manifest["data"]["path"])
    if data.fingerprint not in fingerprints:
        sys.exit("The data of these runs has changed since they were trained; prepare it again.")
    return data


def ranked(
    data: PreparedData, bundles: Mapping[str, list[Bundle]], part: Part
) -> tuple[Ranking, np.ndarray]:
    """Rank the targets of a part under every bundle, in one walk; with the events before each."""
    first = next(iter(bundles.values()))[0]
    roles = build_roles(first.config, data.event_types)
    log = roles.with_targets(data.log)
    rankers = {
        f"{name} {place}": ModelRanker(bundle.model, roles=roles)
        for name, each in bundles.items()
        for place, bundle in enumerate(each)
    }
    ranking = rank_targets(
        rankers,
        log,
        part,
        np.zeros(data.num_items),
        exclude_seen=first.config.evaluation.exclude_seen,
        seen_event_types=roles.seen_types,
    )
    row = np.flatnonzero(log.part == part)  # targets are ranked in the order of the log
    assert (log.user[row] == ranking.user).all(), "every target is ranked once, in order"
    return ranking, row - log.offsets[log.user[row]]


def compared(
    runs: Mapping[str, list[Run]], part: Part
) -> tuple[dict[str, Way], np.ndarray, np.ndarray]:
    """Return the ways, and of each target the user and the events before it."""
    data = common_data([run for each in runs.values() for run in each])
    bundles = {name: [Bundle.load(run.bundle) for run in each] for name, each in runs.items()}
    ranking, before = ranked(data, bundles, part)
    kept = ~ranking.is_left_out
    metrics = [
        rank_metrics(missed(found.rank[kept], ranking.num_items), (10,))
        for found in ranking.by_ranker.values()
    ]
    ways, start = {}, 0
    for name, each in runs.items():
        own = metrics[start : start + len(each)]
        values = {metric: np.stack([found[metric] for found in own]) for metric in METRICS}
        ways[name] = Way(bundles[name], [minutes_of(run) for run in each], values)
        start += len(each)
    return ways, ranking.user[kept], before[kept]


def sliced(before: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each slice that holds a target: its name and (M,) whether a target is in it."""
    for title, low, high in SLICES:
        inside = (before >= low) & (before <= high)
        if inside.any():
            yield title, inside


def show(ways: Mapping[str, Way], user: np.ndarray, before: np.ndarray) -> None:
    """Print the table, the slices and the differences."""
    print(f"{len(user):,} targets of {len(np.unique(user)):,} users; 95 % intervals over users\n")
    for name, way in ways.items():
        print(f"{name}: {way.state_bytes:,} bytes a user, {np.median(way.minutes):.0f} min a seed")
        for metric in METRICS:
            seeds = ", ".join(f"{value:.4f}" for value in way.values[metric].mean(1))
            print(f"  {metric:8} {told(bootstrap_mean(way.mean(metric), user))}  ({seeds})")
    print(f"\n{METRICS[0]} by events before the target")
    for title, inside in sliced(before):
        each = [f"{name} {way.mean(METRICS[0])[inside].mean():.4f}" for name, way in ways.items()]
        print(f"  {title:>7}, {inside.sum():,} targets: {', '.join(each)}")
    first, *others = ways
    for other in others:
        print(f"\n{first} − {other}")
        for metric in METRICS:
            both = ways[first].mean(metric), ways[other].mean(metric)
            print(f"  {metric:8} {told(paired_difference(*both, user), '+')}")
        for title, inside in sliced(before):
            both = ways[first].mean(METRICS[0])[inside], ways[other].mean(METRICS[0])[inside]
            print(f"  {title:>7}  {told(paired_difference(*both, user[inside]), '+')}")


def main() -> None:
    """Rank and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="+", metavar="NAME=RUN,RUN", help="seeds of one way")
    parser.add_argument("--on", choices=("test", "validation"), default="test")
    asked = parser.parse_args()
    runs = {}
    for way in asked.ways:
        name, _, paths = way.partition("=")
        if not paths:
            parser.error(f"a way is NAME=RUN,RUN, but is {way!r}")
        runs[name] = [Run(Path(path)) for path in paths.split(",")]
    if asked.on == "test":
        for each in runs.values():
            for run in each:
                run.count_test_look()
    with torch.inference_mode():
        show(*compared(runs, Part[asked.on.upper()]))


if __name__ == "__main__":
    main()
