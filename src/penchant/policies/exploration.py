"""New items at named places of a list, drawn by chance with probabilities that are known exactly.

The new items are dealt out into as many hands as there are slots; which hand goes to which slot is
drawn, and then one item of each hand. So no item comes twice, every item can come to every slot,
and its probability there is its weight over that of its hand, divided by the number of slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from penchant.policies.columns import ItemColumns
from penchant.policies.context import Context
from penchant.policies.eligible import DAY_MS, Eligible
from penchant.policies.settings import ExplorationPolicy
from penchant.seeds import stream

IN_NO_HAND: Final = -1

LOOKED_AT: Final = 4
"""How many times the size of the pool is looked at at once, until it is full."""

Value = tuple[int, int]
"""Which cap, and which value of its attribute."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of the list that chance decides on, and with which probability on what.

    Parameters
    ----------
    name, position
        What it is called, and where it stands, counted from 1.
    item_index, probability
        (m,) each: what can come there, each once. The sum is 1, and less where a list that does not
        explore is too short to have this place.
    """

    name: str
    position: int
    item_index: np.ndarray
    probability: np.ndarray

    def probability_of(self, item_index: int) -> float:
        """Return the probability of an item, 0 where it cannot come."""
        return float(self.probability[self.item_index == item_index].sum())

    def joined(self, item_index: int, probability: float) -> Slot:
        """Return the slot with more probability for an item."""
        is_there = self.item_index == item_index
        if is_there.any():
            more = self.probability + probability * is_there
            return Slot(self.name, self.position, self.item_index, more)
        return Slot(
            self.name,
            self.position,
            np.append(self.item_index, item_index),
            np.append(self.probability, probability),
        )


@dataclass(frozen=True, slots=True)
class Draw:
    """What chance decided: whether this list explores, and which item comes to which slot."""

    explores: bool
    slots: tuple[Slot, ...]
    items: tuple[int, ...]


class NewItems:
    """Finds the newest new items; what is new by its age is kept until an age changes.

    Parameters
    ----------
    policy
        What is new.
    columns
        Attributes of the items.
    """

    def __init__(self, policy: ExplorationPolicy, columns: ItemColumns) -> None:
        self._policy = policy
        self._columns = columns
        self._kept: tuple[tuple[int, int], float, np.ndarray, np.ndarray] | None = None

    def pool(self, eligible: Eligible, context: Context) -> np.ndarray:
        """Return at most `pool_size` eligible new items, the newest first."""
        items = self._young(context.now_ms)
        size = self._policy.pool_size
        pool = items[:0]
        for begin in range(0, len(items), LOOKED_AT * size):
            part = items[begin : begin + LOOKED_AT * size]
            pool = np.concatenate([pool, part[self._may_be_drawn(part, eligible, context)]])
            if len(pool) >= size:
                break
        return pool[:size]

    def _may_be_drawn(self, items: np.ndarray, eligible: Eligible, context: Context) -> np.ndarray:
        may = eligible.allows(items)
        if self._policy.max_events:
            assert context.num_events is not None, "exploration.max_events needs num_events"
            known = np.append(context.num_events, 0)  # of an item beyond them nothing is known
            may &= known[np.minimum(items, len(known) - 1)] < self._policy.max_events
        return may

    def _young(self, now_ms: int) -> np.ndarray:
        """Return the items young enough, the newest first; all where age is not asked.

        An item of the future counts as new. Time makes items old and never young, so that what was
        young earlier holds all that are young now.
        """
        columns, policy = self._columns, self._policy
        if not policy.max_age_days:
            return np.arange(columns.num_items)[::-1]  # the later an index, the newer the item
        with columns.lock:
            column = columns.column(policy.created_field)
            if column is None:
                return np.zeros(0, np.int64)
            kept, revision = self._kept, (column.revision, columns.num_items)
            after_ms = now_ms - policy.max_age_days * DAY_MS
            if kept is None or kept[0] != revision or after_ms < kept[1]:
                times = column.times(columns.num_items)
                items = np.flatnonzero(times > after_ms)
                items = items[np.argsort(-times[items], kind="stable")]
                kept = self._kept = (revision, after_ms, items, -times[items])
        num_young = int(np.searchsorted(kept[3], -after_ms))
        young: np.ndarray = kept[2][:num_young]
        return young


def active_slots(
    policy: ExplorationPolicy, k: int, taken: Sequence[int]
) -> tuple[tuple[str, int], ...]:
    """Return the slots of a list of k, by place: the first ones that its share allows.

    Examples
    --------
    >>> policy = ExplorationPolicy(slots={"low": 9, "high": 3, "far": 30}, max_share=0.2)
    >>> active_slots(policy, 10, taken=[]), active_slots(policy, 5, taken=[]), active_slots(
    ...     policy, 10, taken=[3])
    ((('high', 3), ('low', 9)), (('high', 3),), (('low', 9),))
    """
    free = [one for one in policy.slots.items() if one[1] <= k and one[1] not in taken]
    most = int(policy.max_share * k + 1e-9)
    return tuple(sorted(free, key=lambda one: one[1])[:most])


def deal(
    values: Sequence[Sequence[Value]], num_hands: int, room: Callable[[Value], int]
) -> np.ndarray:
    """Deal items out into hands, of each of which one will be drawn.

    Parameters
    ----------
    values
        Of each item, the values that are capped.
    num_hands
        How many hands there are.
    room
        Says how many items with a value the list may still hold. A value lies in no more hands than
        that, whatever is drawn.

    Returns
    -------
    (n,) the hand of each item, `IN_NO_HAND` where no room is left; empty hands are closed up.

    Notes
    -----
    Each goes to the smallest hand that may have it.

    Examples
    --------
    >>> red, blue = (0, 5), (0, 6)
    >>> deal([[red], [red], [blue], [red]], 2, lambda value: 1).tolist()
    [0, 0, 1, 0]
    """
    if not any(values):
        return np.arange(len(values)) % num_hands
    sizes = [0] * num_hands
    held: dict[Value, set[int]] = {}
    hands = np.full(len(values), IN_NO_HAND)
    for item, its in enumerate(values):
        fitting: Sequence[int] = range(num_hands)
        for value in its:
            where, most = held.setdefault(value, set()), room(value)
            if len(where) >= most:
                fitting = [hand for hand in fitting if hand in where and most]
        if fitting:
            hand = min(fitting, key=sizes.__getitem__)
            hands[item] = hand
            sizes[hand] += 1
            for value in its:
                held[value].add(hand)
    used = np.unique(hands[hands != IN_NO_HAND])
    return np.where(hands == IN_NO_HAND, IN_NO_HAND, np.searchsorted(used, hands))


def weights_of(policy: ExplorationPolicy, scores: np.ndarray) -> np.ndarray:
    """Return (n,) what the new items weigh in the draw; by softmax, 0 without a finite score."""
    if policy.weighting == "uniform":
        return np.ones(len(scores))
    known = np.isfinite(scores)
    best = scores[known].max() if known.any() else 0.0
    return np.where(known, np.exp((np.where(known, scores, best) - best) / policy.temperature), 0.0)


def draw(
    policy: ExplorationPolicy,
    request_id: str,
    slots: Sequence[tuple[str, int]],
    items: np.ndarray,
    weights: np.ndarray,
    hands: np.ndarray,
) -> Draw:
    """Draw one item for each slot, and whether the list explores at all.

    Parameters
    ----------
    request_id
        With the seed, all that the draw depends on.
    slots
        Names and places; the first as many as there are hands are used.
    items, weights, hands
        (n,) each; no weight is 0.

    Notes
    -----
    P(item j at slot s) = list_share / S · w_j / W(hand of j) for S hands: hands go round by an
    offset that is drawn, so that each comes to each slot with probability 1 / S.
    """
    in_hand = hands != IN_NO_HAND
    items, weights, hands = items[in_hand], weights[in_hand], hands[in_hand]
    if not len(items) or not slots:
        return Draw(False, (), ())
    used, hands = np.unique(hands, return_inverse=True)
    num_hands = len(used)
    totals = np.bincount(hands, weights)
    probability = policy.list_share / num_hands * weights / totals[hands]
    chances = stream(policy.seed, f"exploration {request_id}").random(2 + num_hands).tolist()
    offset = int(chances[1] * num_hands)
    drawn = []
    for place in range(num_hands):
        hand = np.flatnonzero(hands == (place + offset) % num_hands)
        sums = np.cumsum(weights[hand])
        at = np.searchsorted(sums, chances[2 + place] * sums[-1], side="right")
        drawn.append(int(items[hand[min(int(at), len(hand) - 1)]]))
    return Draw(
        chances[0] < policy.list_share,
        tuple(Slot(name, place, items, probability) for name, place in slots[:num_hands]),
        tuple(drawn),
    )
