"""Training batches from prepared histories: windows, packed, sized by events.

The state is carried across the windows of a history. The off-by-one of training lives here: the
interest after event t predicts event t + 1, and the interest before any event predicts the first. A
batch is a pure function of (log, seed, epoch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from penchant.errors import InputError
from penchant.events.arrays import LogArrays
from penchant.packed import NO_TIME, PackedEvents, offsets_of
from penchant.seeds import stream

POOL_BATCHES = 16
"""Users are shuffled, then sorted by length inside pools of this many batches.

Few idle steps, little order.
"""


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Windows of some users and what comes after each of their events.

    Parameters
    ----------
    events
        Input events, N rows of B users; a user may have none.
    target_item
        (N,) int64 the item after each row.
    target_value
        (N,) float32 the value of the event after each row.
    target_type
        (N,) int64 its type.
    target_time_ms
        (N,) int64 its time, `NO_TIME` where unknown.
    first_item
        (B,) int64 each user's first item ever, to be predicted from nothing; -1 where this window
        does not start the history.
    first_value, first_type, first_time_ms
        (B,) float32 and int64, what that event carries; they mean nothing where there is none.
    carries
        Whether the users are the first users of the batch before and continue there.
    """

    events: PackedEvents
    target_item: Tensor
    target_value: Tensor
    target_type: Tensor
    target_time_ms: Tensor
    first_item: Tensor
    first_value: Tensor
    first_type: Tensor
    first_time_ms: Tensor
    carries: bool

    @property
    def num_targets(self) -> int:
        """Targets in the batch, first events included."""
        return len(self.target_item) + int((self.first_item >= 0).sum())

    def to(self, device: torch.device | str) -> TrainingBatch:
        """Return the batch on a device."""
        return TrainingBatch(
            self.events.to(device),
            self.target_item.to(device),
            self.target_value.to(device),
            self.target_type.to(device),
            self.target_time_ms.to(device),
            self.first_item.to(device),
            self.first_value.to(device),
            self.first_type.to(device),
            self.first_time_ms.to(device),
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

    Raises
    ------
    InputError
        When the log holds no events.

    Examples
    --------
    >>> items = np.array([3, 1, 2, 0, 1])
    >>> zeros = np.zeros(5)
    >>> log = LogArrays(items, zeros, zeros, zeros, zeros, np.array([0, 3, 5]))
    >>> [batch] = TrainingLoader(log, window=10, batch_events=10, seed=0).epoch(0)
    >>> batch.events.item_index.tolist(), batch.target_item.tolist(), batch.first_item.tolist()
    ([3, 1, 0], [1, 2, 1], [3, 0])
    """

    def __init__(
        self,
        log: LogArrays,
        window: int,
        batch_events: int,
        seed: int,
        max_windows: int = 0,
        drop_time_share: float = 0.0,
    ) -> None:
        if log.num_events == 0:
            raise InputError(
                "the training part must hold events but holds none.",
                "Give an earlier split time, or a longer log.",
            )
        self.batch_events = batch_events
        self.seed = seed
        self.drop_time_share = drop_time_share
        self._columns = _Columns.of(log)
        inputs = np.maximum(log.lengths - 1, 0)  # every event but the last is an input
        kept = np.minimum(inputs, max_windows * window) if max_windows else inputs
        self._start = log.offsets[:-1] + inputs - kept  # (U,) first input row
        self._is_whole = kept == inputs
        self._num_inputs = kept
        self._num_windows = np.maximum(-(-kept // window), 1)
        self._window_length = np.maximum(
            -(-kept // self._num_windows), 1
        )  # balanced, so none is tiny
        self._users = np.flatnonzero(log.lengths > 0)
        self._first_row = log.offsets[:-1]

    @property
    def num_targets(self) -> int:
        """Targets of an epoch, first events included."""
        users = self._users
        return int(self._num_inputs[users].sum() + self._is_whole[users].sum())

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
        pool_of = _cut(self._window_length[users], self.batch_events * POOL_BATCHES)
        pools = [users[pool_of == pool] for pool in range(pool_of[-1] + 1)]
        groups = []
        for pool in pools:
            longest_first = pool[np.argsort(-self._num_inputs[pool], kind="stable")]
            group_of = _cut(self._window_length[longest_first], self.batch_events)
            groups += [longest_first[group_of == group] for group in range(group_of[-1] + 1)]
        for index in order.permutation(len(groups)):
            yield groups[index]

    def _batch(self, users: np.ndarray, number: int, hide: np.random.Generator) -> TrainingBatch:
        """Return window `number` of each user."""
        before = number * self._window_length[users]
        lengths = np.clip(self._num_inputs[users] - before, 0, self._window_length[users])
        ends = np.cumsum(lengths)
        rows = np.repeat(self._start[users] + before - (ends - lengths), lengths)
        rows = rows + np.arange(len(rows))
        is_shown = hide.random(len(users)) >= self.drop_time_share
        shown = np.repeat(is_shown, lengths)
        starts = (number == 0) & self._is_whole[users]
        index, after = torch.from_numpy(rows), torch.from_numpy(rows + 1)
        first = torch.from_numpy(self._first_row[users])
        columns, has_time = self._columns, torch.from_numpy(shown)
        return TrainingBatch(
            PackedEvents(
                columns.item[index],
                columns.type[index],
                columns.value[index],
                torch.where(has_time, columns.time_ms[index], NO_TIME),
                torch.zeros((len(rows), 0), dtype=torch.int64),
                offsets_of(torch.from_numpy(lengths)),
            ),
            columns.item[after],
            columns.value[after],
            columns.type[after],
            torch.where(has_time, columns.time_ms[after], NO_TIME),
            torch.where(torch.from_numpy(starts), columns.item[first], -1),
            columns.value[first],
            columns.type[first],
            torch.where(torch.from_numpy(is_shown), columns.time_ms[first], NO_TIME),
            carries=number > 0,
        )


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


def _cut(sizes: np.ndarray, most: int) -> np.ndarray:
    """Return each element's group; groups in order hold about `most` in sum, and none is empty."""
    before = np.cumsum(sizes) - sizes
    return np.unique(before // most, return_inverse=True)[1]
