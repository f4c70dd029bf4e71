"""Training batches from prepared histories: windows, packed, sized by events.

The state is carried across the windows of a history. The off-by-one of training lives here and in
`training_targets`: the interest after event t predicts the events from t + 1 on up to the next that
is history, and the interest before any event predicts the first. A batch is a pure function of
(log, seed, epoch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from penchant.errors import InputError
from penchant.events.arrays import LogArrays, ranges
from penchant.packed import NO_TIME, PackedEvents
from penchant.seeds import stream
from penchant.sequences.roles import EventRoles
from penchant.sequences.training_targets import TrainingTargets

POOL_BATCHES = 16
"""Users are shuffled, then sorted by length inside pools of this many batches.

Few idle steps, little order.
"""


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Windows of some users and what is to be predicted from them.

    Parameters
    ----------
    events
        Input events, N rows of B users; a user may have none.
    users
        (B,) int64 indices of the users in the log.
    target_row
        (M,) int64 row of `events` after which each target is predicted, -1 for one that is
        predicted from nothing; rising, those from nothing last.
    target_user
        (M,) int64 which user of the batch each target belongs to.
    target_item
        (M,) int64.
    target_type
        (M,) int64.
    target_value
        (M,) float32, NaN where it carries none.
    target_time_ms
        (M,) int64, `NO_TIME` where unknown.
    target_weight
        (M, O) float32 what it counts under each objective: 0 where it is none of its targets, below
        0 where its item is pushed down.
    carries
        Whether the users are the first users of the batch before and continue there.
    """

    events: PackedEvents
    users: Tensor
    target_row: Tensor
    target_user: Tensor
    target_item: Tensor
    target_type: Tensor
    target_value: Tensor
    target_time_ms: Tensor
    target_weight: Tensor
    carries: bool

    @property
    def num_targets(self) -> int:
        """Targets in the batch, those from nothing included."""
        return len(self.target_item)

    def to(self, device: torch.device | str) -> TrainingBatch:
        """Return the batch on a device."""
        return TrainingBatch(
            self.events.to(device),
            self.users.to(device),
            self.target_row.to(device),
            self.target_user.to(device),
            self.target_item.to(device),
            self.target_type.to(device),
            self.target_value.to(device),
            self.target_time_ms.to(device),
            self.target_weight.to(device),
            self.carries,
        )


class TrainingLoader:
    """Batches of an epoch, the same for the same seed and epoch.

    Parameters
    ----------
    log
        The training part: `LogArrays.train`.
    window
        Events after which a history is cut; the state is carried into the next window, without
        gradient.
    batch_events
        Input events a batch may hold; a longer window makes a batch alone.
    seed
        Of the order.
    max_windows
        Keep only the newest windows of each history; 0 keeps all.
    drop_time_share
        Share of windows whose times are hidden, so that the model learns to do without.
    roles
        Which events are history and which are targets; all are both when left out.

    Raises
    ------
    InputError
        When the log holds no events, or none that is a target.

    Examples
    --------
    >>> items = np.array([3, 1, 2, 0, 1])
    >>> zeros = np.zeros(5)
    >>> log = LogArrays(items, zeros, zeros, zeros, zeros, np.array([0, 3, 5]))
    >>> [batch] = TrainingLoader(log, window=10, batch_events=10, seed=0).epoch(0)
    >>> batch.events.item_index.tolist(), batch.target_item.tolist(), batch.target_row.tolist()
    ([3, 1, 0], [1, 2, 1, 3, 0], [0, 1, 2, -1, -1])
    """

    def __init__(
        self,
        log: LogArrays,
        window: int,
        batch_events: int,
        seed: int,
        max_windows: int = 0,
        drop_time_share: float = 0.0,
        roles: EventRoles = EventRoles(),
    ) -> None:
        self._targets = targets = TrainingTargets.of(log, roles)
        _check_not_empty(log, targets)
        all_history = roles.history_types is None
        history = log if all_history else log.where(roles.is_history(log.event_type))
        self.batch_events = batch_events
        self.seed = seed
        self.drop_time_share = drop_time_share
        self._columns = _Columns.of(log)
        self._history = self._columns if all_history else _Columns.of(history)
        inputs = targets.num_inputs  # nothing is predicted after later events
        kept = np.minimum(inputs, max_windows * window) if max_windows else inputs
        self._first_row = history.offsets[:-1]
        self._dropped = inputs - kept  # (U,) events before the first window
        self._num_inputs = kept
        self._num_windows = np.maximum(-(-kept // window), 1)
        self._window_length = np.maximum(
            -(-kept // self._num_windows), 1
        )  # balanced, so none is tiny
        self._users = np.flatnonzero(targets.lengths > 0)
        # Where each user's targets stand by the history before them: u + rows before, which rises.
        self._place = self._first_row + np.arange(log.num_users)
        self._target_place = np.repeat(self._place, targets.lengths) + targets.num_before
        first_kept = np.where(self._dropped > 0, self._place + self._dropped + 1, self._place)
        self._num_targets = targets.offsets[1:] - np.searchsorted(self._target_place, first_kept)
        many = -(-(self._num_targets - 1) // self._num_windows)  # more than history: all count
        self._window_size = np.maximum(self._window_length, many)

    @property
    def num_targets(self) -> int:
        """Targets of an epoch, those from nothing included."""
        return int(self._num_targets[self._users].sum())

    def epoch(self, epoch: int) -> Iterator[TrainingBatch]:
        """Yield the batches of an epoch."""
        order = stream(self.seed, "order", epoch)
        hide = stream(self.seed, "hidden times", epoch)
        for group in self._groups(order):
            for number in range(int(self._num_windows[group].max())):
                still = group[self._num_windows[group] > number]
                yield self._batch(still, number, hide)

    def _groups(self, order: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield the users of successive batches, longest first within each."""
        users = order.permutation(self._users)
        pool_of = _cut(self._window_size[users], self.batch_events * POOL_BATCHES)
        pools = [users[pool_of == pool] for pool in range(pool_of[-1] + 1)]
        groups = []
        for pool in pools:
            longest_first = pool[np.argsort(-self._num_inputs[pool], kind="stable")]
            group_of = _cut(self._window_size[longest_first], self.batch_events)
            groups += [longest_first[group_of == group] for group in range(group_of[-1] + 1)]
        for index in order.permutation(len(groups)):
            yield groups[index]

    def _batch(self, users: np.ndarray, number: int, hide: np.random.Generator) -> TrainingBatch:
        """Return window `number` of each user."""
        before = self._dropped[users] + number * self._window_length[users]
        left = self._dropped[users] + self._num_inputs[users] - before
        lengths = np.clip(left, 0, self._window_length[users])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        row = torch.from_numpy(ranges(self._first_row[users] + before, lengths)[1])
        is_shown = torch.from_numpy(hide.random(len(users)) >= self.drop_time_share)
        target, user, after = self._targets_of(users, before, lengths, with_first=number == 0)
        target_row = np.where(after > 0, offsets[user] + after - before[user] - 1, -1)
        history, columns = self._history, self._columns
        shown = is_shown.repeat_interleave(torch.from_numpy(lengths))
        at = torch.from_numpy(self._targets.row[target])
        return TrainingBatch(
            PackedEvents(
                history.item[row],
                history.type[row],
                history.value[row],
                torch.where(shown, history.time_ms[row], NO_TIME),
                torch.zeros((len(row), 0), dtype=torch.int64),
                torch.from_numpy(offsets),
            ),
            torch.from_numpy(users),
            torch.from_numpy(target_row),
            torch.from_numpy(user),
            columns.item[at],
            columns.type[at],
            columns.value[at],
            torch.where(is_shown[torch.from_numpy(user)], columns.time_ms[at], NO_TIME),
            torch.from_numpy(self._targets.weight[target]),
            carries=number > 0,
        )

    def _targets_of(
        self, users: np.ndarray, before: np.ndarray, lengths: np.ndarray, with_first: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the targets after some rows of each user: which, whose, and the rows before each.

        Those that nothing stands before come last, and only `with_first`.
        """
        first = self._place[users] + before + 1
        found = [self._between(first, first + lengths)]
        if with_first:
            nothing = np.where(self._dropped[users] == 0, self._place[users], 0)
            found.append(self._between(nothing, nothing + (self._dropped[users] == 0)))
        user, target = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return target, user, self._targets.num_before[target]

    def _between(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whose, and which, the targets at places from `low` to before `high` are."""
        start = np.searchsorted(self._target_place, low)
        return ranges(start, np.searchsorted(self._target_place, high) - start)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a log as tensors."""

    item: Tensor
    type: Tensor
    value: Tensor
    time_ms: Tensor

    @classmethod
    def of(cls, log: LogArrays) -> _Columns:
        return cls(
            torch.as_tensor(log.item_index, dtype=torch.int64),
            torch.as_tensor(log.event_type, dtype=torch.int64),
            torch.as_tensor(log.value, dtype=torch.float32),
            torch.as_tensor(log.time_ms, dtype=torch.int64),
        )


def _check_not_empty(log: LogArrays, targets: TrainingTargets) -> None:
    if log.num_events == 0:
        raise InputError(
            "the training part must hold events but holds none.",
            "Give an earlier split time, or a longer log.",
        )
    if len(targets.row) == 0:
        raise InputError(
            f"the training part must hold targets but none of {log.num_events:,} events is one.",
            "Set events.target_types and events.type_weights to types that it has.",
        )


def _cut(sizes: np.ndarray, most: int) -> np.ndarray:
    """Return each element's group; groups in order hold about `most` in sum, and none is empty."""
    before = np.cumsum(sizes) - sizes
    return np.unique(before // most, return_inverse=True)[1]
