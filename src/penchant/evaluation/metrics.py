"""What a rank is worth, under each name: from (M,) ranks to (M,) values whose mean is reported.

Every list has one target, so Recall equals Hit, MAP equals MRR, and Precision is Hit / k; they are
given all the same, because people look for the name they know. Means and intervals are made
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from penchant.errors import ConfigError
from penchant.sequences.ranking import gain


def ndcg(rank: np.ndarray, k: int) -> np.ndarray:
    """Return NDCG@k = 1 / log2(rank + 1) where rank ≤ k, else 0.

    With one target per list the ideal gain is 1.

    Examples
    --------
    >>> ndcg(np.array([1, 3, 11]), 10).tolist()
    [1.0, 0.5, 0.0]
    """
    return gain(rank, k)


def hit(rank: np.ndarray, k: int) -> np.ndarray:
    """Return Hit@k = 1 where rank ≤ k, else 0.

    Examples
    --------
    >>> hit(np.array([1, 3, 11]), 3).tolist()
    [1.0, 1.0, 0.0]
    """
    return (rank <= k).astype(np.float64)


def recall(rank: np.ndarray, k: int) -> np.ndarray:
    """Return Recall@k = targets found / targets, of which a list has one: equals Hit@k.

    Examples
    --------
    >>> recall(np.array([1, 3, 11]), 3).tolist()
    [1.0, 1.0, 0.0]
    """
    return hit(rank, k)


def mrr(rank: np.ndarray, k: int) -> np.ndarray:
    """Return the reciprocal rank 1 / rank where rank ≤ k, else 0; its mean is MRR@k.

    Examples
    --------
    >>> mrr(np.array([1, 4, 11]), 10).tolist()
    [1.0, 0.25, 0.0]
    """
    return np.where(rank <= k, 1.0 / rank, 0.0)


def average_precision(rank: np.ndarray, k: int) -> np.ndarray:
    """Return the average precision at k; its mean is MAP@k.

    The mean over the targets found of the precision at each one's rank, 1 / rank for the only one:
    equals MRR@k.

    Examples
    --------
    >>> average_precision(np.array([1, 4, 11]), 10).tolist()
    [1.0, 0.25, 0.0]
    """
    return mrr(rank, k)


def precision(rank: np.ndarray, k: int) -> np.ndarray:
    """Return Precision@k = targets found / k, at most 1 / k.

    Examples
    --------
    >>> precision(np.array([1, 3, 11]), 10).tolist()
    [0.1, 0.1, 0.0]
    """
    return hit(rank, k) / k


METRICS: Final[dict[str, Callable[[np.ndarray, int], np.ndarray]]] = {
    "ndcg": ndcg,
    "hit": hit,
    "recall": recall,
    "mrr": mrr,
    "map": average_precision,
    "precision": precision,
}


def rank_metrics(rank: np.ndarray, ks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the (M,) values of every metric at every k, by name such as `ndcg@10`.

    Examples
    --------
    >>> found = rank_metrics(np.array([2, 7]), (5, 10))
    >>> found["hit@5"].tolist(), found["hit@10"].tolist()
    ([1.0, 0.0], [1.0, 1.0])
    """
    return {f"{name}@{k}": metric(rank, k) for name, metric in METRICS.items() for k in ks}


def chance_metrics(num_candidates: np.ndarray, ks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the (M,) expected values of every metric for lists in random order, by name.

    The mean over the n places where the target may stand: Σ_{r ≤ min(k, n)} value(r) / n.

    Parameters
    ----------
    num_candidates
        (M,) n, how many items each list is drawn from, the target among them; 0 for a target that
        no list can hold.
    ks
        Lengths of the lists.

    Examples
    --------
    >>> found = chance_metrics(np.array([4, 1, 0]), (2,))
    >>> found["hit@2"].tolist(), found["mrr@2"].tolist()  # 2/4 and 1; (1 + 1/2)/4 and 1
    ([0.5, 1.0, 0.0], [0.375, 1.0, 0.0])
    """
    worth = rank_metrics(np.arange(1, max(ks) + 1), ks)
    listed = np.minimum(num_candidates, max(ks))
    total = {name: np.concatenate([[0], np.cumsum(values)]) for name, values in worth.items()}
    return {name: sums[listed] / np.maximum(num_candidates, 1) for name, sums in total.items()}


def checked_ks(ks: tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """Return the list lengths, rising, each once.

    Raises
    ------
    ConfigError
        When there is none or one is below 1.
    """
    if not ks or min(ks) < 1:
        raise ConfigError(
            f"list lengths k must be whole numbers from 1 but are {list(ks)}.",
            "Give for example ks=(5, 10, 20).",
        )
    return tuple(sorted({int(k) for k in ks}))
