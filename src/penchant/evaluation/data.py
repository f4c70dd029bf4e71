"""What is read of prepared data, and which of its events are asked for.

Targets of one objective, on items of one kind; other events are read as history all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penchant.errors import InputError
from penchant.events.arrays import LogArrays, Part
from penchant.sequences.candidates import among_candidates, candidate_items, check_targets
from penchant.sequences.roles import EventRoles


class EvaluatedData(Protocol):
    """What is read of prepared data."""

    @property
    def log(self) -> LogArrays:
        """All histories."""
        ...

    @property
    def num_items(self) -> int:
        """Size of the vocabulary."""
        ...

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the data is: `split` and `fingerprint` are kept in the report."""
        ...


@dataclass(frozen=True)
class TargetData:
    """Data whose validation and test parts hold only what is asked for."""

    log: LogArrays
    num_items: int
    manifest: Mapping[str, Any]


def targets_of(data: EvaluatedData, part: Part, roles: EventRoles, objective: int) -> TargetData:
    """Return data with the targets of an objective alone.

    Raises
    ------
    InputError
        When the part has events and none is such a target.
    """
    log = roles.with_targets(data.log, objective)
    num_events = int((data.log.part == part).sum())
    if num_events and not (log.part == part).any():
        raise InputError(
            f"evaluation needs targets, but none of the {num_events:,} events of the "
            f"{part.name.lower()} part has a type that is one.",
            "Evaluate on another part, or prepare the data with another split.",
        )
    return TargetData(log, data.num_items, data.manifest)


def with_candidates(
    data: EvaluatedData, part: Part, which: str
) -> tuple[TargetData, np.ndarray | None]:
    """Return data with the targets on candidates alone, and (I,) which items are candidates.

    Raises
    ------
    UsageError
        When `which` is not `all`, `warm` or `cold`.
    InputError
        When the part has targets and none of them is on a candidate.
    """
    candidates = candidate_items(data.log, data.num_items, which)
    log = among_candidates(data.log, candidates)
    check_targets(log, part, which, int((data.log.part == part).sum()))
    return TargetData(log, data.num_items, data.manifest), candidates
