"""The walk of all rankers over the same targets: ranks under each, and what their lists are like.

Models and baselines are asked for the same blocks, in pieces, so that memory stays bounded by the
catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from penchant.errors import InputError, ShapeError
from penchant.evaluation.lists import Coverage, list_novelty, top_items
from penchant.events.arrays import LogArrays, Part
from penchant.sequences.candidates import among_candidates
from penchant.sequences.ranking import Ranks, Seen, cut_block, listable, ranks, seen_items
from penchant.sequences.targets import TargetBlock, target_blocks

Progress = Callable[[int, int], None]
"""Called with the number of targets ranked so far and of all."""


class Ranker(Protocol):
    """Whatever can score all items for a block of targets: a model, a baseline, a rule."""

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return (M, I) float32 scores, higher is better, in the order of `block.rows`."""
        ...


@dataclass(frozen=True)
class RankedTargets:
    """How one ranker did on M targets.

    Parameters
    ----------
    rank
        (M,) int64 rank of each target under the protocol.
    unfiltered
        (M,) int64 rank among all items, seen ones included.
    novelty
        (M,) mean novelty of the first k items of each list, by k.
    coverage
        Share of the catalogue in at least one list of length k, by k.
    """

    rank: np.ndarray
    unfiltered: np.ndarray
    novelty: dict[int, np.ndarray]
    coverage: dict[int, float]

    def where(self, chosen: np.ndarray) -> RankedTargets:
        """Return the targets where `chosen` (M,) is true; coverage is left out."""
        novelty = {k: values[chosen] for k, values in self.novelty.items()}
        return RankedTargets(self.rank[chosen], self.unfiltered[chosen], novelty, {})


@dataclass(frozen=True)
class Ranking:
    """All rankers on the same M targets.

    Parameters
    ----------
    user
        (M,) index of each target's user in the data.
    item
        (M,) the target, -1 for one that is not in the vocabulary.
    is_left_out
        (M,) bool, the target is itself seen and says nothing under the filter.
    by_ranker
        What each ranker made of them.
    num_items
        Size of the catalogue; a rank beyond it means that no list holds the target.
    num_listable
        (M,) items that each list is drawn from under the protocol; 0 where the target is not among
        them.
    num_candidates
        The same without the filter of seen items.
    """

    user: np.ndarray
    item: np.ndarray
    is_left_out: np.ndarray
    by_ranker: dict[str, RankedTargets]
    num_items: int
    num_listable: np.ndarray
    num_candidates: np.ndarray

    def where(self, chosen: np.ndarray) -> Ranking:
        """Return the targets where `chosen` (M,) is true; coverage is left out."""
        return Ranking(
            self.user[chosen],
            self.item[chosen],
            self.is_left_out[chosen],
            {name: ranked.where(chosen) for name, ranked in self.by_ranker.items()},
            self.num_items,
            self.num_listable[chosen],
            self.num_candidates[chosen],
        )


@dataclass
class _Tally:
    """What is gathered of one ranker on the way."""

    coverage: dict[int, Coverage]
    ranks: list[Ranks] = field(default_factory=list)
    novelty: list[np.ndarray] = field(default_factory=list)  # (M, number of ks) each

    def take(self, found: Ranks, lists: np.ndarray, item_novelty: np.ndarray) -> None:
        self.ranks.append(found)
        columns = [list_novelty(lists, item_novelty, k) for k in self.coverage]
        self.novelty.append(np.stack(columns, axis=1))
        for coverage in self.coverage.values():
            coverage.add(lists[~found.is_left_out])

    def finished(self) -> RankedTargets:
        novelty = np.concatenate(self.novelty)
        return RankedTargets(
            np.concatenate([found.rank for found in self.ranks]),
            np.concatenate([found.unfiltered for found in self.ranks]),
            {k: novelty[:, place] for place, k in enumerate(self.coverage)},
            {k: coverage.share for k, coverage in self.coverage.items()},
        )


@dataclass
class _Asked:
    """What is gathered of the targets on the way."""

    num_targets: int = 0
    columns: list[tuple[np.ndarray, ...]] = field(default_factory=list)  # (M,) each

    def take(self, block: TargetBlock, seen: Seen, listed: np.ndarray, exclude_seen: bool) -> None:
        is_known = block.items >= 0
        num_candidates = np.where(is_known, listed.sum(), 0)
        of_seen = seen.target[listed[seen.item] & (seen.item != block.items[seen.target])]
        num_seen = np.bincount(of_seen, minlength=len(block.rows))
        num_listable = num_candidates - num_seen * (is_known & exclude_seen)
        is_left_out = seen.is_repeat & exclude_seen
        self.columns.append(
            (block.users[block.owner], block.items, is_left_out, num_listable, num_candidates)
        )
        self.num_targets += len(block.rows)

    def ranking(self, by_ranker: dict[str, RankedTargets], num_items: int) -> Ranking:
        user, item, is_left_out, num_listable, num_candidates = (
            np.concatenate(column) for column in zip(*self.columns, strict=True)
        )
        return Ranking(user, item, is_left_out, by_ranker, num_items, num_listable, num_candidates)


def rank_targets(
    rankers: Mapping[str, Ranker],
    log: LogArrays,
    part: Part,
    item_novelty: np.ndarray,
    *,
    ks: tuple[int, ...] = (10,),
    exclude_seen: bool = True,
    seen_event_types: Collection[int] | None = None,
    candidates: np.ndarray | None = None,
    max_users: int | None = None,
    progress: Progress | None = None,
) -> Ranking:
    """Rank every target of a part under every ranker.

    Parameters
    ----------
    rankers
        By name.
    log
        The prepared histories, all parts.
    part
        The part whose events are to be predicted.
    item_novelty
        (I,) novelty of each item; its length is the size of the catalogue.
    ks
        Lengths of the lists whose coverage and novelty are wanted.
    exclude_seen
        Take items of the target's history out of the lists.
    seen_event_types
        Which event types make an item seen; all when None.
    candidates
        (I,) bool, the items that are listed and asked for; all when None.
    max_users
        Take only so many users, drawn by chance, always the same ones.
    progress
        Called after each piece.

    Raises
    ------
    InputError
        When the part has no targets.
    ShapeError
        When a ranker does not score every item for every target.
    """
    log = among_candidates(log, candidates)
    num_targets = int((log.part == part).sum())
    if num_targets == 0:
        raise InputError(
            f"evaluation needs targets, but the {part.name.lower()} part of the data is empty.",
            "Prepare the data with another split, such as leave-one-out.",
        )
    num_items = len(item_novelty)
    listed = np.ones(num_items, dtype=bool) if candidates is None else candidates
    tallies = {
        name: _Tally({k: Coverage(num_items, k, int(listed.sum())) for k in ks}) for name in rankers
    }
    asked = _Asked()
    for block in _pieces(log, part, num_items, max_users):
        seen = seen_items(block, seen_event_types)
        for name, ranker in rankers.items():
            scores = listable(_scores(name, ranker, block, num_items), candidates)
            found = ranks(scores, block, exclude_seen, seen)
            lists = _lists(scores, max(ks), seen if exclude_seen else None)
            tallies[name].take(found, lists, item_novelty)
        asked.take(block, seen, listed, exclude_seen)
        if progress is not None:
            progress(asked.num_targets, num_targets)
    return asked.ranking({name: tally.finished() for name, tally in tallies.items()}, num_items)


def _pieces(
    log: LogArrays, part: Part, num_items: int, max_users: int | None
) -> Iterator[TargetBlock]:
    for block in target_blocks(log, part, max_users=max_users):
        yield from cut_block(block, num_items)


def _scores(name: str, ranker: Ranker, block: TargetBlock, num_items: int) -> np.ndarray:
    scores = ranker.score(block)
    if scores.shape != (len(block.rows), num_items):
        raise ShapeError(
            f'ranker "{name}" must score every item for every target, '
            f"{(len(block.rows), num_items)}, but gave {scores.shape}.",
            "Rank with a model of the same vocabulary as the data.",
        )
    return scores


def _lists(scores: np.ndarray, k: int, seen: Seen | None) -> np.ndarray:
    if seen is not None:
        scores = scores.copy()  # a ranker may keep what it gave
        scores[seen.target, seen.item] = -np.inf
    return top_items(scores, k)
