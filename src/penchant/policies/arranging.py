"""The two halves in which policies meet the search: what may be in a list, and how it is arranged.

`plan` says which items are eligible, how many to fetch and which to score besides; `arrange` makes
the list of what was fetched. Neither searches, keeps or logs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from penchant.policies.board import Scored, Table, set_out
from penchant.policies.caps import CapCount
from penchant.policies.choosing import Filled, choose
from penchant.policies.columns import ItemColumns
from penchant.policies.context import Context
from penchant.policies.eligible import OPEN, Eligible, Shelves, eligible
from penchant.policies.exploration import Draw, NewItems, active_slots, deal, draw, weights_of
from penchant.policies.placed import Arranged, Placed
from penchant.policies.settings import Policies

GROWTH: Final = 4
"""How many times more candidates are fetched where those before could not fill a list."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """An item that is to stand at a place of this list."""

    name: str
    item_index: int
    position: int


@dataclass(frozen=True)
class Plan:
    """What one list needs before it can be arranged.

    Parameters
    ----------
    eligible
        What the search may find.
    num_candidates
        How many to fetch.
    promoted
        Promotions that may be shown.
    pool
        New items that may be drawn, the newest first.
    """

    context: Context
    eligible: Eligible
    num_candidates: int
    promoted: tuple[Promoted, ...]
    pool: np.ndarray

    @property
    def extra(self) -> np.ndarray:
        """Items that are to be scored beside those that the search finds, each once."""
        promoted = np.array([one.item_index for one in self.promoted], np.int64)
        return np.concatenate([promoted, self.pool])


class Arranger:
    """Applies one document of policies; safe to use from threads.

    Parameters
    ----------
    policies
        The document. Another one is another arranger.
    columns
        Attributes of the items.
    index_of
        Returns the index of an item's id, None where there is no such item.

    Notes
    -----
    The walk of a list: `plan`, search inside `plan.eligible`, `arrange`; `filled` does it all.
    """

    def __init__(
        self,
        policies: Policies,
        columns: ItemColumns,
        index_of: Callable[[str], int | None],
    ) -> None:
        self.policies = policies
        self.columns = columns
        self.shelves = Shelves(policies, columns, index_of)
        self._new_items = NewItems(policies.exploration, columns)

    def eligible(self, context: Context) -> Eligible:
        """Return what a list may hold."""
        return eligible(self.policies, self.shelves.of(context), context)

    def plan(self, context: Context) -> Plan:
        """Return what a list needs.

        Notes
        -----
        The k best suffice for the plain ranking: what stands at fixed places takes places away.
        Caps and diversity look at `candidates_per_place` times as many.
        """
        found = self.eligible(context)
        promoted = self._promoted(found, context)
        looks_further = self.policies.caps or self._weighs
        each = self.policies.candidates_per_place if looks_further else 1
        pool = np.zeros(0, np.int64)
        if active_slots(self.policies.exploration, context.k, [one.position for one in promoted]):
            pool = self._new_items.pool(found, context)
            pool = pool[~np.isin(pool, [one.item_index for one in promoted])]
        num_candidates = min(context.k * each, found.num_eligible)
        return Plan(context, found, num_candidates, promoted, pool)

    def arrange(self, plan: Plan, found: Scored, extra: Scored | None = None) -> Arranged:
        """Return the list.

        Parameters
        ----------
        plan
            Of this list.
        found
            What the search found, best first.
        extra
            The items of `plan.extra`, scored.

        Notes
        -----
        The same arguments give the same list: chance depends on the id of the request alone.
        """
        table = set_out(
            self.policies,
            self.columns,
            plan.eligible,
            plan.context.history.item_index,
            found,
            Scored.none() if extra is None else extra,
        )
        promoted = {
            one.position: (table.row(one.item_index), "promotions") for one in plan.promoted
        }
        chance = self._draw(plan, table)
        whole = promoted
        if chance.explores:
            drawn = zip(chance.slots, chance.items, strict=True)
            explored = {slot.position: (table.row(it), "exploration") for slot, it in drawn}
            whole = promoted | explored
        filled = choose(table.board, plan.context.k, whole, table.rules)
        usual = filled
        if chance.slots and self.policies.exploration.list_share < 1:
            if chance.explores:
                usual = choose(table.board, plan.context.k, promoted, table.rules)
            chance = self._with_usual(chance, usual, table)
        arranged = _arranged(plan, table, filled, chance)
        # what a slot shows otherwise must be looked for as far as what it shows
        is_short = min(len(filled.choices), len(usual.choices)) < plan.context.k
        return replace(arranged, num_wanted=_wanted(plan, len(found.item_index)) * is_short)

    def filled(
        self,
        plan: Plan,
        search: Callable[[int], Scored],
        score: Callable[[np.ndarray], Scored],
    ) -> Arranged:
        """Search and arrange until the list is full or nothing more is found.

        Parameters
        ----------
        plan
            Of this list.
        search
            Returns that many of the best eligible items.
        score
            Returns given items, scored.
        """
        extra = score(plan.extra) if len(plan.extra) else Scored.none()
        found = search(plan.num_candidates)
        while True:
            arranged = self.arrange(plan, found, extra)
            if not arranged.num_wanted:
                return arranged
            before = len(found.item_index)
            found = search(arranged.num_wanted)
            if len(found.item_index) <= before:
                return replace(arranged, num_wanted=0)

    @property
    def _weighs(self) -> bool:
        diversity = self.policies.diversity
        return diversity.mmr_weight > 0 or diversity.calibration_weight > 0

    def _promoted(self, found: Eligible, context: Context) -> tuple[Promoted, ...]:
        """Return the promotions that run now and may be shown, one a place and one an item."""
        by_position: dict[int, Promoted] = {}
        taken: set[int] = set()
        for one in self.policies.promotions:
            item = self.shelves.index_of(one.item_id)
            if item is None or item in taken or item >= len(found.shelf.stage):
                continue
            if one.position in by_position or one.position > context.k:
                continue
            for_all, for_user = found.shelf.stage[item], found.stages(np.array([item]))[0]
            may_stand = (for_all if one.even_if_seen else for_user) == OPEN
            if may_stand and one.runs_at(context.now_ms):
                taken.add(item)
                by_position[one.position] = Promoted(one.name, item, one.position)
        return tuple(by_position.values())

    def _draw(self, plan: Plan, table: Table) -> Draw:
        """Draw new items for the slots of this list."""
        policy = self.policies.exploration
        slots = active_slots(policy, plan.context.k, [one.position for one in plan.promoted])
        if not slots or not len(plan.pool):
            return Draw(False, (), ())
        known = [table.known_row(item) for item in plan.pool.tolist()]
        rows = np.array([row for row in known if row is not None], np.int64)
        weights = weights_of(policy, table.board.scores[rows])
        rows, weights = rows[weights > 0], weights[weights > 0]
        slots = slots[: len(rows)]
        caps = _counted(plan, table, [position for _, position in slots])
        values = [
            [(at, value) for at, cap in enumerate(caps) for value in cap.values(row)]
            for row in (rows.tolist() if caps else [])
        ]
        hands = deal(values or [()] * len(rows), len(slots), lambda one: caps[one[0]].room(one[1]))
        return draw(policy, plan.context.request_id, slots, table.board.items[rows], weights, hands)

    def _with_usual(self, chance: Draw, usual: Filled, table: Table) -> Draw:
        """Add to each slot what stands there in a list that does not explore."""
        by_position = {choice.position: choice.row for choice in usual.choices}
        rest = 1 - self.policies.exploration.list_share
        slots = tuple(
            slot.joined(int(table.board.items[by_position[slot.position]]), rest)
            if slot.position in by_position
            else slot
            for slot in chance.slots
        )
        return replace(chance, slots=slots)


def _wanted(plan: Plan, num_found: int) -> int:
    """Return how many candidates to fetch where those found do not suffice, 0 if that is all."""
    wanted = min(plan.eligible.num_eligible, GROWTH * max(num_found, plan.context.k))
    return wanted if wanted > num_found else 0


def _arranged(plan: Plan, table: Table, filled: Filled, chance: Draw) -> Arranged:
    slots = {slot.position: slot for slot in chance.slots}
    promotions = {one.position: one.name for one in plan.promoted}
    placed = []
    for rank, choice in enumerate(filled.choices, start=1):
        item, score = int(table.board.items[choice.row]), float(table.board.scores[choice.row])
        slot = slots.get(choice.position)
        name = promotions.get(choice.position) if slot is None else slot.name
        probability = 1.0 if slot is None else slot.probability_of(item)
        is_drawn, over = slot is not None, choice.passed_over
        placed.append(
            Placed(item, score, rank, choice.placed_by, probability, is_drawn, name, over)
        )
    cut = {**plan.eligible.cut, "caps": filled.num_stopped}
    truncated_by = _most_cut(cut) if len(placed) < plan.context.k else None
    return Arranged(tuple(placed), chance.slots, plan.eligible.num_eligible, cut, truncated_by)


def _counted(plan: Plan, table: Table, places: list[int]) -> list[CapCount]:
    """Return the caps that new items at some places could break, the promotions counted."""
    caps = [cap.begun() for cap in table.rules.caps if any(map(cap.reaches, places))]
    for cap in caps:
        for one in plan.promoted:
            if cap.reaches(one.position):
                cap.take(table.row(one.item_index))
    return [cap for cap in caps if cap.least_room < len(places)]


def _most_cut(cut: Mapping[str, int]) -> str:
    """Return the policy that left out most, the earlier one among equals."""
    most = max(cut, key=cut.__getitem__)
    return most if cut[most] else "catalogue"
