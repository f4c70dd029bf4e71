"""Runs of several ways of training on the same data, seeds averaged: figures, slices, differences.

    python benchmarks/compare_runs.py linear=RUN,RUN,RUN transformer=RUN,RUN,RUN [--on validation]
        [--candidates cold] [--baselines mean_text,random] [--new-item-bonus 1]

The differences are those of the first way against each other one and each baseline, paired over
targets. Slices are by the number of events before a target, and by whether its item has training
events.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from penchant.baselines import fit_baselines
from penchant.bundle import Bundle
from penchant.config import build_roles
from penchant.encoders import state_bytes
from penchant.evaluation import ModelRanker, bootstrap_mean, paired_difference
from penchant.evaluation.comparison import CHANCE
from penchant.evaluation.data import with_candidates
from penchant.evaluation.metrics import chance_metrics, rank_metrics
from penchant.evaluation.ranking import Ranker, Ranking, rank_targets
from penchant.evaluation.summary import missed
from penchant.events import Part, PreparedData
from penchant.sequences.candidates import CHOICES
from penchant.training import Run
from penchant.training.baseline_texts import baseline_vectors
from penchant.training.content import item_counts, reads_text
from value_of_time import told

METRICS = ("ndcg@10", "hit@10")
SLICES = (("≤ 50", 0, 50), ("51–200", 51, 200), ("> 200", 201, sys.maxsize))


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    Parameters
    ----------
    part
        Whose events are targets.
    candidates
        `all`, `warm` or `cold`.
    baselines
        By kind, `random` among them.
    new_item_bonus
        Added to the scores of items that came after training.
    """

    part: Part
    candidates: str
    baselines: list[str]
    new_item_bonus: float


@dataclass(frozen=True)
class Way:
    """The runs of one way of training, or a baseline.

    Parameters
    ----------
    values
        (S, M) of each metric: every seed's figure for every target.
    bundles
        The best model of each seed; none of a baseline.
    minutes
        What each training took, validation included.
    """

    values: dict[str, np.ndarray]
    bundles: list[Bundle] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)

    @property
    def told(self) -> str:
        """What it costs: bytes of one user's memory, that of the readout included, and time."""
        if not self.bundles:
            return "a baseline"
        size = state_bytes(self.bundles[0].model.initial_state(1))
        return f"{size:,} bytes a user, {np.median(self.minutes):.0f} min a seed"

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


def fitted(
    data: PreparedData, bundles: Mapping[str, list[Bundle]], asked: Asked
) -> dict[str, Ranker]:
    """Return the baselines that are asked for, under the rules that the first runs trained for."""
    first = next(iter(bundles.values()))[0].config
    texts = [each[0].config for each in bundles.values() if reads_text(each[0].config)]
    kinds = [kind for kind in asked.baselines if kind != CHANCE]
    roles = build_roles(first, data.event_types)
    restricted, candidates = with_candidates(data, asked.part, asked.candidates)
    return dict(
        fit_baselines(
            restricted.log,
            data.num_items,
            kinds,
            first.evaluation.exclude_seen,
            roles,
            candidates=candidates,
            vectors=baseline_vectors(data, (texts or [first])[0], kinds),
        )
    )


def ranked(
    data: PreparedData, bundles: Mapping[str, list[Bundle]], asked: Asked
) -> tuple[Ranking, np.ndarray]:
    """Rank the targets under every bundle and baseline, in one walk; with the events before each.

    Bundles are called by their way and their place in it.
    """
    first = next(iter(bundles.values()))[0]
    roles = build_roles(first.config, data.event_types)
    rankers: dict[str, Ranker] = {
        f"{name} {place}": ModelRanker(
            bundle.model,
            roles=roles,
            profiles=bundle.profiles(data.user_table),
            new_item_bonus=asked.new_item_bonus,
        )
        for name, each in bundles.items()
        for place, bundle in enumerate(each)
    }
    restricted, candidates = with_candidates(data, asked.part, asked.candidates)
    log = roles.with_targets(restricted.log)
    ranking = rank_targets(
        {**rankers, **fitted(data, bundles, asked)},
        log,
        asked.part,
        np.zeros(data.num_items),
        exclude_seen=first.config.evaluation.exclude_seen,
        seen_event_types=roles.seen_types,
        candidates=candidates,
    )
    row = np.flatnonzero(log.part == asked.part)  # targets are ranked in the order of the log
    assert (log.user[row] == ranking.user).all(), "every target is ranked once, in order"
    return ranking, row - log.offsets[log.user[row]]


def compared(
    runs: Mapping[str, list[Run]], asked: Asked
) -> tuple[dict[str, Way], np.ndarray, dict[str, np.ndarray]]:
    """Return the ways, the user of each target, and which targets are in each slice."""
    data = common_data([run for each in runs.values() for run in each])
    bundles = {name: [Bundle.load(run.bundle) for run in each] for name, each in runs.items()}
    ranking, before = ranked(data, bundles, asked)
    kept = ~ranking.is_left_out
    metrics = {
        name: rank_metrics(missed(found.rank[kept], ranking.num_items), (10,))
        for name, found in ranking.by_ranker.items()
    }
    if CHANCE in asked.baselines:
        metrics[CHANCE] = chance_metrics(ranking.num_listable[kept], (10,))
    ways = {}
    for name, each in runs.items():
        own = [metrics[f"{name} {place}"] for place in range(len(each))]
        ways[name] = Way(_stacked(own), bundles[name], [minutes_of(run) for run in each])
    ways |= {kind: Way(_stacked([metrics[kind]])) for kind in asked.baselines}
    is_cold = np.append(item_counts(data) == 0, True)[ranking.item[kept]]
    return ways, ranking.user[kept], dict(sliced(before[kept], is_cold))


def _stacked(metrics: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {metric: np.stack([found[metric] for found in metrics]) for metric in METRICS}


def sliced(before: np.ndarray, is_cold: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each slice that holds a target: its name and (M,) whether a target is in it."""
    for title, low, high in SLICES:
        inside = (before >= low) & (before <= high)
        if inside.any():
            yield title, inside
    if is_cold.any() and not is_cold.all():
        yield "warm", ~is_cold
        yield "cold", is_cold


def show(ways: Mapping[str, Way], user: np.ndarray, slices: Mapping[str, np.ndarray]) -> None:
    """Print the table, the slices and the differences."""
    print(f"{len(user):,} targets of {len(np.unique(user)):,} users; 95 % intervals over users\n")
    for name, way in ways.items():
        print(f"{name}: {way.told}")
        for metric in METRICS:
            seeds = ", ".join(f"{value:.4f}" for value in way.values[metric].mean(1))
            print(f"  {metric:8} {told(bootstrap_mean(way.mean(metric), user))}  ({seeds})")
    print(f"\n{METRICS[0]} by events before the target, and by whether its item was trained on")
    for title, inside in slices.items():
        each = [f"{name} {way.mean(METRICS[0])[inside].mean():.4f}" for name, way in ways.items()]
        print(f"  {title:>7}, {inside.sum():,} targets: {', '.join(each)}")
    first, *others = ways
    for other in others:
        print(f"\n{first} − {other}")
        for metric in METRICS:
            both = ways[first].mean(metric), ways[other].mean(metric)
            print(f"  {metric:8} {told(paired_difference(*both, user), '+')}")
        for title, inside in slices.items():
            both = ways[first].mean(METRICS[0])[inside], ways[other].mean(METRICS[0])[inside]
            print(f"  {title:>7}  {told(paired_difference(*both, user[inside]), '+')}")


def asked_for(
    summary: str, candidates: str = "all", baselines: str = ""
) -> tuple[dict[str, list[Run]], Asked]:
    """Return the runs of every way and what is to be compared, from the command line.

    A look at the test part is counted in the runs.
    """
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("ways", nargs="+", metavar="NAME=RUN,RUN", help="the runs of one way")
    parser.add_argument("--on", choices=("test", "validation"), default="test")
    parser.add_argument("--candidates", choices=CHOICES, default=candidates)
    parser.add_argument("--baselines", metavar="KIND,KIND", default=baselines, help="beside them")
    parser.add_argument("--new-item-bonus", type=float, default=0.0, help="in log-odds")
    asked = parser.parse_args()
    runs = {}
    for way in asked.ways:
        name, _, paths = way.partition("=")
        if not paths:
            parser.error(f"a way is NAME=RUN,RUN, but is {way!r}")
        runs[name] = [Run(Path(path)) for path in paths.split(",")]
    if asked.on == "test":
        for run in (run for each in runs.values() for run in each):
            run.count_test_look()
    kinds = [kind for kind in asked.baselines.split(",") if kind]
    part = Part[asked.on.upper()]
    return runs, Asked(part, asked.candidates, kinds, asked.new_item_bonus)


def main() -> None:
    """Rank and print."""
    runs, asked = asked_for(__doc__.splitlines()[0])
    with torch.inference_mode():
        show(*compared(runs, asked))


if __name__ == "__main__":
    main()
