"""Which item follows which: transitions counted in training, backed off to popularity.

`markov` looks at the last item alone; `lagged_markov` mixes what the last ten items call for.
Counts are kept as sparse rows, so that a large catalogue costs what was seen, not items × items.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple, Self

import numpy as np

from penchant.baselines.base import Baseline, baselines, choose
from penchant.errors import ConfigError
from penchant.events.arrays import LogArrays
from penchant.sequences.targets import TargetBlock

SMOOTHINGS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
DECAYS: Final = (0.5, 0.65, 0.8, 0.9)


class _Transitions(NamedTuple):
    """Sparse rows: item i was followed by `item[starts[i]:starts[i + 1]]`, `weight` times."""

    starts: np.ndarray
    item: np.ndarray
    weight: np.ndarray
    total: np.ndarray

    @classmethod
    def counted(cls, train: LogArrays, num_items: int, num_lags: int) -> _Transitions:
        """Count the pairs up to `num_lags` events apart in a history, a pair at lag l as 1/l."""
        user, item = train.user, train.item_index
        keys, weights = [], []
        for lag in range(1, num_lags + 1):
            same = user[lag:] == user[:-lag]
            keys.append((item[:-lag] * num_items + item[lag:])[same])
            weights.append(np.full(len(keys[-1]), 1 / lag, dtype=np.float32))
        key, weight = np.concatenate(keys), np.concatenate(weights)
        order = np.argsort(key, kind="stable")
        key, first = np.unique(key[order], return_index=True)
        summed = np.add.reduceat(weight[order], first) if len(first) else weight
        source = key // num_items
        starts = np.searchsorted(source, np.arange(num_items + 1))
        total = np.bincount(source, weights=summed, minlength=num_items)
        return cls(starts, key % num_items, summed, total)

    def add_rows(self, out: np.ndarray, items: np.ndarray, factor: np.ndarray) -> None:
        """Add to each row of `out` (M, I), in place, `factor` times the rows of its items."""
        low, high = self.starts[items], self.starts[items + 1]
        for target, lag in zip(
            *np.nonzero(factor), strict=True
        ):  # one row at a time stays in the cache
            entry = slice(low[target, lag], high[target, lag])
            out[target, self.item[entry]] += self.weight[entry] * factor[target, lag]


def last_known_items(block: TargetBlock, num_lags: int) -> np.ndarray:
    """Return (M, num_lags) the known items before each target, newest first, then -1.

    Examples
    --------
    >>> item = np.array([7, -1, 5, 9, 4])
    >>> log = LogArrays(item, item, item, item, item, np.array([0, 4, 5]))
    >>> block = TargetBlock(log, np.array([0, 1]), np.array([3, 4]))
    >>> last_known_items(block, 3).tolist()
    [[5, 7, -1], [-1, -1, -1]]
    """
    known = np.flatnonzero(block.log.item_index >= 0)
    low = np.searchsorted(known, block.starts)
    place = np.searchsorted(known, block.rows)[:, None] - 1 - np.arange(num_lags)  # (M, num_lags)
    inside = place >= low[:, None]
    items = np.append(block.log.item_index[known], -1)
    return np.where(inside, items[np.where(inside, place, -1)], -1)


def _check_smoothing(smoothing: float) -> None:
    if not smoothing > 0:
        raise ConfigError(
            f"smoothing of a Markov baseline must be above 0 but is {smoothing}.",
            "Leave it out, or give for example 10.",
        )


class _Chain(Baseline):
    """Both chains: P(j | i) = (count(i, j) + smoothing · p(j)) / (count(i) + smoothing)."""

    num_lags: int
    reads_history = True

    def _count(self, log: LogArrays, num_items: int) -> None:
        train = log.train
        counts = np.bincount(train.item_index, minlength=num_items)
        self._popularity = (counts / max(train.num_events, 1)).astype(np.float32)
        self._transitions = _Transitions.counted(train, num_items, self.num_lags)

    def _scores(self, block: TargetBlock, smoothing: float, decay: float) -> np.ndarray:
        """Return Σ over lags of decay^lag · P(j | item at that lag), as far as the history goes."""
        table = self._transitions
        items = last_known_items(block, self.num_lags)  # (M, num_lags)
        share = decay ** np.arange(self.num_lags) * (items >= 0)
        share = share / np.maximum(share.sum(1, keepdims=True), 1e-12)
        known = np.maximum(items, 0)
        factor = share / (table.total[known] + smoothing)
        backed_off = (factor * smoothing).sum(1)
        backed_off[items[:, 0] < 0] = 1.0
        scores = np.outer(backed_off, self._popularity).astype(np.float32)  # (M, I)
        table.add_rows(scores, known, factor.astype(np.float32))
        return scores


@baselines.register("markov")
class Markov(_Chain):
    """First order: what followed the last item in the training histories, backed off to popularity.

    Parameters
    ----------
    smoothing
        How many imagined transitions follow popularity; chosen on validation when None.
    exclude_seen, seen_types, candidates
        How the choice ranks.

    Raises
    ------
    ConfigError
        When the smoothing is not above 0.

    Examples
    --------
    >>> item, part = np.array([0, 1, 0, 1, 0]), np.array([0, 0, 0, 0, 2])
    >>> log = LogArrays(item, item, item, item, part, np.array([0, 5]))
    >>> block = TargetBlock(log, np.array([0]), np.array([4]))
    >>> Markov(smoothing=1.0).fit(log, 2).score(block).tolist()
    [[0.75, 0.25]]
    """

    num_lags = 1

    def __init__(
        self,
        smoothing: float | None = None,
        exclude_seen: bool = True,
        seen_types: Collection[int] | None = None,
        candidates: np.ndarray | None = None,
    ) -> None:
        if smoothing is not None:
            _check_smoothing(smoothing)
        self.smoothing = smoothing
        self.exclude_seen = exclude_seen
        self.seen_types = seen_types
        self.candidates = candidates

    def fit(self, log: LogArrays, num_items: int) -> Self:
        """Count the transitions and choose the smoothing."""
        self._count(log, num_items)
        self._smoothing = self.smoothing or choose(
            SMOOTHINGS,
            lambda block, smoothing: self._scores(block, smoothing, 1.0),
            log,
            num_items,
            otherwise=10.0,
            exclude_seen=self.exclude_seen,
            seen_types=self.seen_types,
            candidates=self.candidates,
        )
        return self

    @property
    def chosen(self) -> dict[str, float | str]:
        """The smoothing in use."""
        return {"smoothing": self._smoothing}

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return the probability that each item follows the last one."""
        return self._scores(block, self._smoothing, 1.0)


@baselines.register("lagged_markov")
class LaggedMarkov(_Chain):
    """A mixture of what the last items call for, each by pairs up to ten events apart.

    Parameters
    ----------
    smoothing
        As in `Markov`, here for sums over lags, where it matters little.
    decay
        Weight of an item against the one after it; chosen on validation when None.
    num_lags
        How many last items speak, and how far apart a pair may stand.
    exclude_seen, seen_types, candidates
        How the choice ranks.

    Raises
    ------
    ConfigError
        When the smoothing is not above 0.

    References
    ----------
    A. E. Raftery, "A model for high-order Markov chains", 1985 (the mixture over lags; here all
    lags share one table of counts, in which a pair at lag l counts 1/l).
    """

    def __init__(
        self,
        smoothing: float = 30.0,
        decay: float | None = None,
        num_lags: int = 10,
        exclude_seen: bool = True,
        seen_types: Collection[int] | None = None,
        candidates: np.ndarray | None = None,
    ) -> None:
        _check_smoothing(smoothing)
        self.smoothing = smoothing
        self.decay = decay
        self.num_lags = num_lags
        self.exclude_seen = exclude_seen
        self.seen_types = seen_types
        self.candidates = candidates

    def fit(self, log: LogArrays, num_items: int) -> Self:
        """Count the pairs and choose the decay."""
        self._count(log, num_items)
        self._decay = self.decay or choose(
            DECAYS,
            lambda block, decay: self._scores(block, self.smoothing, decay),
            log,
            num_items,
            otherwise=0.8,
            exclude_seen=self.exclude_seen,
            seen_types=self.seen_types,
            candidates=self.candidates,
        )
        return self

    @property
    def chosen(self) -> dict[str, float | str]:
        """The smoothing and the decay in use."""
        return {"smoothing": self.smoothing, "decay": self._decay}

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return the mixed probability of each item."""
        return self._scores(block, self.smoothing, self._decay)
