"""Which events are history, which are targets and how much, and which make an item seen.

The same object is asked in training, evaluation and serving, so that all read the same history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from penchant.errors import InputError
from penchant.events.arrays import NO_PART, NO_TIME, LogArrays, Part


@dataclass(frozen=True)
class EventRoles:
    """Roles of events by the index of their type; all play every part where nothing is said.

    Parameters
    ----------
    history_types
        Types that are folded into the memory; all when None.
    seen_types
        Types that make an item seen; all when None.
    target_weights
        For each objective what a target of each type counts: 0 for a type that is no target, below
        0 for one whose item is pushed down. Empty: one objective, every type counts 1.
    value_as_weight
        A target counts as much as its value, relative to the mean of the training part.
    log_value
        Take the logarithm of 1 + value first.
    half_life_ms
        A target counts half as much for every so much time that it lies before the last training
        event; 0 for no such fading.

    Examples
    --------
    >>> roles = EventRoles(history_types=(0,), target_weights=((0.0, 2.0, -1.0),))
    >>> types = np.array([0, 1, 2])
    >>> roles.is_history(types).tolist(), roles.is_target(types).tolist()
    ([True, False, False], [False, True, False])
    """

    history_types: tuple[int, ...] | None = None
    seen_types: tuple[int, ...] | None = None
    target_weights: tuple[tuple[float, ...], ...] = ()
    value_as_weight: bool = False
    log_value: bool = False
    half_life_ms: float = 0.0

    @property
    def num_objectives(self) -> int:
        """Objectives, at least one."""
        return max(len(self.target_weights), 1)

    @property
    def unknown_type(self) -> int:
        """What an event of a type that the data has not counts as: the first that is history."""
        return min(self.history_types or (0,))

    def is_history(self, event_type: np.ndarray) -> np.ndarray:
        """Return (N,) whether events are folded into the memory."""
        return _among(event_type, self.history_types)

    def is_seen(self, event_type: np.ndarray) -> np.ndarray:
        """Return (N,) whether events make their item seen."""
        return _among(event_type, self.seen_types)

    def is_target(self, event_type: np.ndarray, objective: int = 0) -> np.ndarray:
        """Return (N,) whether events are to be predicted, under the first objective or another."""
        if not self.target_weights:
            return np.ones(len(event_type), dtype=bool)
        return np.array(self.target_weights[objective])[event_type] > 0

    def with_targets(self, log: LogArrays, objective: int = 0) -> LogArrays:
        """Return a log whose validation and test parts hold targets of an objective only.

        Other events of these parts are still read, as history.
        """
        if not self.target_weights:
            return log
        only = self.only_targets(log, objective)
        return replace(log, part=np.where(log.part == Part.TRAIN, log.part, only.part))

    def only_targets(self, log: LogArrays, objective: int = 0) -> LogArrays:
        """Return a log all of whose parts hold targets of an objective only."""
        is_other = ~self.is_target(log.event_type, objective)
        return replace(log, part=np.where(is_other, NO_PART, log.part).astype(log.part.dtype))

    def weights(self, log: LogArrays) -> np.ndarray:
        """Return (N, O) what each event of a training part counts as a target of each objective.

        Those above 0 are 1 in the mean, those below 0 push their item down.

        Raises
        ------
        InputError
            When values are to be weights and some are below 0, or none is above; when targets
            are to fade with their age and some have no time.
        """
        if not self.target_weights:
            weight = np.ones((log.num_events, 1))
        else:
            weight = np.array(self.target_weights).T[log.event_type]  # (N, O)
        is_target = weight > 0
        if self.value_as_weight:
            weight = np.where(is_target, weight * self._value_weights(log, is_target), weight)
        if self.half_life_ms:
            weight = np.where(is_target, weight * self._recency_weights(log), weight)
        total = np.where(is_target, weight, 0).sum(0)
        mean = total / np.maximum(is_target.sum(0), 1)
        return np.where(is_target, weight / np.where(mean > 0, mean, 1), weight)

    def _value_weights(self, log: LogArrays, is_target: np.ndarray) -> np.ndarray:
        """Return (N, 1) values, 1 in the mean over targets; missing ones count 1."""
        value = log.value.astype(np.float64)
        known = ~np.isnan(value)
        counts = known & is_target.any(1)
        least = value[counts].min(initial=0)
        if least < 0:
            raise InputError(
                "Values that are weights of targets must not be below 0, but the least of the "
                f"training part is {least:g}.",
                'Set events.value_as="none" or "target", or leave such events out with --where.',
            )
        value = np.log1p(value) if self.log_value else value
        mean = value[counts].mean() if counts.any() else 0.0
        if mean <= 0:
            raise InputError(
                "Values that are weights of targets must be above 0 somewhere, but no target of "
                "the training part has such a value.",
                'Set events.value_as="none".',
            )
        return np.where(known, value / mean, 1.0)[:, None]

    def _recency_weights(self, log: LogArrays) -> np.ndarray:
        """Return (N, 1) what events count by their age at the end of the log; 1 for the last."""
        num_unknown = int((log.time_ms == NO_TIME).sum())
        if num_unknown:
            raise InputError(
                f"Targets that fade with their age need the time of every training event, but "
                f"{num_unknown} of {log.num_events} have none.",
                "Set events.half_life_days=0.",
            )
        age_ms = log.time_ms.max(initial=0) - log.time_ms
        return np.exp2(-age_ms / self.half_life_ms)[:, None]


def _among(event_type: np.ndarray, types: Sequence[int] | None) -> np.ndarray:
    if types is None:
        return np.ones(len(event_type), dtype=bool)
    return np.isin(event_type, list(types))
