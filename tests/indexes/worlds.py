"""Tables of items and users as tests of indexes need them."""

from __future__ import annotations

import numpy as np


def clustered(
    num_items: int, width: int, num_users: int = 60, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors (I, D) and biases (I,) as trained tables have them, and interests (B, D).

    Clusters of unequal size, lengths that differ, and interests that lie between items.
    """
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((num_items // 60 + 3, width))
    share = draw.dirichlet(np.full(len(centres), 0.7))
    near = draw.standard_normal((num_items, width)) * 0.6
    vectors = centres[draw.choice(len(centres), num_items, p=share)] + near
    vectors *= np.exp(draw.standard_normal((num_items, 1)) * 0.3)
    weights = draw.dirichlet(np.full(3, 0.6), num_users)
    interests = np.einsum("bn,bnd->bd", weights, vectors[draw.choice(num_items, (num_users, 3))])
    bias = draw.standard_normal(num_items)
    return vectors.astype(np.float32), bias.astype(np.float32), interests.astype(np.float32)


def full_sort(
    vectors: np.ndarray, bias: np.ndarray, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, k) items and scores by sorting all scores of queries (B, D), in float64."""
    scores = (queries.astype(float) @ vectors.astype(float).T + bias).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, 1)
