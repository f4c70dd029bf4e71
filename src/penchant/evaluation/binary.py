"""Figures of a binary head: how likely was each target's item to be taken, and was it?

Every target whose item is known counts, seen before or not. Nothing is ranked here, so the filter
of seen items plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from penchant.errors import ConfigError
from penchant.evaluation.calibration import FIGURES, Outcomes, outcomes
from penchant.evaluation.intervals import Estimate, estimate
from penchant.evaluation.model_ranker import ModelRanker
from penchant.evaluation.summary import Figures
from penchant.events.arrays import LogArrays, Part
from penchant.heads import BinaryHead, LabelRule
from penchant.seeds import stream
from penchant.sequences.targets import TargetBlock, target_blocks

BASE_RATE: Final = "base_rate"
NUM_DRAWS: Final = 400


@dataclass(frozen=True)
class BinaryTargets:
    """What M targets were, and what each ranker thought of them.

    Parameters
    ----------
    user
        (M,) index of each target's user in the data.
    label
        (M,) 1 where the item was taken, 0 where it was refused.
    probability
        (M,) float64, that it is taken, by ranker.
    """

    user: np.ndarray
    label: np.ndarray
    probability: dict[str, np.ndarray]

    def beside_base_rate(self, log: LogArrays, labels: LabelRule) -> BinaryTargets:
        """Return the same with `base_rate`, the share of taken events of the training part."""
        train = log.train
        taken = labels(torch.as_tensor(train.value), torch.as_tensor(train.event_type))
        share = float(taken.double().mean()) if len(taken) else 0.5
        constant = np.full(len(self.label), share)
        return replace(self, probability={**self.probability, BASE_RATE: constant})


def binary_targets(
    rankers: Mapping[str, ModelRanker],
    log: LogArrays,
    part: Part,
    labels: LabelRule,
    *,
    block_events: int = 50_000,
    max_users: int | None = None,
) -> BinaryTargets:
    """Ask every ranker about every target of a part whose item is known.

    Parameters
    ----------
    rankers
        Models with a binary head, by name.
    log
        The prepared histories, all parts.
    part
        The part whose events are targets.
    labels
        Which of them were taken.
    block_events
        Events folded at a time.
    max_users
        Take only so many users, drawn by chance, always the same ones.

    Raises
    ------
    ConfigError
        When a head has no probabilities.
    """
    user, label = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    probability = {name: [np.zeros(0)] for name in rankers}
    for block in target_blocks(log, part, block_events=block_events, max_users=max_users):
        rows = block.rows[block.items >= 0]
        known = TargetBlock(block.log, block.users, rows)
        user.append(known.users[known.owner])
        value, event_type = (column[rows] for column in (block.log.value, block.log.event_type))
        label.append(labels(torch.as_tensor(value), torch.as_tensor(event_type)).numpy())
        for name, ranker in rankers.items():
            probability[name].append(taken_probability(ranker, known))
    return BinaryTargets(
        np.concatenate(user),
        np.concatenate(label),
        {name: np.concatenate(pieces) for name, pieces in probability.items()},
    )


def taken_probability(ranker: ModelRanker, block: TargetBlock) -> np.ndarray:
    """Return (M,) float64, the probability before each target that its item, a known one, is taken.

    Raises
    ------
    ConfigError
        When the head has no probabilities.
    """
    head = ranker.model.head
    if not isinstance(head, BinaryHead):
        raise ConfigError(
            f'probabilities need a head of kind "binary" but it is "{head.kind}".',
            "Train with head.kind=binary and loss.kind=binary.",
        )
    with ranker.reading():
        vectors, table = ranker.interest_before(block)
        items = torch.as_tensor(block.items, device=table.device)
        logit = head.logit_of(vectors, table, items)  # (M,)
        return logit.double().sigmoid().cpu().numpy()


class BinarySummary:
    """AUC, log-loss and calibration error of one ranker, with intervals.

    Parameters
    ----------
    targets
        The targets, and what the rankers thought of them.
    name
        The ranker.
    num_draws
        Bootstrap samples of users; 0 leaves the intervals out.
    seed
        Seed of the draws, the same for rankers that are to be compared.

    Notes
    -----
    Figures are NaN where there are no targets. A calibration error cannot fall below 0, so chance
    only raises it, in a draw once more than in the sample: its interval leans upwards.
    """

    def __init__(
        self, targets: BinaryTargets, name: str, *, num_draws: int = NUM_DRAWS, seed: int = 0
    ) -> None:
        self._values = np.full(len(FIGURES), np.nan)
        self._draws = np.zeros((0, len(FIGURES)))
        if len(targets.label):
            probability = targets.probability[name]
            self._values = _figures(outcomes(probability, targets.label))
            self._draws = _draws(probability, targets.label, targets.user, num_draws, seed)

    def figures(self) -> Figures:
        """Return the estimates by name."""
        return _estimates(self._values, self._draws)

    def minus(self, other: BinarySummary) -> Figures:
        """Return this ranker's figures less another's on the same draws of users."""
        return _estimates(self._values - other._values, self._draws - other._draws)


def _figures(counts: Outcomes) -> np.ndarray:
    return np.array([figure(counts) for figure in FIGURES.values()])


def _draws(
    probability: np.ndarray, label: np.ndarray, user: np.ndarray, num_draws: int, seed: int
) -> np.ndarray:
    """Return (R, 3) figures over users drawn with replacement, each with all its events."""
    users, place = np.unique(user, return_inverse=True)
    value, group = np.unique(probability, return_inverse=True)
    draw = stream(seed, "bootstrap")
    drawn = np.empty((num_draws, len(FIGURES)))
    for row in range(num_draws):
        picks = draw.integers(len(users), size=len(users))
        times = np.bincount(picks, minlength=len(users))[place]  # (M,) how often an event counts
        taken, refused = (
            np.bincount(group, weights=times * counted, minlength=len(value))
            for counted in (label, 1 - label)
        )
        drawn[row] = _figures(Outcomes(value, taken, refused))
    return drawn


def _estimates(values: np.ndarray, draws: np.ndarray) -> dict[str, Estimate]:
    return {
        name: estimate(float(values[place]), draws[:, place]) for place, name in enumerate(FIGURES)
    }
