"""A model beside its baselines on one part of the data: figures with intervals, in a report.

The first ranker is the one in question. All figures of a report come from one walk over one set of
targets and one set of bootstrap draws, so that every difference is paired.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from penchant.baselines import fit_baselines
from penchant.errors import InputError, UsageError
from penchant.evaluation.binary import BASE_RATE, BinarySummary, BinaryTargets, binary_targets
from penchant.evaluation.binary import NUM_DRAWS as BINARY_DRAWS
from penchant.evaluation.intervals import NUM_DRAWS
from penchant.evaluation.lists import item_novelty
from penchant.evaluation.metrics import checked_ks
from penchant.evaluation.model_ranker import ModelRanker
from penchant.evaluation.ranking import Progress, Ranker, Ranking, rank_targets
from penchant.evaluation.report import Report
from penchant.evaluation.summary import RankerSummary
from penchant.evaluation.values import with_value_errors
from penchant.events.arrays import NO_TIME, LogArrays, Part
from penchant.heads import LabelRule
from penchant.items import Profiles
from penchant.model import InterestModel
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


def evaluate(
    rankers: Mapping[str, Ranker],
    data: EvaluatedData,
    part: Part | str = Part.TEST,
    *,
    ks: Sequence[int] = (10,),
    exclude_seen: bool = True,
    seen_event_types: Collection[int] | None = None,
    variants: Mapping[str, Ranker] | None = None,
    max_users: int | None = None,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Rank every target of a part under all rankers and sum up.

    Parameters
    ----------
    rankers
        By name; the first is the one in question, the others stand beside it as baselines.
    data
        Prepared data.
    part
        `test` or `validation`.
    ks
        Lengths of the lists.
    exclude_seen
        Take items of the target's history out of the lists. Targets that are themselves seen are
        then left out and counted; the figures without the filter stand beside the others either
        way.
    seen_event_types
        Indices of the event types that make an item seen; all when None.
    variants
        The ranker in question under another setting, reported apart from the baselines.
    max_users
        Take only so many users, drawn by chance, always the same ones.
    num_draws
        Bootstrap samples; 0 leaves the intervals out.
    seed
        Seed of the bootstrap.
    progress
        Called with the targets ranked so far and all.

    Raises
    ------
    InputError
        When the part holds no events, or is not the name of one.
    ConfigError
        When a list length is below 1.
    ShapeError
        When a ranker scores another number of items than the data has.
    UsageError
        When no ranker is given, or a name twice.
    """
    part, lengths = checked_part(part), checked_ks(list(ks))
    variants = variants or {}
    _check_names(rankers, variants)
    counts = np.bincount(data.log.train.item_index, minlength=data.num_items)
    ranking = rank_targets(
        {**rankers, **variants},
        data.log,
        part,
        item_novelty(counts),
        ks=lengths,
        exclude_seen=exclude_seen,
        seen_event_types=seen_event_types,
        max_users=max_users,
        progress=progress,
    )
    summaries = {
        name: RankerSummary(ranked, ranking, num_draws=num_draws, seed=seed)
        for name, ranked in ranking.by_ranker.items()
    }
    model, *others = rankers
    kept = ~ranking.is_left_out
    return Report(
        protocol=_protocol(data, part, exclude_seen, ranking, rankers[model]),
        num_users=len(np.unique(ranking.user[kept])),
        num_targets=int(kept.sum()),
        metrics=summaries[model].figures(),
        baselines={name: summaries[name].figures() for name in others},
        variants={name: summaries[name].figures() for name in variants},
        per_user={name: summaries[name].figures("per_user") for name in rankers},
        unfiltered={name: summaries[name].figures("unfiltered") for name in rankers},
        differences={name: summaries[model].minus(summaries[name]) for name in others},
        settings={
            name: chosen for name in others if (chosen := getattr(rankers[name], "chosen", None))
        },
    )


def evaluate_model(
    model: InterestModel,
    data: EvaluatedData,
    part: Part | str = Part.TEST,
    *,
    query_time: bool = True,
    kinds: Sequence[str] | None = None,
    exclude_seen: bool = True,
    labels: LabelRule | None = None,
    roles: EventRoles = EventRoles(),
    objective: str = "",
    profiles: Profiles | None = None,
    **options: Any,
) -> Report:
    """Evaluate a model beside freshly fitted baselines, with and without the time of asking.

    Parameters
    ----------
    model
        The model in question, `model` in the report.
    data
        Prepared data with the model's vocabulary.
    part
        `test` or `validation`.
    query_time
        Tell the model when each target happens, where it looks at that and the data has times;
        `without_query_time` then stands beside it.
    kinds
        Baselines; the usual ones when None.
    exclude_seen
        As in `evaluate`.
    labels
        Which targets were taken; `auc`, `log_loss` and `calibration_error` of a binary head then
        stand beside those of `base_rate`.
    roles
        Which events are history, targets, and make an item seen; all when left out.
    objective
        Whose targets are ranked where the model has several objectives; the first when empty.
    profiles
        Attributes of the data's users, for a model that reads them; unknown when left out.
    options
        Passed on to `evaluate`.

    Raises
    ------
    InputError
        When no event of the part is a target.
    ConfigError
        When labels are given and the head has no probabilities; else as `evaluate`.
    UsageError
        When the model has no such objective.
    """
    place, chosen = model.place_of(objective), checked_part(part)
    data = _targets_of(data, chosen, roles, place)
    own: dict[str, Any] = {} if kinds is None else {"kinds": kinds}
    own |= {"exclude_seen": exclude_seen, "roles": roles, "objective": place}
    fitted = fit_baselines(data.log, data.num_items, **own)
    told = query_time and bool((data.log.time_ms != NO_TIME).any())
    ranker, untold = (
        ModelRanker(model, time, roles=roles, objective=objective, profiles=profiles)
        for time in (told, False)
    )
    options = {"seen_event_types": roles.seen_types, **options}
    variants = {"without_query_time": untold} if ranker.query_time else {}
    rankers: dict[str, Ranker] = {"model": ranker, **fitted}
    report = evaluate(
        rankers, data, chosen, exclude_seen=exclude_seen, variants=variants, **options
    )
    if model.value is not None and place == 0:
        train = roles.only_targets(data.log).train
        mean = float(np.nanmean(train.value)) if np.isfinite(train.value).any() else 0.0
        report = with_value_errors(report, ranker, data.log, chosen, mean, **options)
    if labels is None:
        return report
    asked = {"model": ranker, **variants}
    targets = binary_targets(asked, data.log, chosen, labels, max_users=options.get("max_users"))
    return _with_probabilities(
        report,
        targets.beside_base_rate(roles.only_targets(data.log, place), labels),
        num_draws=min(options.get("num_draws", BINARY_DRAWS), BINARY_DRAWS),
        seed=options.get("seed", 0),
    )


@dataclass(frozen=True)
class _Targets:
    """Data whose validation and test parts hold targets only."""

    log: LogArrays
    num_items: int
    manifest: Mapping[str, Any]


def _targets_of(data: EvaluatedData, part: Part, roles: EventRoles, objective: int) -> _Targets:
    log = roles.with_targets(data.log, objective)
    num_events = int((data.log.part == part).sum())
    if num_events and not (log.part == part).any():
        raise InputError(
            f"evaluation needs targets, but none of the {num_events:,} events of the "
            f"{part.name.lower()} part has a type that is one.",
            "Evaluate on another part, or prepare the data with another split.",
        )
    return _Targets(log, data.num_items, data.manifest)


def _with_probabilities(
    report: Report, targets: BinaryTargets, *, num_draws: int, seed: int
) -> Report:
    """Return the report with the figures of a binary head beside those of ranking."""
    found = {
        name: BinarySummary(targets, name, num_draws=num_draws, seed=seed)
        for name in targets.probability
    }
    base = found[BASE_RATE]
    told = {
        "labelled_targets": len(targets.label),
        "taken_targets": int(targets.label.sum()),
    }
    return replace(
        report,
        protocol={**report.protocol, **told},
        metrics={**report.metrics, **found["model"].figures()},
        baselines={**report.baselines, BASE_RATE: base.figures()},
        variants={
            name: {**figures, **found[name].figures()} for name, figures in report.variants.items()
        },
        differences={**report.differences, BASE_RATE: found["model"].minus(base)},
    )


def checked_part(part: Part | str) -> Part:
    """Return a part from its name.

    Raises
    ------
    UsageError
        When it is no part.

    Examples
    --------
    >>> checked_part("validation").name
    'VALIDATION'
    """
    if isinstance(part, Part):
        return part
    names = {each.name.lower(): each for each in Part}
    if part not in names:
        raise UsageError(
            f'the part to evaluate on must be one of {", ".join(names)} but is "{part}".',
            "Give test or validation.",
        )
    return names[part]


def _check_names(rankers: Mapping[str, Ranker], variants: Mapping[str, Ranker]) -> None:
    if not rankers:
        raise UsageError(
            "evaluation needs at least one ranker but got none.", "Give a model or a baseline."
        )
    if both := sorted(set(rankers) & set(variants)):
        raise UsageError(
            f'rankers and variants must have different names but share "{both[0]}".',
            "Rename the variant.",
        )


def _protocol(
    data: EvaluatedData, part: Part, exclude_seen: bool, ranking: Ranking, model: Ranker
) -> dict[str, Any]:
    split = data.manifest.get("split")
    return {
        "split": split.get("name") if isinstance(split, Mapping) else split,
        "part": part.name.lower(),
        "exclude_seen": exclude_seen,
        "ties": "pessimistic",
        "query_time": getattr(model, "query_time", None),
        "num_items": data.num_items,
        "data_fingerprint": data.manifest.get("fingerprint"),
        "left_out_seen_targets": int(ranking.is_left_out.sum()),
        "cold_targets": int((ranking.item[~ranking.is_left_out] < 0).sum()),
    }
