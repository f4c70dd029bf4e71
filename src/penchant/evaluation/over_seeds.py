"""Two ways of training, several seeds of each, on the same targets: is one better?

Each target's metric is averaged over the seeds of a way before users are drawn, so that chance in
training counts less; what chance is left between seeds is told beside it, not in the interval.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from penchant.errors import UsageError
from penchant.evaluation.intervals import NUM_DRAWS, bootstrap_mean, paired_difference
from penchant.evaluation.metrics import checked_ks, rank_metrics
from penchant.evaluation.ranking import Progress, Ranker, Ranking, rank_targets
from penchant.evaluation.summary import Figures, missed
from penchant.events.arrays import LogArrays, Part


@dataclass(frozen=True)
class SeedsComparison:
    """What two ways of training came to.

    Parameters
    ----------
    first, second
        Means over targets and seeds, with intervals over users.
    difference
        first − second, with paired intervals over users.
    by_seed
        Means over targets, seed by seed, of the first and of the second, by metric.
    num_users, num_targets
        What the means are over; targets that are themselves seen are left out under the filter.
    """

    first: Figures
    second: Figures
    difference: Figures
    by_seed: dict[str, tuple[list[float], list[float]]]
    num_users: int
    num_targets: int


def compare_over_seeds(
    first: Sequence[Ranker],
    second: Sequence[Ranker],
    log: LogArrays,
    num_items: int,
    part: Part = Part.TEST,
    *,
    ks: Sequence[int] = (10,),
    exclude_seen: bool = True,
    seen_event_types: Collection[int] | None = None,
    num_draws: int = NUM_DRAWS,
    progress: Progress | None = None,
) -> SeedsComparison:
    """Rank every target of a part under the rankers of both ways, all in one walk.

    Parameters
    ----------
    first, second
        One ranker per seed; the two need not have the same number of seeds.
    log
        The prepared histories, all parts.
    num_items
        Size of the catalogue.
    part
        The part whose events are targets.
    ks
        Lengths of the lists.
    exclude_seen, seen_event_types
        As in `evaluate`.
    num_draws
        Bootstrap samples.
    progress
        Called with the targets ranked so far and all.

    Raises
    ------
    InputError
        When the part holds no events.
    ConfigError
        When a list length is below 1.
    UsageError
        When one of the two has no ranker.
    """
    if not first or not second:
        raise UsageError(
            "A comparison needs a ranker for each of its two sides but got "
            f"{len(first)} and {len(second)}.",
            "Give at least one seed of each.",
        )
    lengths = checked_ks(list(ks))
    named = {
        f"{side} {seed}": ranker
        for side, rankers in (("first", first), ("second", second))
        for seed, ranker in enumerate(rankers)
    }
    ranking = rank_targets(
        named,
        log,
        part,
        np.zeros(num_items),
        ks=lengths,
        exclude_seen=exclude_seen,
        seen_event_types=seen_event_types,
        progress=progress,
    )
    return _compared(ranking, len(first), lengths, num_draws)


def _compared(
    ranking: Ranking, num_first: int, ks: tuple[int, ...], num_draws: int
) -> SeedsComparison:
    kept = ~ranking.is_left_out
    user = ranking.user[kept]
    of_seed = [
        rank_metrics(missed(ranked.rank[kept], ranking.num_items), ks)
        for ranked in ranking.by_ranker.values()
    ]
    sides, means, by_seed = {}, {}, {}
    for name in of_seed[0]:
        values = np.stack([metrics[name] for metrics in of_seed])  # (S, M)
        sides[name] = values[:num_first].mean(0), values[num_first:].mean(0)
        means[name] = [bootstrap_mean(side, user, num_draws=num_draws) for side in sides[name]]
        seeds = values.mean(1).tolist()
        by_seed[name] = seeds[:num_first], seeds[num_first:]
    return SeedsComparison(
        first={name: both[0] for name, both in means.items()},
        second={name: both[1] for name, both in means.items()},
        difference={
            name: paired_difference(*both, user, num_draws=num_draws)
            for name, both in sides.items()
        },
        by_seed=by_seed,
        num_users=len(np.unique(user)),
        num_targets=len(user),
    )
