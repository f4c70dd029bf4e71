"""Fill a list place by place: each takes the worthiest candidate that no cap stops.

Some places are given beforehand (promotions, new items); the others see what stands there when
their turn comes, and caps count it from the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from penchant.policies.caps import CapCount
from penchant.policies.diversity import Calibration, Likeness, relevance_of
from penchant.policies.settings import DiversityPolicy


@dataclass(frozen=True, slots=True)
class Board:
    """The candidates of one list.

    Parameters
    ----------
    items, scores
        (n,) each: those that the search found, best first, then those that only a fixed place may
        hold.
    is_free
        (n,) bool, which may be taken for their score.
    """

    items: np.ndarray
    scores: np.ndarray
    is_free: np.ndarray


@dataclass(frozen=True, slots=True)
class Choice:
    """One place of a list: the row of the board, the policy that put it there.

    `position` is where it was to stand, which differs from its rank where a list falls short;
    `passed_over` are free candidates with a better score that were left for later.
    """

    row: int
    position: int
    placed_by: str
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class Filled:
    """A list, and how many free candidates caps kept out of a list that fell short."""

    choices: list[Choice]
    num_stopped: int = 0


class Term(Protocol):
    """Something that counts beside the score."""

    def costs(self) -> np.ndarray:
        """Return (n,) what each candidate costs as the next item."""

    def take(self, row: int) -> None:
        """Look at one more item of the list."""


@dataclass(frozen=True)
class Rules:
    """What a list is filled by; each fills from the beginning again.

    Parameters
    ----------
    likeness, calibration
        The terms that the diversity looks at; None where their weight is 0.
    """

    diversity: DiversityPolicy
    caps: tuple[CapCount, ...] = ()
    likeness: Likeness | None = None
    calibration: Calibration | None = None

    @property
    def are_plain(self) -> bool:
        """Whether the list is the ranking itself."""
        return not (self.caps or self.likeness or self.calibration)


def choose(board: Board, k: int, fixed: Mapping[int, tuple[int, str]], rules: Rules) -> Filled:
    """Fill a list of k places.

    Parameters
    ----------
    board
        The candidates.
    k
        How many places there are.
    fixed
        By place, counted from 1, the row that stands there and the policy that put it there.
    rules
        Caps and diversity.

    Notes
    -----
    Greedy, O(k n). A calibrated list that lies farther from the history than the same list without
    calibration would, which greed cannot rule out, is given up for that one.
    """
    if rules.calibration is None or rules.calibration.is_empty:
        return _fill(board, k, fixed, _without_calibration(rules))
    found = _fill(board, k, fixed, rules)
    plain = _fill(board, k, fixed, _without_calibration(rules))
    if len(plain.choices) < len(found.choices):
        return found
    return plain if _divergence(rules, plain) < _divergence(rules, found) else found


def _without_calibration(rules: Rules) -> Rules:
    return Rules(rules.diversity, rules.caps, rules.likeness)


def _divergence(rules: Rules, filled: Filled) -> float:
    assert rules.calibration is not None
    calibration = rules.calibration.begun()
    for choice in filled.choices:
        calibration.take(choice.row)
    return calibration.divergence()


def _fill(board: Board, k: int, fixed: Mapping[int, tuple[int, str]], rules: Rules) -> Filled:
    free = board.is_free.copy()
    free[[row for row, _ in fixed.values()]] = False
    if rules.are_plain:
        return Filled(_in_order(np.flatnonzero(free)[:k].tolist(), k, fixed))
    caps = [cap.begun() for cap in rules.caps]
    for cap in caps:
        for position, (row, _) in fixed.items():
            if cap.reaches(position):
                cap.take(row)
    worth = _Worth(board, k, rules)
    choices: list[Choice] = []
    for position in range(1, k + 1):
        if position in fixed:
            choice = Choice(fixed[position][0], position, fixed[position][1])
        else:
            holding = [cap for cap in caps if cap.reaches(position)]
            is_open = free
            for cap in holding:
                is_open = is_open & ~cap.stops
            best = worth.best(free, is_open, position)
            if best is None:
                return _closed(choices, position, fixed, caps, int(free.sum()))
            choice = best
            for cap in holding:
                cap.take(choice.row)
        free[choice.row] = False
        worth.take(choice.row)
        choices.append(choice)
    return Filled(choices)


class _Worth:
    """What the candidates are worth as the next item."""

    def __init__(self, board: Board, k: int, rules: Rules) -> None:
        a, b = rules.diversity.mmr_weight, rules.diversity.calibration_weight
        self._terms: list[tuple[float, Term]] = []
        if rules.likeness is not None:
            self._terms.append((a, rules.likeness.begun()))
        if rules.calibration is not None:
            self._terms.append((b * k, rules.calibration.begun()))
        rest = 1 - a - b
        self._relevance = rest * relevance_of(board.scores, board.is_free) if self._terms else None

    def best(self, free: np.ndarray, is_open: np.ndarray, position: int) -> Choice | None:
        """Return the worthiest free candidate that no cap stops, of equals the better score."""
        if not is_open.any():
            return None
        if self._relevance is not None:
            value = self._relevance
            for weight, term in self._terms:
                value = value - weight * term.costs()
            row = int(np.where(is_open, value, -np.inf).argmax())
        else:
            row = int(is_open.argmax())
        first = int(free.argmax())
        if row == first:
            return Choice(row, position, "rank")
        by = "diversity" if is_open[first] else "caps"
        return Choice(row, position, by, int(np.count_nonzero(free[:row])))

    def take(self, row: int) -> None:
        for _, term in self._terms:
            term.take(row)


def _in_order(rows: list[int], k: int, fixed: Mapping[int, tuple[int, str]]) -> list[Choice]:
    """Return the ranking itself around what is fixed; a list that falls short has no holes."""
    if not fixed:
        return [Choice(row, place, "rank") for place, row in enumerate(rows, start=1)]
    ranked = iter(rows)
    choices = []
    for position in range(1, k + 1):
        if position in fixed:
            choices.append(Choice(fixed[position][0], position, fixed[position][1]))
        elif (row := next(ranked, None)) is not None:
            choices.append(Choice(row, position, "rank"))
    return choices


def _closed(
    choices: list[Choice],
    position: int,
    fixed: Mapping[int, tuple[int, str]],
    caps: list[CapCount],
    num_stopped: int,
) -> Filled:
    """End a list that falls short: what was to stand further down moves up.

    A new item that comes by this into the reach of a cap which is full is left out; a promotion
    stays, as no cap stops one.
    """
    for place in sorted(place for place in fixed if place > position):
        row, by = fixed[place]
        rank = len(choices) + 1
        entered = [cap for cap in caps if cap.reaches(rank) and not cap.reaches(place)]
        if by == "exploration" and any(cap.stops[row] for cap in entered):
            continue
        for cap in entered:
            cap.take(row)
        choices.append(Choice(row, place, by))
    return Filled(choices, num_stopped)
