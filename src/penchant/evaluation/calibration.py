"""How good probabilities are: order, log-loss and calibration of a binary head.

All three read (N,) probabilities and (N,) labels of 0 and 1.
"""

from __future__ import annotations

import numpy as np

from penchant.errors import InputError


def auc(probability: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve: P(a positive scores above a negative), ties half.

    NaN where one of the two classes is missing. O(N log N).

    Examples
    --------
    >>> auc(np.array([.9, .4, .4, .1]), np.array([1, 1, 0, 0]))
    0.875
    """
    probability, label = _checked(probability, label)
    num_positives = label.sum()
    num_negatives = len(label) - num_positives
    if num_positives == 0 or num_negatives == 0:
        return float("nan")
    _, group, size = np.unique(probability, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - (size - 1) / 2  # mean rank of equal scores, from 1
    above = middle[group][label == 1].sum() - num_positives * (num_positives + 1) / 2
    return float(above / (num_positives * num_negatives))


def log_loss(probability: np.ndarray, label: np.ndarray) -> float:
    """Return −mean(y log p + (1 − y) log(1 − p)); p is kept 1e-15 away from 0 and 1.

    Examples
    --------
    >>> round(log_loss(np.array([.5, .5]), np.array([1, 0])), 6)  # log 2
    0.693147
    """
    probability, label = _checked(probability, label)
    sure = np.clip(probability, 1e-15, 1 - 1e-15)
    return float(-np.mean(np.where(label == 1, np.log(sure), np.log1p(-sure))))


def calibration_error(probability: np.ndarray, label: np.ndarray, num_bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal numbers of events.

    ECE = Σ over bins of (n_b / N) · |mean p − mean y|, events sorted by p and cut into `num_bins`
    parts.

    Examples
    --------
    >>> p, y = np.array([.1, .1, .8, .8]), np.array([0, 0, 1, 0])
    >>> round(calibration_error(p, y, num_bins=2), 4)  # 1/2 · |.1 − 0| + 1/2 · |.8 − .5|
    0.2
    """
    probability, label = _checked(probability, label)
    order = np.argsort(probability, kind="stable")
    bins = np.array_split(order, min(num_bins, len(order)))
    gaps = [abs(probability[bin_].mean() - label[bin_].mean()) * len(bin_) for bin_ in bins]
    return float(sum(gaps) / len(order))


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
