"""Which items a ranking is over: all, those with training events, or those without any.

Candidates and targets go together: what cannot be listed is not asked for, but read as history all
the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from penchant.errors import InputError, UsageError
from penchant.events.arrays import NO_PART, LogArrays, Part

CHOICES: Final = ("all", "warm", "cold")


def candidate_items(log: LogArrays, num_items: int, which: str) -> np.ndarray | None:
    """Return (I,) bool, the items that may be listed; None for all.

    Parameters
    ----------
    log
        The prepared histories, all parts.
    num_items
        Size of the vocabulary.
    which
        `all`, `warm` (items with training events) or `cold` (items without any).

    Raises
    ------
    UsageError
        When `which` is none of these.

    Examples
    --------
    >>> item, part = np.array([0, 2, 1]), np.array([0, 0, 2])
    >>> log = LogArrays(item, item, item, item, part, offsets=np.array([0, 3]))
    >>> candidate_items(log, 4, "cold").tolist()
    [False, True, False, True]
    """
    if which not in CHOICES:
        raise UsageError(
            f'candidates must be one of {", ".join(CHOICES)} but is "{which}".', "Say cold."
        )
    if which == "all":
        return None
    is_warm = np.bincount(log.train.item_index, minlength=num_items) > 0
    return is_warm if which == "warm" else ~is_warm


def among_candidates(log: LogArrays, candidates: np.ndarray | None) -> LogArrays:
    """Return a log whose validation and test parts hold targets on candidates only.

    Examples
    --------
    >>> item, part = np.array([0, 2, 1, -1]), np.array([0, 1, 2, 2])
    >>> log = LogArrays(item, item, item, item, part, offsets=np.array([0, 4]))
    >>> among_candidates(log, np.array([True, True, False])).part.tolist()
    [0, -1, 2, -1]
    """
    if candidates is None:
        return log
    is_candidate = np.append(candidates, False)[log.item_index]  # what is not known is none
    stays = is_candidate | (log.part == Part.TRAIN)
    return replace(log, part=np.where(stays, log.part, NO_PART).astype(log.part.dtype))


def check_targets(log: LogArrays, part: Part, which: str, num_before: int) -> None:
    """Refuse a part none of whose targets is a candidate.

    Parameters
    ----------
    log
        What `among_candidates` returned.
    part
        The part to be evaluated on.
    which
        The candidates, for the message.
    num_before
        Targets of the part whatever their items.

    Raises
    ------
    InputError
        When the part had targets and has none left.
    """
    if not num_before or (log.part == part).any():
        return
    kind = {"cold": "without", "warm": "with"}.get(which, "with or without")
    raise InputError(
        f"evaluation among {which} items needs targets on items of the vocabulary {kind} training "
        f"events, but none of the {num_before:,} targets of the {part.name.lower()} part is.",
        "Prepare the data with --hold-out-items, or evaluate with --candidates all.",
    )
