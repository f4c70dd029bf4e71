"""A model beside its baselines on one part of the data: figures with intervals, in a report.

The first ranker is the one in question. All figures of a report come from one walk over one set of
targets and one set of bootstrap draws, so that every difference is paired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from penchant.baselines import fit_baselines
from penchant.baselines.base import USUAL
from penchant.errors import UsageError
from penchant.evaluation.binary import BASE_RATE, BinarySummary, BinaryTargets, binary_targets
from penchant.evaluation.binary import NUM_DRAWS as BINARY_DRAWS
from penchant.evaluation.data import EvaluatedData, targets_of, with_candidates
from penchant.evaluation.intervals import NUM_DRAWS
from penchant.evaluation.lists import item_novelty
from penchant.evaluation.metrics import checked_ks
from penchant.evaluation.model_ranker import ModelRanker
from penchant.evaluation.ranking import Progress, Ranker, Ranking, rank_targets
from penchant.evaluation.report import Report
from penchant.evaluation.slices import by_warmth
from penchant.evaluation.summary import RankerSummary, chance_values, ranked_values
from penchant.evaluation.values import with_value_errors
from penchant.events.arrays import NO_TIME, Part
from penchant.heads import LabelRule
from penchant.items import Profiles
from penchant.model import InterestModel
from penchant.sequences.roles import EventRoles

CHANCE: Final = "random"
"""The expected figures of a list in random order, under which name they stand beside a model."""


def evaluate(
    rankers: Mapping[str, Ranker],
    data: EvaluatedData,
    part: Part | str = Part.TEST,
    *,
    ks: Sequence[int] = (10,),
    exclude_seen: bool = True,
    seen_event_types: Collection[int] | None = None,
    variants: Mapping[str, Ranker] | None = None,
    candidates: str = "all",
    chance: bool | None = None,
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
    candidates
        Which items are listed and asked for: `all`, `warm` (with training events) or `cold`
        (without any). With `all`, figures of targets on either stand in the slices, if there are
        cold ones.
    chance
        Put what lists in random order would find beside the baselines, as `random`; where
        candidates are cold, when None.
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
        When the part holds no events, or none on such candidates.
    ConfigError
        When a list length is below 1.
    ShapeError
        When a ranker scores another number of items than the data has.
    UsageError
        When no ranker is given, or a name twice; when part or candidates are not known.
    """
    part, lengths = checked_part(part), checked_ks(list(ks))
    variants = variants or {}
    beside = [CHANCE] if (candidates == "cold" if chance is None else chance) else []
    _check_names([*rankers, *beside], variants)
    data, listed = with_candidates(data, part, candidates)
    counts = np.bincount(data.log.train.item_index, minlength=data.num_items)
    ranking = rank_targets(
        {**rankers, **variants},
        data.log,
        part,
        item_novelty(counts),
        ks=lengths,
        exclude_seen=exclude_seen,
        seen_event_types=seen_event_types,
        candidates=listed,
        max_users=max_users,
        progress=progress,
    )
    draws: dict[str, int] = {"num_draws": num_draws, "seed": seed}
    summaries = _summaries(ranking, lengths, beside, draws)
    model, *others = *rankers, *beside
    kept = ~ranking.is_left_out
    told = {
        "candidates": candidates,
        "num_candidates": data.num_items if listed is None else int(listed.sum()),
        "exclude_seen": exclude_seen,
    }
    return Report(
        protocol=_protocol(data, part, told, ranking, rankers[model]),
        num_users=len(np.unique(ranking.user[kept])),
        num_targets=int(kept.sum()),
        metrics=summaries[model].figures(),
        baselines={name: summaries[name].figures() for name in others},
        variants={name: summaries[name].figures() for name in variants},
        per_user={name: summaries[name].figures("per_user") for name in (model, *others)},
        unfiltered={name: summaries[name].figures("unfiltered") for name in (model, *others)},
        differences={name: summaries[model].minus(summaries[name]) for name in others},
        slices=by_warmth(ranking, counts, list(rankers), **draws) if listed is None else {},
        settings=_settings({name: rankers[name] for name in others if name in rankers}),
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
    candidates: str = "all",
    vectors: np.ndarray | None = None,
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
        Baselines, `random` among them; the usual ones when None, and `mean_text` where there are
        vectors.
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
    candidates
        As in `evaluate`; baselines choose their settings among the same.
    vectors
        (I, E) of the items' texts, for the baseline `mean_text`.
    options
        Passed on to `evaluate`.

    Raises
    ------
    InputError
        When no event of the part is a target.
    ConfigError
        When labels are given and the head has no probabilities; else as `evaluate`.
    UsageError
        When the model has no such objective, or a baseline lacks its vectors.
    """
    place, chosen = model.place_of(objective), checked_part(part)
    data = targets_of(data, chosen, roles, place)
    data, listed = with_candidates(data, chosen, candidates)
    kinds = [*USUAL, *(["mean_text"] if vectors is not None else [])] if kinds is None else kinds
    fitted = fit_baselines(
        data.log,
        data.num_items,
        [kind for kind in kinds if kind != CHANCE],
        exclude_seen,
        roles,
        place,
        candidates=listed,
        vectors=vectors,
    )
    told = query_time and bool((data.log.time_ms != NO_TIME).any())
    ranker, untold = (
        ModelRanker(model, time, roles=roles, objective=objective, profiles=profiles)
        for time in (told, False)
    )
    options = {"seen_event_types": roles.seen_types, "candidates": candidates, **options}
    options |= {"chance": True} if CHANCE in kinds else {}
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


def _check_names(rankers: Sequence[str], variants: Mapping[str, Ranker]) -> None:
    if not set(rankers) - {CHANCE}:
        raise UsageError(
            "evaluation needs at least one ranker but got none.", "Give a model or a baseline."
        )
    taken = Counter([*rankers, *variants])
    if both := sorted(name for name, times in taken.items() if times > 1):
        raise UsageError(
            f'rankers and variants must have different names but share "{both[0]}".',
            "Rename the variant.",
        )


def _summaries(
    ranking: Ranking, ks: tuple[int, ...], beside: list[str], draws: dict[str, int]
) -> dict[str, RankerSummary]:
    """Sum up every ranker, and chance where it is to stand beside them."""
    values = {
        name: ranked_values(ranked, ranking.num_items) for name, ranked in ranking.by_ranker.items()
    }
    values |= {name: chance_values(ranking, ks) for name in beside}
    return {name: RankerSummary(each, ranking, **draws) for name, each in values.items()}


def _settings(rankers: Mapping[str, Ranker]) -> dict[str, dict[str, Any]]:
    """Return what each ranker chose on validation, where it did."""
    chosen = {name: getattr(ranker, "chosen", None) for name, ranker in rankers.items()}
    return {name: settings for name, settings in chosen.items() if settings}


def _protocol(
    data: EvaluatedData, part: Part, told: dict[str, Any], ranking: Ranking, model: Ranker
) -> dict[str, Any]:
    split = data.manifest.get("split")
    held_out = split.get("held_out") if isinstance(split, Mapping) else None
    return {
        "split": split.get("name") if isinstance(split, Mapping) else split,
        "part": part.name.lower(),
        **told,
        "ties": "pessimistic",
        "query_time": getattr(model, "query_time", None),
        "num_items": data.num_items,
        "data_fingerprint": data.manifest.get("fingerprint"),
        "left_out_seen_targets": int(ranking.is_left_out.sum()),
        "cold_targets": int((ranking.item[~ranking.is_left_out] < 0).sum()),
        **({"held_out": held_out} if held_out else {}),
    }
