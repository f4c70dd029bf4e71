"""Onboarding: which items to ask somebody new about, chosen by what the model makes of the answers.

Users of the training part stand in for those to come: each is asked, and the model's list after
their answers is held against what else they did. Nothing of a single user is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from penchant.errors import InputError
from penchant.events import PreparedData
from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.seeds import stream
from penchant.serving.batches import aligned
from penchant.serving.questions import (
    DEPTH,
    Answers,
    SimulatedUsers,
    asked_order,
    choose_questions,
)
from penchant.serving.ranking import BLOCK_CELLS, Ranker, check_k

NUM_USERS: Final = 1_000
POOL: Final = 40
"""Items that may be asked about: the most known ones."""

MIN_KNOWN: Final = 2
"""Users who must know an item that is asked about."""

WANTED_CELLS: Final = 2**27
"""Users times items of a simulation: 128 MiB."""


@dataclass(frozen=True, slots=True)
class Question:
    """An item to ask about.

    Parameters
    ----------
    place
        When it was chosen, 1 for the first: the first n chosen are the best n, found one by one.
    is_first
        It is asked before those chosen earlier; else after them.
    num_users
        Users of the training part who know the item.
    share
        The same of all of them.
    told_apart
        Share of the pairs of users whose answers to this question or those chosen before differ.
    ndcg
        Mean NDCG@100 of the lists of simulated users once these are answered.
    """

    item_id: str
    place: int
    is_first: bool
    num_users: int
    share: float
    told_apart: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Onboarding:
    """Questions in the order in which they are to be asked; answers are folded in the same order.

    Parameters
    ----------
    num_users
        Users of the simulation.
    ndcg_before
        Mean NDCG@100 of their lists before any answer.
    """

    questions: tuple[Question, ...]
    num_users: int
    ndcg_before: float

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def item_ids(self) -> list[str]:
        """The items, in the order in which they are to be asked about."""
        return [each.item_id for each in self.questions]

    @property
    def last(self) -> Question:
        """The question chosen last, whose figures are those of all."""
        return max(self.questions, key=lambda each: each.place)

    def first(self, k: int) -> Onboarding:
        """Return the k questions that were chosen first, in their order of asking."""
        kept = tuple(each for each in self.questions if each.place <= k)
        return Onboarding(kept, self.num_users, self.ndcg_before)

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Onboarding:
        """Return what `to_dict` stored."""
        questions = tuple(Question(**each) for each in stored["questions"])
        return cls(questions, stored["num_users"], stored["ndcg_before"])


def onboarding(
    ranker: Ranker,
    data: PreparedData,
    k: int = 10,
    *,
    num_users: int = NUM_USERS,
    seed: int = 0,
    heard: Callable[[int, int], None] = lambda _done, _all: None,
) -> Onboarding:
    """Return k items to ask about, fewer where fewer are known by two users.

    Parameters
    ----------
    ranker
        Of the model that folds the answers.
    data
        Whose training part holds the users; its items may be others than the model's.
    num_users
        How many are simulated, drawn where there are more.
    seed
        Seed of the draw.
    heard
        Told of the trials done, and of all.

    Raises
    ------
    InputError
        When no item is known by two users beside others that they want.

    Notes
    -----
    Answers are folded without times and values. A sequence model counts the last ones most, so that
    the order is part of the choice.
    """
    check_k(k)
    log = aligned(data.log.train, data, ranker)
    known = _pairs(log.where(ranker.roles.is_history(log.event_type)))
    wanted = _pairs(log.where(ranker.roles.is_target(log.event_type)))
    num_known = np.bincount(known.item, minlength=ranker.num_items)
    pool = question_pool(num_known, k)
    users = _simulated(known, wanted, pool, num_users, seed)
    choices, before = choose_questions(users, k, ListsOfAnswers(ranker, pool), heard)
    num_all, ids = len(np.unique(known.user)), ranker.items.ids
    questions = tuple(
        Question(
            ids[each.item_index],
            choices.index(each) + 1,
            each.is_first,
            int(num_known[each.item_index]),
            float(num_known[each.item_index] / num_all),
            each.told_apart,
            each.ndcg,
        )
        for each in asked_order(choices)
    )
    return Onboarding(questions, users.num_users, before)


def question_pool(num_known: np.ndarray, k: int) -> np.ndarray:
    """Return the items that may be asked about, the most known first.

    At most the larger of 40 and 4 k, and half of those that two users know: something must be left
    to be recommended.

    Raises
    ------
    InputError
        When there are none.

    Examples
    --------
    >>> question_pool(np.array([3, 9, 1, 9, 2, 0]), 10).tolist()
    [1, 3]
    """
    is_known = num_known >= MIN_KNOWN
    size = min(max(POOL, 4 * k), int(is_known.sum()) // 2)
    if size == 0:
        raise InputError(
            f"Items that are asked about must be known by {MIN_KNOWN} users, with as many others "
            f"left to be recommended, but {int(is_known.sum())} items are known by so many.",
            "Give data with more events.",
        )
    return np.argsort(-num_known, kind="stable")[:size]


class ListsOfAnswers:
    """The model's lists after answers, without what may be asked about.

    Parameters
    ----------
    ranker
        Of the model.
    pool
        Items that no list holds.
    """

    def __init__(self, ranker: Ranker, pool: np.ndarray) -> None:
        self.ranker = ranker
        self.pool = pool
        self.depth = min(DEPTH, ranker.num_items - len(pool))

    def __call__(self, answers: Sequence[Answers]) -> np.ndarray:
        """Return (n, depth) items, best first."""
        size = max(1, BLOCK_CELLS // self.ranker.num_items)
        blocks = [
            self._block(answers[begin : begin + size]) for begin in range(0, len(answers), size)
        ]
        return np.concatenate(blocks)

    def _block(self, answers: Sequence[Answers]) -> np.ndarray:
        scores = answered(self.ranker, answers)  # (n, I)
        scores[:, self.pool] = -np.inf
        best = np.argpartition(-scores, self.depth - 1, axis=1)[:, : self.depth]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        return np.take_along_axis(best, order, 1)


def answered(ranker: Ranker, answers: Sequence[Answers]) -> np.ndarray:
    """Return (n, I) the model's scores for users of whom the answers are all that is known."""
    item = np.array([item for answer in answers for item in answer], np.int64)
    log = LogArrays(
        item_index=item,
        event_type=np.full(len(item), ranker.roles.unknown_type, np.int64),
        value=np.full(len(item), np.nan, np.float32),
        time_ms=np.full(len(item), NO_TIME, np.int64),
        part=np.full(len(item), Part.TRAIN, np.int8),
        offsets=np.cumsum([0, *(len(answer) for answer in answers)]).astype(np.int64),
    )
    return ranker.scores(ranker.fold(log), [None] * len(answers))


class _Pairs(NamedTuple):
    """Users and items that belong together, each pair once, by user; both (n,) int64."""

    user: np.ndarray
    item: np.ndarray

    def among(self, users: np.ndarray, num_items: int) -> np.ndarray:
        """Return (U, I) bool of some users (U,), rising."""
        is_theirs = np.isin(self.user, users)
        found = np.zeros((len(users), num_items), dtype=bool)
        found[np.searchsorted(users, self.user[is_theirs]), self.item[is_theirs]] = True
        return found


def _pairs(log: LogArrays) -> _Pairs:
    known = log.where(log.item_index >= 0)
    num_items = int(known.item_index.max(initial=0)) + 1
    return _Pairs(*np.divmod(np.unique(known.user * num_items + known.item_index), num_items))


def _simulated(
    known: _Pairs, wanted: _Pairs, pool: np.ndarray, num_users: int, seed: int
) -> SimulatedUsers:
    """Draw users who want something that is not asked about."""
    num_items = int(max(known.item.max(initial=0), wanted.item.max(initial=0), pool.max())) + 1
    users = np.unique(wanted.user[~np.isin(wanted.item, pool)])
    most = max(1, min(num_users, WANTED_CELLS // num_items))
    if len(users) > most:
        users = np.sort(stream(seed, "onboarding").choice(users, most, replace=False))
    if len(users) == 0:
        raise InputError(
            "Users of the training part must have events with items that are not asked about, but "
            "none has.",
            "Give data with more events.",
        )
    is_wanted = wanted.among(users, num_items)
    is_wanted[:, pool] = False
    return SimulatedUsers(pool, known.among(users, num_items)[:, pool], is_wanted)
