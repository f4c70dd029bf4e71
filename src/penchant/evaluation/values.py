"""How near a model comes to the values of its targets, beside the mean of the training part.

Every target whose item is known and that carries a value counts, seen before or not. Nothing is
ranked here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from penchant.evaluation.intervals import NUM_DRAWS, bootstrap_mean, paired_difference
from penchant.evaluation.model_ranker import ModelRanker
from penchant.evaluation.report import MEAN_VALUE, VALUE_ERROR, Report
from penchant.events.arrays import LogArrays, Part
from penchant.sequences.targets import TargetBlock, target_blocks


def with_value_errors(
    report: Report,
    ranker: ModelRanker,
    log: LogArrays,
    part: Part,
    mean_value: float,
    *,
    max_users: int | None = None,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
    **_: Any,
) -> Report:
    """Return a report with the mean absolute error of the values that a model expects.

    Parameters
    ----------
    report
        What is known already.
    ranker
        Reads a model that learned values.
    log
        The prepared histories; only targets of `part` are asked about.
    part
        `test` or `validation`.
    mean_value
        What `mean_value` expects of every target.
    max_users, num_draws, seed
        As in `evaluate`.
    """
    user, value, expected = _asked(ranker, log, part, max_users)
    if len(value) == 0:
        return report
    error, base = np.abs(expected - value), np.abs(mean_value - value)
    drawn: dict[str, Any] = {"num_draws": num_draws, "seed": seed}
    found, usual = (bootstrap_mean(errors, user, **drawn) for errors in (error, base))
    difference = paired_difference(error, base, user, **drawn)
    return replace(
        report,
        protocol={**report.protocol, "valued_targets": len(value)},
        metrics={**report.metrics, VALUE_ERROR: found},
        baselines={**report.baselines, MEAN_VALUE: {VALUE_ERROR: usual}},
        differences={**report.differences, MEAN_VALUE: {VALUE_ERROR: difference}},
    )


def _asked(
    ranker: ModelRanker, log: LogArrays, part: Part, max_users: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (M,) user, value and expected value of the targets that carry one."""
    user, value = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    expected = [np.zeros(0)]
    for block in target_blocks(log, part, max_users=max_users):
        counts = (block.items >= 0) & ~np.isnan(block.log.value[block.rows])
        asked = TargetBlock(block.log, block.users, block.rows[counts])
        user.append(asked.users[asked.owner])
        value.append(asked.log.value[asked.rows].astype(np.float64))
        expected.append(_expected(ranker, asked))
    return np.concatenate(user), np.concatenate(value), np.concatenate(expected)


def _expected(ranker: ModelRanker, block: TargetBlock) -> np.ndarray:
    layers = ranker.model.value
    assert layers is not None, "values must be learned, by events.value_as"
    with ranker.reading():
        vectors, table = ranker.interest_before(block)
        items = torch.as_tensor(block.items, device=table.device)
        return layers(vectors, table[items]).double().cpu().numpy()
