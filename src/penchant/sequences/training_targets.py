"""Which events of a training log are to be predicted, and how much history stands before each.

One half of the off-by-one of training: the history of a target is every event of its user before
it that is read as history, and never the target itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.events.arrays import LogArrays
from penchant.sequences.roles import EventRoles


@dataclass(frozen=True, slots=True)
class TrainingTargets:
    """The T targets of a log, user after user, in the order of their histories.

    Parameters
    ----------
    row
        (T,) rising row of each target in the log.
    num_before
        (T,) events of its user's history before it; 0 where it is predicted from nothing.
    weight
        (T, O) float32, what it counts under each objective: 0 where it is none of its targets,
        below 0 where its item is pushed down.
    offsets
        (U + 1,) where the targets of each user begin.

    Examples
    --------
    >>> kind = np.array([0, 1, 0, 1, 1])
    >>> log = LogArrays(kind, kind, kind, kind, kind, offsets=np.array([0, 4, 5]))
    >>> buys_from_views = EventRoles(history_types=(0,), target_weights=((0.0, 1.0),))
    >>> found = TrainingTargets.of(log, buys_from_views)
    >>> found.row.tolist(), found.num_before.tolist(), found.offsets.tolist()
    ([1, 3, 4], [1, 2, 0], [0, 2, 3])
    """

    row: np.ndarray
    num_before: np.ndarray
    weight: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, log: LogArrays, roles: EventRoles) -> TrainingTargets:
        """Return the targets of a log, the training part, under the given roles."""
        weight = roles.weights(log)  # (N, O)
        is_target = (weight != 0).any(1)
        row = np.flatnonzero(is_target)
        history = np.concatenate([[0], np.cumsum(roles.is_history(log.event_type))])  # (N + 1,)
        before_user = history[log.offsets[:-1]][log.user[row]]
        return cls(
            row,
            (history[row] - before_user).astype(np.int64),
            weight[row].astype(np.float32),
            np.concatenate([[0], np.cumsum(is_target)])[log.offsets].astype(np.int64),
        )

    @property
    def lengths(self) -> np.ndarray:
        """(U,) targets of each user."""
        return np.diff(self.offsets)

    @property
    def num_inputs(self) -> np.ndarray:
        """(U,) events of each history that some target comes after."""
        last = np.append(self.num_before, 0)[np.maximum(self.offsets[1:] - 1, 0)]
        return np.where(self.lengths > 0, last, 0)

    @property
    def shares(self) -> tuple[float, ...]:
        """For each objective the share of all targets that are its own and not pushed down.

        Examples
        --------
        >>> weight = np.array([[2, 0.5], [0, 1], [0, -1], [0, 3]])
        >>> TrainingTargets(np.arange(4), np.arange(4), weight, np.array([0, 4])).shares
        (0.25, 0.75)
        """
        return tuple(((self.weight > 0).sum(0) / max(len(self.row), 1)).tolist())

    @property
    def per_input(self) -> float:
        """Targets with a history, for each event that is read."""
        return float((self.num_before > 0).sum() / max(self.num_inputs.sum(), 1))
