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
from penchant.sequences.ranking import Ranks, Seen, cut_block, ranks, seen_items
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
    """

    user: np.ndarray
    item: np.ndarray
    is_left_out: np.ndarray
    by_ranker: dict[str, RankedTargets]
    num_items: int


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


def rank_targets(
    rankers: Mapping[str, Ranker],
    log: LogArrays,
    part: Part,
    item_novelty: np.ndarray,
    *,
    ks: tuple[int, ...] = (10,),
    exclude_seen: bool = True,
    seen_event_types: Collection[int] | None = None,
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
    num_targets = int((log.part == part).sum())
    if num_targets == 0:
        raise InputError(
            f"evaluation needs targets, but the {part.name.lower()} part of the data is empty.",
            "Prepare the data with another split, such as leave-one-out.",
        )
    tallies = {name: _Tally({k: Coverage(len(item_novelty), k) for k in ks}) for name in rankers}
    user, item, is_left_out = [], [], []
    done = 0
    for block in _pieces(log, part, len(item_novelty), max_users):
        seen = seen_items(block, seen_event_types)
        for name, ranker in rankers.items():
            scores = _scores(name, ranker, block, len(item_novelty))
            found = ranks(scores, block, exclude_seen, seen)
            lists = _lists(scores, max(ks), seen if exclude_seen else None)
            tallies[name].take(found, lists, item_novelty)
        user.append(block.users[block.owner])
        item.append(block.items)
        is_left_out.append(seen.is_repeat & exclude_seen)
        done += len(block.rows)
        if progress is not None:
            progress(done, num_targets)
    return Ranking(
        np.concatenate(user),
        np.concatenate(item),
        np.concatenate(is_left_out),
        {name: tally.finished() for name, tally in tallies.items()},
        len(item_novelty),
    )


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
