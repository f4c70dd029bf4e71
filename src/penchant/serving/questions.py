"""Which items to ask about: chosen one by one so that simulated users get the best lists.

A user answers which of the items they know, the answers are all that is known of them, and the list
made of those is held against the rest of what they did. This file knows neither models nor logs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

DEPTH: Final = 100
"""Length of the lists by which questions are judged; short ones judge by too few hits."""

Answers = tuple[int, ...]
"""Items that a user says they know, in the order in which they were asked about."""

ListsOf = Callable[[Sequence[Answers]], np.ndarray]
"""From answers to lists (n, DEPTH) of items outside the pool, best first."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One question, and where the asking stands once it and those chosen before are answered.

    Parameters
    ----------
    item_index
        The item asked about.
    is_first
        It is asked before those chosen so far; else after them.
    told_apart
        Share of the pairs of users who answered differently so far.
    ndcg
        Mean NDCG of the lists.
    """

    item_index: int
    is_first: bool
    told_apart: float
    ndcg: float


@dataclass(frozen=True)
class SimulatedUsers:
    """Users who can be asked.

    Parameters
    ----------
    pool
        (P,) items that may be asked about, distinct.
    knows
        (U, P) bool, what they know of these.
    wanted
        (U, I) bool, what else they did: what lists are held against. No item of the pool is in it,
        so that all questions are judged by the same.
    """

    pool: np.ndarray
    knows: np.ndarray
    wanted: np.ndarray

    def __post_init__(self) -> None:
        assert not self.wanted[:, self.pool].any(), "what may be asked is not to be found"

    @property
    def num_users(self) -> int:
        """Number U of users."""
        return len(self.knows)


def choose_questions(
    users: SimulatedUsers,
    k: int,
    lists_of: ListsOf,
    heard: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[list[Choice], float]:
    """Return k questions, or as many as the pool has, each the best beside those before.

    Parameters
    ----------
    users
        Who is asked.
    k
        How many questions.
    lists_of
        Makes lists of answers.
    heard
        Told of the number of trials done, and of all.

    Returns
    -------
    choices, ndcg
        The questions, and the mean NDCG of the lists before any answer.

    Notes
    -----
    Every item of the pool is tried before and after those chosen so far, since a sequence model
    counts the last answer most; ties go to the more known, then to after. Users with the same
    answers share a list: 2 k P trials of at most min(2^k, U) lists each.
    """
    simulation = _Simulation(users, lists_of)
    num_asked, num_done = min(k, len(users.pool)), 0
    num_all = sum((len(users.pool) - place) * (2 if place else 1) for place in range(num_asked))
    choices, before = [], simulation.ndcg
    for place in range(num_asked):
        trials = []
        for column in np.setdiff1d(np.arange(len(users.pool)), simulation.asked):
            for is_first in (False, True) if place else (False,):
                trials.append(simulation.tried(int(column), is_first))
                num_done += 1
                heard(num_done, num_all)
        choices.append(simulation.take(max(trials, key=lambda trial: trial.ndcg)))
    return choices, before


def asked_order(choices: Sequence[Choice]) -> list[Choice]:
    """Return questions in the order in which they are asked.

    Examples
    --------
    >>> chosen = [Choice(7, False, 0.0, 0.0), Choice(2, True, 0.0, 0.0), Choice(5, False, 0.0, 0.0)]
    >>> [each.item_index for each in asked_order(chosen)]
    [2, 7, 5]
    """
    before = [each for each in choices if each.is_first]
    return before[::-1] + [each for each in choices if not each.is_first]


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a further question would give: `ndcg` in the mean, and by user of those who know it."""

    column: int
    is_first: bool
    ndcg: float
    rows: np.ndarray
    values: np.ndarray


class _Simulation:
    """Where the asking stands: the answers of each user so far, and what their lists are worth."""

    def __init__(self, users: SimulatedUsers, lists_of: ListsOf) -> None:
        self.users = users
        self.asked: list[int] = []
        self._lists_of = lists_of
        num_wanted = users.wanted.sum(1)
        self._ideal = np.cumsum(_discounts(max(int(num_wanted.max(initial=0)), 1)))
        self._most = np.maximum(num_wanted, 1)
        self._answers: list[Answers] = [()] * users.num_users
        self._values = self._worth(np.arange(users.num_users), self._answers)

    @property
    def ndcg(self) -> float:
        """Mean NDCG of the lists so far."""
        return float(self._values.sum()) / max(self.users.num_users, 1)

    def tried(self, column: int, is_first: bool) -> _Trial:
        """Return what asking about one more item would give; nothing is changed."""
        rows = np.flatnonzero(self.users.knows[:, column])
        values = self._worth(rows, [self._with(row, column, is_first) for row in rows.tolist()])
        gained = float((values - self._values[rows]).sum())
        ndcg = self.ndcg + gained / max(self.users.num_users, 1)
        return _Trial(column, is_first, ndcg, rows, values)

    def take(self, trial: _Trial) -> Choice:
        """Ask about an item."""
        for row in trial.rows.tolist():
            self._answers[row] = self._with(row, trial.column, trial.is_first)
        self._values[trial.rows] = trial.values
        self.asked.append(trial.column)
        item = int(self.users.pool[trial.column])
        return Choice(item, trial.is_first, self._told_apart(), trial.ndcg)

    def _with(self, row: int, column: int, is_first: bool) -> Answers:
        item = (int(self.users.pool[column]),)
        return item + self._answers[row] if is_first else self._answers[row] + item

    def _worth(self, rows: np.ndarray, answers: Sequence[Answers]) -> np.ndarray:
        """Return (n,) NDCG of the lists that users get for their answers."""
        distinct = {answer: place for place, answer in enumerate(dict.fromkeys(answers))}
        if not distinct:
            return np.zeros(0)
        lists = self._lists_of(list(distinct))  # (n distinct, DEPTH)
        listed = lists[[distinct[answer] for answer in answers]]  # (n, DEPTH)
        hits = self.users.wanted[rows[:, None], listed]
        size = listed.shape[1]
        best = self._ideal[np.minimum(self._most[rows], size) - 1]
        return hits @ _discounts(size) / best

    def _told_apart(self) -> float:
        """Return the share of pairs of users whose answers differ."""
        num_users = self.users.num_users
        _, sizes = np.unique(self.users.knows[:, self.asked], axis=0, return_counts=True)
        pairs = num_users * (num_users - 1)
        return 1 - float((sizes * (sizes - 1)).sum()) / pairs if pairs else 0.0


def _discounts(size: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, size + 2))
