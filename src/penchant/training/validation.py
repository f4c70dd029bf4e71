"""The figures of a model on the validation part, as early stopping reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from penchant.config import Config, build_labels, build_roles
from penchant.evaluation.binary import BinarySummary, binary_targets
from penchant.evaluation.metrics import METRICS
from penchant.evaluation.model_ranker import ModelRanker
from penchant.events import Part, PreparedData
from penchant.events.arrays import LogArrays
from penchant.items import Profiles
from penchant.model import InterestModel
from penchant.sequences.ranking import cut_block, listable, ranks, seen_items
from penchant.sequences.targets import target_blocks

SHOWN = ("ndcg@10", "hit@10", "mrr@10")
"""What is recorded beside the metric of early stopping."""


def has_targets(data: PreparedData, config: Config) -> bool:
    """Return whether the validation part holds targets of the first objective to look at."""
    log = build_roles(config, data.event_types).with_targets(data.log)
    return bool((log.part == Part.VALIDATION).any())


def validate(model: InterestModel, data: PreparedData, config: Config) -> dict[str, float]:
    """Return metrics over all validation targets, or over those of some users.

    Notes
    -----
    The same ranks as the evaluation's, without intervals and baselines; memory does not grow with
    the number of targets times items. Figures are those of the first objective; those of another
    stand beside them under its name, such as `buy/ndcg@10`. A binary head adds its own figures
    (over targets with a known item, seen ones too), for which the histories are folded once more;
    NaN where they have none.
    """
    roles = build_roles(config, data.event_types)
    profiles = Profiles.of(data.user_features) if model.profile.is_read else None
    wanted = [name for name in (*SHOWN, config.training.metric) if "@" in name]
    figures: dict[str, float] = {}
    for place, name in enumerate(model.objectives or ("",)):
        ranker = ModelRanker(model, roles=roles, objective=name, profiles=profiles)
        log = roles.with_targets(data.log, place)
        prefix = f"{name}/" if place else ""
        found = mean_metrics(validation_ranks(ranker, log, config), tuple(wanted))
        figures |= {f"{prefix}{metric}": value for metric, value in found.items()}
    if config.head.kind == "binary":
        figures |= _binary_figures(model, data, config, profiles)
    return figures


def validation_ranks(
    ranker: ModelRanker, log: LogArrays, config: Config, candidates: np.ndarray | None = None
) -> np.ndarray:
    """Return (M,) the ranks of the validation targets that count.

    Among `candidates` (I,) bool, or all items when None.
    """
    found = [np.zeros(0, dtype=np.int64)]
    settings = config.evaluation
    for block in target_blocks(log, Part.VALIDATION, **_limits(config)):
        for piece in cut_block(block, ranker.model.num_items):
            seen = seen_items(piece, ranker.roles.seen_types)
            scores = listable(ranker.score(piece), candidates)
            ranked = ranks(scores, piece, settings.exclude_seen, seen)
            found.append(ranked.rank[~ranked.is_left_out])
    return np.concatenate(found)


def _binary_figures(
    model: InterestModel, data: PreparedData, config: Config, profiles: Profiles | None
) -> dict[str, float]:
    roles = build_roles(config, data.event_types)
    targets = binary_targets(
        {"model": ModelRanker(model, roles=roles, profiles=profiles)},
        roles.with_targets(data.log),
        Part.VALIDATION,
        build_labels(config, data.event_types),
        **_limits(config),
    )
    summary = BinarySummary(targets, "model", num_draws=0)
    return {name: figure.value for name, figure in summary.figures().items()}


def _limits(config: Config) -> dict[str, Any]:
    return {
        "block_events": config.evaluation.block_events,
        "max_users": config.training.validation_users or None,
    }


def mean_metrics(rank: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Return the mean of each metric over targets with the given ranks, 0 where there are none.

    Examples
    --------
    >>> mean_metrics(np.array([1, 3, 99]), ("ndcg@10",)) == {"ndcg@10": (1 + 1 / 2) / 3}
    True
    """
    figures = {}
    for name in names:
        kind, k = name.split("@")
        figures[name] = float(METRICS[kind](rank, int(k)).mean()) if len(rank) else 0.0
    return figures
