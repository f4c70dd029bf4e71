"""From the ranks of one ranker to means with intervals, counted in three ways.

`events`: the mean over targets under the protocol; `per_user`: the mean of the users' means;
`unfiltered`: the mean over all targets without the filter. One seed draws the same users for every
ranker, so that differences are paired.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from penchant.evaluation.intervals import Estimate, estimate, resampled_ratios, user_sums
from penchant.evaluation.metrics import chance_metrics, rank_metrics
from penchant.evaluation.ranking import RankedTargets, Ranking

NEVER: Final = 2**62

Figures = dict[str, Estimate]
"""Estimates by metric name, such as `ndcg@10`."""


@dataclass(frozen=True)
class TargetValues:
    """What every target is worth under one ranker.

    Parameters
    ----------
    filtered, unfiltered
        (M,) values by the name of the metric, under the protocol and without the filter; NaN where
        there is none.
    coverage
        Share of the candidates listed, by name.
    """

    filtered: dict[str, np.ndarray]
    unfiltered: dict[str, np.ndarray]
    coverage: dict[str, float] = field(default_factory=dict)


def ranked_values(ranked: RankedTargets, num_items: int) -> TargetValues:
    """Return what a ranker's places are worth."""
    ks = tuple(ranked.novelty)
    filtered = rank_metrics(missed(ranked.rank, num_items), ks)
    filtered |= {f"novelty@{k}": values for k, values in ranked.novelty.items()}
    unfiltered = rank_metrics(missed(ranked.unfiltered, num_items), ks)
    coverage = {f"coverage@{k}": share for k, share in ranked.coverage.items()}
    return TargetValues(filtered, unfiltered, coverage)


def chance_values(ranking: Ranking, ks: tuple[int, ...]) -> TargetValues:
    """Return what a list of the candidates in random order is worth on average, exactly."""
    filtered = chance_metrics(ranking.num_listable, ks)
    filtered |= {f"novelty@{k}": np.full(len(ranking.user), np.nan) for k in ks}
    return TargetValues(filtered, chance_metrics(ranking.num_candidates, ks))


class RankerSummary:
    """All figures of one ranker.

    Parameters
    ----------
    values
        How the ranker did.
    ranking
        The targets it was asked for.
    num_draws
        Bootstrap samples; 0 leaves the intervals out.
    seed
        Seed of the draws, the same for rankers that are to be compared.
    """

    def __init__(
        self, values: TargetValues, ranking: Ranking, *, num_draws: int, seed: int
    ) -> None:
        named, every = values.filtered, values.unfiltered
        users, place = np.unique(ranking.user, return_inverse=True)
        sums, counts = _sums(named, ~ranking.is_left_out, place, len(users))
        has_targets = counts > 0
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=has_targets)
        plain, all_counts = _sums(every, np.ones(len(place), dtype=bool), place, len(users))
        top = np.concatenate([sums, means, plain], axis=1)
        bottom = np.concatenate([counts, has_targets, all_counts], axis=1)
        self._columns = [
            *((way, name) for way in ("events", "per_user") for name in named),
            *(("unfiltered", name) for name in every),
        ]
        self._coverage = {name: Estimate(share) for name, share in values.coverage.items()}
        total = bottom.sum(0)
        nothing = np.full(len(total), np.nan)
        self._values = np.divide(top.sum(0), total, out=nothing, where=total > 0)
        self._draws = resampled_ratios(top, bottom, num_draws=num_draws, seed=seed)

    def figures(self, way: str = "events") -> Figures:
        """Return the estimates of one way of counting; coverage stands with the first."""
        found = {
            name: estimate(self._values[place], self._draws[:, place])
            for place, (counted, name) in enumerate(self._columns)
            if counted == way
        }
        return {**found, **self._coverage} if way == "events" else found

    def minus(self, other: RankerSummary) -> Figures:
        """Return this ranker's means over targets less another's, with paired intervals."""
        values, draws = self._values - other._values, self._draws - other._draws
        return {
            name: estimate(values[place], draws[:, place])
            for place, (counted, name) in enumerate(self._columns)
            if counted == "events"
        }


def missed(rank: np.ndarray, num_items: int) -> np.ndarray:
    """Put a target that no list holds beyond every k, even one above the catalogue's size."""
    return np.where(rank > num_items, NEVER, rank)


def _sums(
    named: dict[str, np.ndarray], keep: np.ndarray, place: np.ndarray, num_users: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (U, Q) sums and counts of the values that are kept and are numbers."""
    values = np.stack(list(named.values()), axis=1)  # (M, Q)
    counted = np.isfinite(values) & keep[:, None]
    return (
        user_sums(np.where(counted, values, 0.0), place, num_users),
        user_sums(counted.astype(np.float64), place, num_users),
    )
