"""How good probabilities are: order, log-loss and calibration of a binary head.

All three read (N,) probabilities and (N,) labels of 0 and 1, and depend on nothing but how many
events of each distinct probability were taken and refused; `Outcomes` are those counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from penchant.errors import InputError

NUM_BINS: Final = 10
LOWER_IS_BETTER: Final = frozenset({"log_loss", "calibration_error"})


def auc(probability: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve: P(a positive scores above a negative), ties half.

    NaN where one of the two classes is missing. O(N log N).

    Examples
    --------
    >>> auc(np.array([.9, .4, .4, .1]), np.array([1, 1, 0, 0]))
    0.875
    """
    return auc_of(outcomes(probability, label))


def log_loss(probability: np.ndarray, label: np.ndarray) -> float:
    """Return −mean(y log p + (1 − y) log(1 − p)); p is kept 1e-15 away from 0 and 1.

    Examples
    --------
    >>> round(log_loss(np.array([.5, .5]), np.array([1, 0])), 6)  # log 2
    0.693147
    """
    return log_loss_of(outcomes(probability, label))


def calibration_error(
    probability: np.ndarray, label: np.ndarray, num_bins: int = NUM_BINS
) -> float:
    """Return the expected calibration error over bins of equal numbers of events.

    ECE = Σ over bins of (n_b / N) · |mean p − mean y|, events sorted by p and cut into `num_bins`
    parts. Events of one probability that fall in several bins are shared out evenly, so that their
    order plays no part: one probability for all has the error |p − mean y|.

    Examples
    --------
    >>> p, y = np.array([.1, .1, .8, .8]), np.array([0, 0, 1, 0])
    >>> round(calibration_error(p, y, num_bins=2), 4)  # 1/2 · |.1 − 0| + 1/2 · |.8 − .5|
    0.2
    """
    return calibration_error_of(outcomes(probability, label), num_bins)


class Outcomes(NamedTuple):
    """Counts by distinct probability.

    `probability` (G,) rising; `taken` and `refused` (G,) events of each, perhaps none of either.
    """

    probability: np.ndarray
    taken: np.ndarray
    refused: np.ndarray


def outcomes(probability: np.ndarray, label: np.ndarray) -> Outcomes:
    """Count labels by probability.

    Raises
    ------
    InputError
        When there are none, not equally many, or they are no probabilities and labels.
    """
    probability, label = _checked(probability, label)
    value, group = np.unique(probability, return_inverse=True)
    taken = np.bincount(group, weights=label, minlength=len(value))
    return Outcomes(value, taken, np.bincount(group, minlength=len(value)) - taken)


def auc_of(counts: Outcomes) -> float:
    """Return `auc` of counted events."""
    num_pairs = counts.taken.sum() * counts.refused.sum()
    if num_pairs == 0:
        return float("nan")
    below = np.cumsum(counts.refused) - counts.refused
    return float(counts.taken @ (below + counts.refused / 2) / num_pairs)


def log_loss_of(counts: Outcomes) -> float:
    """Return `log_loss` of counted events."""
    sure = np.clip(counts.probability, 1e-15, 1 - 1e-15)
    surprise = counts.taken @ np.log(sure) + counts.refused @ np.log1p(-sure)
    return float(-surprise / (counts.taken.sum() + counts.refused.sum()))


def calibration_error_of(counts: Outcomes, num_bins: int = NUM_BINS) -> float:
    """Return `calibration_error` of counted events.

    Notes
    -----
    n_b · |mean p − mean y| = |Σ (p − y)|, a difference of the running sum at the ends of a bin.
    """
    size = counts.taken + counts.refused
    num_events = int(size.sum())
    num_bins = min(num_bins, num_events)
    width, num_wider = divmod(num_events, num_bins)
    bin_ = np.arange(num_bins + 1)
    borders = bin_ * width + np.minimum(bin_, num_wider)
    surplus = np.concatenate([[0], np.cumsum(counts.probability * size - counts.taken)])
    at_borders = np.interp(borders, np.concatenate([[0], np.cumsum(size)]), surplus)
    return float(np.abs(np.diff(at_borders)).sum() / num_events)


FIGURES: Final[dict[str, Callable[[Outcomes], float]]] = {
    "auc": auc_of,
    "log_loss": log_loss_of,
    "calibration_error": calibration_error_of,
}


def _checked(probability: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probability, label = np.asarray(probability, dtype=np.float64), np.asarray(label)
    if probability.shape != label.shape or probability.ndim != 1 or len(label) == 0:
        raise InputError(
            f"probabilities and labels must be two equally long lists, not empty, but have shapes "
            f"{probability.shape} and {label.shape}.",
            "Give one label per probability.",
        )
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError(
            f"probabilities must lie from 0 to 1 but reach from {probability.min()} to "
            f"{probability.max()}.",
            "Pass the sigmoid of the scores.",
        )
    if not np.isin(label, (0, 1)).all():
        raise InputError(
            f"labels must be 0 or 1 but hold {sorted(set(label.tolist()) - {0, 1})[0]}.",
            "Turn values into clicks first.",
        )
    return probability, label.astype(np.float64)
