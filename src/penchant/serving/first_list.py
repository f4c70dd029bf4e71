"""A list for somebody of whom there is no event: popular of late among users like them, and varied.

Popularity comes from counts that the bundle keeps of its training part. A bundle without them
answers with the model's own list of an empty history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from penchant.baselines import SegmentPopular
from penchant.errors import InputError
from penchant.events.given import check_given, given_table
from penchant.policies.diversity import Likeness
from penchant.serving.ranking import RankedItem, Ranker, best_first, check_k

DIVERSITY: Final = 0.1
"""How much being unlike the items before counts, beside popularity."""

POOL: Final = 5
"""Items that are looked at for each place of a list."""


def first_list(
    ranker: Ranker,
    attributes: Mapping[str, Any] | None = None,
    k: int = 10,
    diversity: float = DIVERSITY,
) -> tuple[RankedItem, ...]:
    """Return k items for somebody new; their scores are shares of what users like them do.

    Parameters
    ----------
    ranker
        Of the bundle that answers.
    attributes
        What is known of the user, by name; a value that no user of the training had says nothing.
    k
        Length of the list.
    diversity
        From 0, the most popular items, to 1, the most popular one and what is least like those
        before.

    Raises
    ------
    InputError
        When an attribute is not among those of the training, or diversity is out of range.

    Notes
    -----
    A list of k is the beginning of a list of k + 1 only as long as both look at the same items:
    the 5 k most popular.
    """
    if not 0 <= diversity <= 1:
        raise InputError(
            f"diversity must lie in 0..1 but is {diversity:g}.", "Leave it out, or say 0.1."
        )
    told, popular = dict(attributes or {}), ranker.bundle.first_list
    if popular is None:
        return _of_the_model(ranker, told, k)
    check_given(told, popular.segments.encoder)
    return popular_items(ranker, popular, told, k, diversity)


def popular_items(
    ranker: Ranker,
    popular: SegmentPopular,
    told: Mapping[str, Any],
    k: int,
    diversity: float = DIVERSITY,
    left_out: np.ndarray | None = None,
) -> tuple[RankedItem, ...]:
    """Return k items, varied; of attributes that cannot be read nothing is known.

    Items of which the bundle counted nothing, those that came later among them, are in no such
    list.
    """
    check_k(k)
    encoder = popular.segments.encoder
    [shares] = popular.shares(given_table([told], encoder))  # (I,)
    is_candidate = ranker.is_candidate[: len(shares)].copy()
    if left_out is not None:
        is_candidate[left_out[left_out < len(shares)]] = False
    counted = np.where(is_candidate & (shares > 0), shares, -np.inf)
    pool = best_first(counted, POOL * k, np.array([], np.int64))
    vectors = ranker.table[pool].detach().float().cpu().numpy()
    order = diversified(
        shares[pool] / max(shares[pool].max(initial=0), 1e-300), vectors, k, diversity
    )
    ids = ranker.items.ids
    return tuple(
        RankedItem(ids[item], float(shares[item]), rank)
        for rank, item in enumerate(pool[order].tolist(), start=1)
    )


def counted_attributes(ranker: Ranker, attributes: Mapping[str, Any]) -> list[str]:
    """Return the names of the attributes that a first list rests on."""
    popular = ranker.bundle.first_list
    if popular is None:
        return [
            each.name for each in ranker.bundle.user_encoder.attributes if each.name in attributes
        ]
    return popular.counted(given_table([attributes], popular.segments.encoder))


def _of_the_model(ranker: Ranker, told: dict[str, Any], k: int) -> tuple[RankedItem, ...]:
    """Return the model's list of an empty history, with what it reads of the user."""
    is_read = ranker.model.profile.is_read
    if is_read:
        check_given(told, ranker.bundle.user_encoder)
    state = ranker.begin(1, ranker.profiles([told]) if is_read else None)
    [items] = ranker.lists(state, [None], k, [np.array([], np.int64)])
    return items


def diversified(
    relevance: np.ndarray, vectors: np.ndarray, k: int, diversity: float = DIVERSITY
) -> np.ndarray:
    """Return the places of k items: each is the best by relevance less likeness to those before.

    Parameters
    ----------
    relevance
        (n,) at most 1, higher is better.
    vectors
        (n, D) of the items.
    k
        How many to take.
    diversity
        Weight of the likeness: the largest cosine with an item before, both seen from the middle of
        all n.

    References
    ----------
    Carbonell and Goldstein, "The use of MMR, diversity-based reranking", 1998.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [-1.0, 0.0]])
    >>> diversified(np.array([1.0, 0.9, 0.8]), vectors, 2, 0.5).tolist()
    [0, 2]
    >>> diversified(np.array([1.0, 0.9, 0.8]), vectors, 2, 0.0).tolist()
    [0, 1]
    """
    worth, likeness = (1 - diversity) * relevance, Likeness(vectors, len(vectors))
    chosen: list[int] = []
    while len(chosen) < min(k, len(relevance)):
        value = worth - diversity * likeness.costs()
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
        likeness.take(chosen[-1])
    return np.array(chosen, np.int64)
