"""Figures of parts of the targets, from the ranks that are there: nothing is ranked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.evaluation.ranking import Ranking
from penchant.evaluation.summary import Figures, RankerSummary, ranked_values


@dataclass(frozen=True)
class Slice:
    """Some of the targets, as a report has all of them.

    Parameters
    ----------
    num_users, num_targets
        What the means are over.
    metrics, baselines, differences
        As in `Report`.
    """

    num_users: int
    num_targets: int
    metrics: Figures
    baselines: dict[str, Figures]
    differences: dict[str, Figures]

    def to_dict(self) -> dict[str, Any]:
        """Return the slice as plain JSON values; NaN becomes None."""
        return {
            "num_users": self.num_users,
            "num_targets": self.num_targets,
            "metrics": plain(self.metrics),
            "baselines": {name: plain(figures) for name, figures in self.baselines.items()},
            "differences": {name: plain(figures) for name, figures in self.differences.items()},
        }


def plain(figures: Figures) -> dict[str, dict[str, float | None]]:
    """Return figures as JSON has them."""
    return {name: estimate.to_dict() for name, estimate in figures.items()}


def by_warmth(
    ranking: Ranking, item_counts: np.ndarray, names: list[str], *, num_draws: int, seed: int
) -> dict[str, Slice]:
    """Return `warm_items` and `cold_items`, or nothing where no target is on a cold item.

    Parameters
    ----------
    ranking
        All rankers on all targets.
    item_counts
        (I,) training events of each item. An item outside the vocabulary is cold as well.
    names
        The ranker in question, then its baselines.
    num_draws, seed
        Of the bootstrap.
    """
    is_cold = np.append(item_counts == 0, True)[ranking.item]  # -1 is the last
    kept = ~ranking.is_left_out
    if not (is_cold & kept).any():
        return {}
    parts = {"warm_items": kept & ~is_cold, "cold_items": kept & is_cold}
    return {
        name: _slice(ranking.where(chosen), names, num_draws=num_draws, seed=seed)
        for name, chosen in parts.items()
        if chosen.any()
    }


def _slice(ranking: Ranking, names: list[str], **draws: int) -> Slice:
    found: Mapping[str, RankerSummary] = {
        name: RankerSummary(
            ranked_values(ranking.by_ranker[name], ranking.num_items), ranking, **draws
        )
        for name in names
    }
    model, *others = names
    return Slice(
        num_users=len(np.unique(ranking.user)),
        num_targets=len(ranking.user),
        metrics=found[model].figures(),
        baselines={name: found[name].figures() for name in others},
        differences={name: found[model].minus(found[name]) for name in others},
    )
