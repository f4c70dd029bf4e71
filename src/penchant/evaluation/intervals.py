"""95 % intervals by bootstrap over users, and paired differences.

The events of one user are alike, so whole users are drawn, with their events; a mean over events is
a ratio of two sums that are drawn together. The same seed draws the same users, so that differences
between rankers are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from penchant.seeds import stream

NUM_DRAWS: Final = 1_000
LEVEL: Final = 0.95
CHUNK_CELLS: Final = 2**22


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; the ends are NaN where none can be given."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def to_dict(self) -> dict[str, float | None]:
        """Return value, low and high, None for NaN.

        Examples
        --------
        >>> Estimate(0.5).to_dict()
        {'value': 0.5, 'low': None, 'high': None}
        """
        figures = {"value": self.value, "low": self.low, "high": self.high}
        return {
            name: float(figure) if np.isfinite(figure) else None for name, figure in figures.items()
        }


def user_sums(values: np.ndarray, user: np.ndarray, num_users: int) -> np.ndarray:
    """Return (U, Q) sums of (M, Q) values over each user's rows; `user` (M,) counts from 0.

    Examples
    --------
    >>> user_sums(np.array([[1.], [2.], [4.]]), np.array([1, 0, 1]), 2).tolist()
    [[2.0], [5.0]]
    """
    columns = [np.bincount(user, weights=column, minlength=num_users) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((num_users, 0))


def resampled_ratios(
    sums: np.ndarray, counts: np.ndarray, *, num_draws: int = NUM_DRAWS, seed: int = 0
) -> np.ndarray:
    """Return (R, Q) ratios of sums over users drawn with replacement.

    Parameters
    ----------
    sums
        (U, Q) numerators, one row per user.
    counts
        (U, Q) denominators.
    num_draws
        Bootstrap samples R.
    seed
        Two calls with one seed and the same number of users draw the same users.

    Notes
    -----
    Each draw takes U users; the weights of a chunk of draws are one (R', U) matrix, so the work is
    a matrix product.
    """
    num_users = len(sums)
    draw = stream(seed, "bootstrap")
    chunk = max(1, CHUNK_CELLS // max(num_users, 1))
    both = np.concatenate([sums, counts], axis=1)  # (U, 2Q)
    drawn = np.empty((num_draws, both.shape[1]))
    for begin in range(0, num_draws, chunk):
        size = min(chunk, num_draws - begin)
        picks = draw.integers(num_users, size=(size, num_users))
        picks += num_users * np.arange(size)[:, None]
        weights = np.bincount(picks.reshape(-1), minlength=size * num_users)
        drawn[begin : begin + size] = weights.reshape(size, num_users).astype(np.float64) @ both
    top, bottom = np.split(drawn, 2, axis=1)
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def estimate(value: float, draws: np.ndarray) -> Estimate:
    """Return a value with the 2.5 and 97.5 % quantiles of its bootstrap draws (R,).

    Examples
    --------
    >>> found = estimate(20.5, np.arange(41))
    >>> round(found.low, 6), round(found.high, 6)
    (1.0, 39.0)
    """
    known = draws[np.isfinite(draws)]
    if len(known) == 0:
        return Estimate(float(value))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def bootstrap_mean(
    values: np.ndarray,
    user: np.ndarray,
    *,
    per_user: bool = False,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return the mean of (M,) values with its interval.

    Parameters
    ----------
    values
        (M,) one value per target.
    user
        (M,) whose target it is; any integers.
    per_user
        Weigh users alike: the mean of the users' means, instead of the mean over events.
    num_draws
        Bootstrap samples.
    seed
        Seed of the draws.

    Examples
    --------
    >>> values, user = np.array([1., 0., 0.]), np.array([7, 7, 3])
    >>> bootstrap_mean(values, user, per_user=True).value
    0.25
    """
    users, place = np.unique(user, return_inverse=True)
    sums = user_sums(values[:, None], place, len(users))
    counts = np.bincount(place, minlength=len(users)).astype(float)[:, None]
    if per_user:
        sums, counts = sums / counts, np.ones_like(counts)
    if len(users) == 0:
        return Estimate(float("nan"))
    draws = resampled_ratios(sums, counts, num_draws=num_draws, seed=seed)
    return estimate(float(sums.sum() / counts.sum()), draws[:, 0])


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    user: np.ndarray,
    *,
    per_user: bool = False,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return mean(first) − mean(second) on the same targets, users drawn in pairs.

    The interval is narrower than the two intervals suggest wherever the rankers succeed on the same
    users.

    Examples
    --------
    >>> first, second = np.array([1., 0., 1.]), np.array([0., 0., 0.])
    >>> round(paired_difference(first, second, np.array([0, 0, 1])).value, 4)
    0.6667
    """
    return bootstrap_mean(first - second, user, per_user=per_user, num_draws=num_draws, seed=seed)
