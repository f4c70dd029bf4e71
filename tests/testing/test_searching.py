"""The laws of indexes catch faults that were planted."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from penchant.indexes import ExactIndex, Found
from penchant.testing import LawBroken, check_index


def broken(kind: type[ExactIndex], told: str) -> None:
    with pytest.raises(LawBroken, match=told):
        check_index(kind)


class PutsTheHigherItemFirst(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        found = super().search(queries, k, allowed, excluded)
        order = np.lexsort((-found.indices, -found.scores), axis=1)
        return Found(*(np.take_along_axis(leaf, order, 1) for leaf in found))


class ForgetsTheBias(ExactIndex):
    def __init__(self, vectors, bias):
        super().__init__(vectors, np.where(bias > -np.inf, 0, bias))


class ListsWhatHasMinusInfinity(ExactIndex):
    def __init__(self, vectors, bias):
        super().__init__(vectors, np.where(bias > -np.inf, bias, -40))


class AddsInterestsUp(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        queries = queries[:, None] if queries.ndim == 2 else queries
        return super().search(queries.sum(1), k, allowed, excluded)


class ReadsTheFirstInterestAlone(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        queries = queries[:, None] if queries.ndim == 2 else queries
        return super().search(queries[:, 0], k, allowed, excluded)


class FiltersAfterwards(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        found = super().search(queries, k, allowed)
        for user, out in enumerate(excluded or []):
            found.scores[user, np.isin(found.indices[user], out)] = -np.inf
        found.indices[found.scores == -np.inf] = -1
        order = np.argsort(-found.scores, axis=1, kind="stable")
        return Found(*(np.take_along_axis(leaf, order, 1) for leaf in found))


class PassesOverFilters(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        return super().search(queries, k, None, excluded)


class ExcludesForAllWhatOneExcludes(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        first = None if excluded is None else [excluded[0]] * len(excluded)
        return super().search(queries, k, allowed, first)


class MixesUsers(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        found = super().search(queries, k, allowed, excluded)
        if k > 1 or len(queries) == 1:
            return found
        return Found(found.indices[::-1].copy(), found.scores)


class DependsOnTheNumberOfUsers(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        found = super().search(queries, k, allowed, excluded)
        return found if len(queries) > 1 else Found(found.indices, found.scores + np.float32(1e-3))


class ScalesQueriesInPlace(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        found = super().search(queries, k, allowed, excluded)
        queries *= 1 if allowed is None else 1.0001
        return found


class ForgetsNewItems(ExactIndex):
    def put(self, items, vectors, bias=None):
        old = items < len(self._state.rows.row_of)
        super().put(items[old], vectors[old], None if bias is None else bias[old])


class KeepsTheFirstOfTwo(ExactIndex):
    def put(self, items, vectors, bias=None):
        super().put(items[::-1], vectors[::-1], None if bias is None else bias[::-1])


class KeepsWhatIsRemoved(ExactIndex):
    def remove(self, items):
        super().remove(items[1:])


class ShowsWhatIsReplaced(ExactIndex):
    def put(self, items, vectors, bias=None):
        super().put(items, vectors, bias)
        super().show(items)


class NeverShowsAgain(ExactIndex):
    def show(self, items):
        pass


class PutsOneAfterAnother(ExactIndex):
    def put(self, items, vectors, bias=None):
        for place in range(len(items)):
            time.sleep(1e-3)  # so that a search comes in between
            row = slice(place, place + 1)
            super().put(items[row], vectors[row], None if bias is None else bias[row])


class CutsShort(ExactIndex):
    def search(self, queries, k, allowed=None, excluded=None):
        return super().search(queries, min(k, 1_000), allowed, excluded)


class StatesMoreThanItFinds(ExactIndex):
    """Looks at nine tenths of the items and says that it finds nearly all of the best."""

    is_exact = False

    @property
    def facts(self):
        return replace(super().facts, recall=0.99)

    def search(self, queries, k, allowed=None, excluded=None):
        found = super().search(queries, k + k // 3, allowed, excluded)
        is_kept = found.indices % 7 != 3
        order = np.argsort(~is_kept, axis=1, kind="stable")[:, :k]
        kept = [np.take_along_axis(leaf, order, 1) for leaf in found]
        order = np.lexsort((kept[0], -kept[1]), axis=1)
        return Found(*(np.take_along_axis(leaf, order, 1) for leaf in kept))


class FindsNothingOutsideItsLists(StatesMoreThanItFinds):
    """Gives fewer items than there are once a filter leaves few."""

    def search(self, queries, k, allowed=None, excluded=None):
        found = ExactIndex.search(self, queries, k, allowed, excluded)
        if allowed is not None:
            found.indices[:, 7:] = -1
            found.scores[:, 7:] = -np.inf
        return found


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (PutsTheHigherItemFirst, "the 10 best: items of user"),
        (ForgetsTheBias, "the 1 best: items of user|the 1 best: scores of user"),
        (ListsWhatHasMinusInfinity, "the 1542 best: items of user"),
        (AddsInterestsUp, "the 1 best: items of user"),
        (ReadsTheFirstInterestAlone, "the 1 best: items of user"),
        (MixesUsers, "the 1 best: items of user"),
        (CutsShort, r"the 1542 best: lists must have shape \(40, 1542\) but have \(40, 1000\)"),
        (ScalesQueriesInPlace, "but changes queries"),
        (DependsOnTheNumberOfUsers, "user 0 alone and among others: scores of user 0 must be"),
        (FiltersAfterwards, "nine tenths of the items allowed, 150 excluded: items of user 0"),
        (
            PassesOverFilters,
            r"items allowed, 0 excluded: item \d+ of user 1 is not",
        ),
        (ExcludesForAllWhatOneExcludes, r"150 excluded: item \d+ of user 1 is not"),
        (ForgetsNewItems, "the best after change 1: items of user"),
        (KeepsTheFirstOfTwo, "the best after change 3: items of user"),
        (KeepsWhatIsRemoved, "the best after change 1: items of user"),
        (NeverShowsAgain, "the best after change 1: items of user"),
        (ShowsWhatIsReplaced, "item 11 is hidden but found once it is replaced"),
        (PutsOneAfterAnother, r"\[3, 1541\] are put together with equal vectors, but a search"),
        (StatesMoreThanItFinds, "recall is 0.8.., but 0.990 is stated, give or take 0.047"),
        (FindsNothingOutsideItsLists, "user 0 must get 10 items but gets 7"),
    ],
)
def test_a_planted_fault_is_caught(kind: type[ExactIndex], told: str) -> None:
    broken(kind, told)


def test_an_index_without_faults_obeys_the_laws() -> None:
    check_index(ExactIndex)
