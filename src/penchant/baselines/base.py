"""What every baseline is: counts of the training part that score all items for a block of targets.

The same protocol as a model's, so that the evaluator cannot tell them apart. A setting that is not
given is chosen on the validation part; the test part is never looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Self, TypeVar

import numpy as np

from penchant.events.arrays import LogArrays, Part
from penchant.registry import Registry
from penchant.seeds import stream
from penchant.sequences.ranking import cut_block, gain, listable, ranks, seen_items
from penchant.sequences.roles import EventRoles
from penchant.sequences.targets import TargetBlock, target_blocks

USUAL: Final = ("popular", "recent_popular", "markov", "lagged_markov")
"""The kinds that stand beside a model where none are named."""

CHOICE_USERS: Final = 2_000
CHOICE_TARGETS: Final = 5_000

S = TypeVar("S")


class Baseline(ABC):
    """A ranker that is counted, not trained."""

    kind: str
    reads_history = False
    """Whether events that are no targets are counted too."""

    @abstractmethod
    def fit(self, log: LogArrays, num_items: int) -> Self:
        """Count the training part; choose what is left open on the validation part.

        Parameters
        ----------
        log
            The whole prepared log.
        num_items
            Size of the vocabulary.
        """

    @abstractmethod
    def score(self, block: TargetBlock) -> np.ndarray:
        """Return (M, I) float32 scores of all items for each target, higher is better."""

    @property
    def chosen(self) -> dict[str, float | str]:
        """The settings in use once fitted, those chosen on validation included, for the report."""
        return {}


baselines: Registry[Baseline] = Registry("baselines")


def fit_baselines(
    log: LogArrays,
    num_items: int,
    kinds: Sequence[str] = USUAL,
    exclude_seen: bool = True,
    roles: EventRoles = EventRoles(),
    objective: int = 0,
    candidates: np.ndarray | None = None,
    vectors: np.ndarray | None = None,
) -> dict[str, Baseline]:
    """Return the given kinds of baseline, by kind, fitted for the lists of an evaluation.

    Parameters
    ----------
    log
        The whole prepared log.
    num_items
        Size of the vocabulary.
    kinds
        Which baselines.
    exclude_seen
        Whether lists leave out seen items.
    roles, objective
        Which events are targets, and which make an item seen.
    candidates
        (I,) bool, the items that are listed; all when None.
    vectors
        (I, E) of the items' texts, for those that compare texts.

    Raises
    ------
    ConfigError
        When a kind is not known.
    UsageError
        When texts are to be compared and there are no vectors.

    Notes
    -----
    What says which item follows which reads all events of the training part, whatever their role,
    and popularity counts targets only; both choose on targets.

    Examples
    --------
    >>> part = np.array([0, 0, 1, 2])
    >>> log = LogArrays(part, part, part, part, part, offsets=np.array([0, 4]))
    >>> list(fit_baselines(log, 3, ["popular", "markov"]))
    ['popular', 'markov']
    """
    sizes: dict[str, Any] = {"exclude_seen": exclude_seen, "seen_types": roles.seen_types}
    sizes |= {"candidates": candidates, "vectors": vectors}
    fitted = {}
    for kind in kinds:
        baseline = baselines.build(kind, {}, **sizes)
        view = roles.with_targets if baseline.reads_history else roles.only_targets
        fitted[kind] = baseline.fit(view(log, objective), num_items)
    return fitted


def choose(
    settings: Sequence[S],
    score: Callable[[TargetBlock, S], np.ndarray],
    log: LogArrays,
    num_items: int,
    *,
    otherwise: S,
    exclude_seen: bool = True,
    seen_types: Collection[int] | None = None,
    candidates: np.ndarray | None = None,
) -> S:
    """Return the setting with the best validation NDCG@10; the first of equals.

    Parameters
    ----------
    settings
        The candidates.
    score
        (M, I) scores of a block under one of them.
    log
        The prepared log; only targets of its validation part are ranked.
    num_items
        Size of the vocabulary.
    otherwise
        What to return when there is nothing to rank, or no setting finds anything.
    exclude_seen, seen_types, candidates
        Rank as the evaluation will.

    Notes
    -----
    Looks at about 5,000 targets of 2,000 users drawn with a fixed seed.
    """
    total = np.zeros(len(settings))
    num_targets = 0
    for block in _choice_blocks(log, num_items):
        seen = seen_items(block, seen_types)
        for place, setting in enumerate(settings):
            scores = listable(score(block, setting), candidates)
            found = ranks(scores, block, exclude_seen, seen)
            total[place] += gain(found.rank, 10)[~found.is_left_out].sum()
        num_targets += len(block.rows)
        if num_targets >= CHOICE_TARGETS:
            break
    return settings[int(total.argmax())] if total.any() else otherwise


def _choice_blocks(log: LogArrays, num_items: int) -> list[TargetBlock]:
    users = np.unique(log.user[log.part == Part.VALIDATION])
    if len(users) > CHOICE_USERS:
        users = stream(0, "baselines").choice(users, CHOICE_USERS, replace=False)
    blocks = target_blocks(log.users(users), Part.VALIDATION)
    return [piece for block in blocks for piece in cut_block(block, num_items)]
