"""What a list is when it has been arranged: each item with the policy that put it there.

This is what is answered, and what is logged for estimates from what was shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from penchant.policies.exploration import Slot


@dataclass(frozen=True, slots=True)
class Placed:
    """An item of a list.

    Parameters
    ----------
    score
        Of the model; NaN where it has none for the item.
    rank
        Its place, counted from 1.
    placed_by
        "rank", where it stands by its score alone, or the policy that put it there: "caps",
        "diversity", "exploration", "promotions".
    probability
        With which chance put this item here; 1 where chance had no say.
    is_drawn
        Whether chance decided on this place. Estimates of what another policy would have brought
        may use these places, and no others.
    name
        Of the slot or the promotion.
    passed_over
        Candidates with a better score that were left for later or out.
    """

    item_index: int
    score: float
    rank: int
    placed_by: str
    probability: float = 1.0
    is_drawn: bool = False
    name: str | None = None
    passed_over: int = 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it stands there, in words; nothing where it is the best by its score.

        Examples
        --------
        >>> Placed(4, 0.5, 3, "caps", passed_over=2).reasons
        ('before 2 with better scores, the first of which a cap stops',)
        >>> Placed(4, 0.5, 3, "exploration", 0.02, True, "new").reasons
        ('drawn for slot "new" with probability 0.02',)
        """
        found = []
        if self.placed_by == "promotions":
            found.append(f'promotion "{self.name}"')
        if self.is_drawn:
            verb = "drawn for" if self.placed_by == "exploration" else "left in"
            found.append(f'{verb} slot "{self.name}" with probability {self.probability:.3g}')
        if self.passed_over:
            why = "the first of which a cap stops" if self.placed_by == "caps" else "for variety"
            found.append(f"before {self.passed_over} with better scores, {why}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Arranged:
    """A list, and what became of the other items; iterating gives its items.

    Parameters
    ----------
    slots
        The places on which chance decided, with all that could have come there.
    num_eligible
        How many items the list could hold.
    cut
        How many items each policy left out, each counted for the first that did; for caps, those
        of the candidates that a list which fell short could not take.
    truncated_by
        For a list that fell short: the policy that left out most, "catalogue" where none left out
        any. None for a full list.
    num_wanted
        How many candidates to fetch in order to try again; 0 where more would not help.
    """

    items: tuple[Placed, ...]
    slots: tuple[Slot, ...]
    num_eligible: int
    cut: Mapping[str, int]
    truncated_by: str | None = None
    num_wanted: int = 0

    def __iter__(self) -> Iterator[Placed]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
