"""The figures of a model on the validation part, as early stopping reads them."""

from __future__ import annotations

import numpy as np

from penchant.config import Config, build_labels
from penchant.evaluation.binary import BinarySummary, binary_targets
from penchant.evaluation.metrics import METRICS
from penchant.evaluation.model_ranker import ModelRanker
from penchant.events import Part, PreparedData
from penchant.model import InterestModel
from penchant.sequences.ranking import cut_block, ranks
from penchant.sequences.targets import target_blocks

SHOWN = ("ndcg@10", "hit@10", "mrr@10")
"""What is recorded beside the metric of early stopping."""


def has_targets(data: PreparedData) -> bool:
    """Return whether there is a validation part to look at."""
    return bool((data.log.part == Part.VALIDATION).any())


def validate(model: InterestModel, data: PreparedData, config: Config) -> dict[str, float]:
    """Return metrics over all validation targets, or over those of the first users.

    Notes
    -----
    The same ranks as the evaluation's, without intervals and baselines; memory does not grow with
    the number of targets times items. A binary head adds its own figures (over targets with a known
    item, seen ones too), for which the histories are folded once more; NaN where they have none.
    """
    ranker = ModelRanker(model)
    found = [np.zeros(0, dtype=np.int64)]
    blocks = target_blocks(
        data.log,
        Part.VALIDATION,
        block_events=config.evaluation.block_events,
        max_users=config.training.validation_users or None,
    )
    for block in blocks:
        for piece in cut_block(block, model.num_items):
            ranked = ranks(ranker.score(piece), piece, config.evaluation.exclude_seen)
            found.append(ranked.rank[~ranked.is_left_out])
    wanted = [name for name in (*SHOWN, config.training.metric) if "@" in name]
    figures = mean_metrics(np.concatenate(found), tuple(wanted))
    if config.head.kind == "binary":
        labels = build_labels(config, data.event_types)
        targets = binary_targets(
            {"model": ranker},
            data.log,
            Part.VALIDATION,
            labels,
            block_events=config.evaluation.block_events,
            max_users=config.training.validation_users or None,
        )
        summary = BinarySummary(targets, "model", num_draws=0)
        figures |= {name: figure.value for name, figure in summary.figures().items()}
    return figures


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
