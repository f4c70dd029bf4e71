"""From prepared data and a configuration to the model and the objective of a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from penchant.clock import ElapsedTime, elapsed_between
from penchant.config import (
    WHOLE_UP_TO,
    Config,
    build_labels,
    build_loss,
    build_model,
    build_roles,
    reads_table,
    with_chosen_loss,
)
from penchant.encoders import PairBias
from penchant.errors import ConfigError
from penchant.events import LogArrays, Part, PreparedData
from penchant.items import ItemContent, Profiles, TextTable
from penchant.model import InterestModel
from penchant.sequences.roles import EventRoles
from penchant.sequences.training_targets import TrainingTargets
from penchant.training.adapting import check_adaptation
from penchant.training.content import graph_table, item_content, item_counts, reads_text
from penchant.training.contrasting import Contrasts
from penchant.training.devices import choose_device
from penchant.training.objective import ROWS_FROM, Objective, Term


def fresh_model(
    data: PreparedData, config: Config, content: ItemContent | None = None
) -> InterestModel:
    """Build the model for the data's vocabulary, its inputs scaled to the training part.

    `content` is what `item_content` gives; found out here when left out.
    """
    content = item_content(data, config) if content is None else content
    sizes = len(data.items), len(data.event_types)
    model = build_model(config, *sizes, data.features, content, data.user_features)
    fit_inputs(model, data.log.train, build_roles(config, data.event_types))
    return model


def fit_inputs(model: InterestModel, log: LogArrays, roles: EventRoles = EventRoles()) -> None:
    """Fit what the inputs remember of the training part: values seen, shortest and longest gap."""
    history, targets = log.where(roles.is_history(log.event_type)), TrainingTargets.of(log, roles)
    model.behaviour.fit_values(torch.as_tensor(history.value))
    is_later = np.ones(history.num_events, dtype=bool)
    is_later[history.offsets[:-1][history.lengths > 0]] = False
    later = np.flatnonzero(is_later)
    _fit_range(model, ElapsedTime, history.time_ms[later - 1], history.time_ms[later])
    is_long = history.lengths > 1
    first, last = history.offsets[:-1][is_long], history.offsets[1:][is_long] - 1
    _fit_range(model, PairBias, history.time_ms[first], history.time_ms[last])
    is_warm = targets.num_before > 0
    before = np.repeat(history.offsets[:-1], targets.lengths) + targets.num_before - 1
    for readout in (model.readout_layers, *model.other_readouts):
        asked_ms = log.time_ms[targets.row[is_warm]]
        _fit_range(readout, ElapsedTime, history.time_ms[before[is_warm]], asked_ms)
    if model.value is not None:
        model.value.fit(torch.as_tensor(log.value[roles.is_target(log.event_type)]))


def _fit_range(
    module: nn.Module,
    kind: type[ElapsedTime] | type[PairBias],
    before_ms: np.ndarray,
    after_ms: np.ndarray,
) -> None:
    """Let the parts of a kind remember the shortest and longest of some gaps."""
    gaps = elapsed_between(torch.as_tensor(before_ms), torch.as_tensor(after_ms))
    for part in module.modules():
        if isinstance(part, kind) and len(gaps):
            part.fit_range(gaps)


def build_objective(data: PreparedData, config: Config) -> Objective:
    """Build the objective that the sections of the loss, the events and the objectives describe.

    Raises
    ------
    ConfigError
        When a type of event is named that is not in the data, or the training part has no targets.
    """
    settings = config.loss.settings
    targets = TrainingTargets.of(data.log.train, build_roles(config, data.event_types))
    objective = Objective(
        build_loss(config, _item_counts(data, targets, config)),
        config.width,
        settings["interest_weight"],
        settings["interest_share"],
        nominal_targets=batch_events(data, config) * targets.per_input,
        labels=build_labels(config, data.event_types),
        terms=_terms(config, targets),
        value_weight=config.events.value_weight,
    )
    if config.text.adaptation != "frozen":
        # Each further item that is compared is one more text to read.
        most = settings.get("num_negatives", objective.interest_loss.num_negatives)
        objective.interest_loss.num_negatives = most
    if config.profile.kind != "none":
        objective.profiles = Profiles.of(data.user_features)
    if settings["contrast_weight"] or settings["view_weight"]:
        objective.contrasts = Contrasts(
            settings["contrast_weight"],
            settings["view_weight"],
            settings["contrast_temperature"],
            settings["contrast_positions"],
            settings["view_drop_share"],
        )
    return objective


def _item_counts(data: PreparedData, targets: TrainingTargets, config: Config) -> np.ndarray:
    """Return how often each compared item is to be predicted, those pushed down not counted."""
    is_wanted = (targets.weight > 0).any(1)
    item = data.log.train.item_index[targets.row[is_wanted]]
    counts = np.bincount(item, minlength=len(data.items))
    if config.items.kind != "mixture":
        return counts
    return counts[: ItemContent(torch.from_numpy(item_counts(data))).num_trained]


def with_choices(data: PreparedData, config: Config) -> tuple[Config, str]:
    """Return the configuration with what is left to the size of the catalogue, and a line on it.

    Notes
    -----
    A loss of kind "auto" becomes the full softmax or a sampled one; texts are read by the best
    language model at hand. An optimizer "auto" touches
    only the rows of the item table that a step used where the loss does not read all of them and
    there are more than `ROWS_FROM`.
    """
    num_items, told = len(data.items), []
    chosen = with_chosen_loss(config, num_items)
    if chosen.loss != config.loss:
        limit = config.loss.settings["full_up_to"]
        if chosen.text.adaptation != "frozen":
            limit = min(limit, WHOLE_UP_TO)
        told.append(f"loss {chosen.loss.kind} (full softmax up to {limit:,} items)")
    if config.training.optimizer == "auto":
        is_large = num_items > ROWS_FROM and not reads_table(chosen)
        name = "sparse_adamw" if is_large else "adamw"
        chosen = replace(chosen, training=chosen.training.model_copy(update={"optimizer": name}))
        told.append(f"optimizer {name}")
    if reads_text(chosen) and chosen.text.model == "auto":
        from penchant.texts import best_at_hand

        text = chosen.text.model_copy(update={"model": best_at_hand()})
        chosen = replace(chosen, text=text)
        told.append(f"texts by {text.model}")
    return chosen, f"{num_items:,} items: {', '.join(told)}" if told else ""


def _terms(config: Config, targets: TrainingTargets) -> list[Term]:
    """Return what is predicted, each with its share of the targets."""
    named = {name: entry.weight for name, entry in config.objectives.items()} or {"": 1.0}
    if config.events.history_types and not (targets.num_before > 0).any():
        raise ConfigError(
            "The training part must have events of events.history_types before its targets but has "
            "none.",
            "Set events.history_types to types that it has, or leave it out.",
        )
    terms = []
    for (name, weight), share in zip(named.items(), targets.shares, strict=True):
        if share == 0:
            setting = f"objectives.{name}.types" if name else "events.target_types"
            raise ConfigError(
                f"The training part must have events of {setting} to be predicted but has none.",
                f"Set {setting} to types that its {len(targets.row):,} targets have."
                if len(targets.row)
                else f"Set {setting} to types that it has.",
            )
        terms.append(Term(name, weight, share))
    return terms


def check_parts(data: PreparedData, config: Config) -> None:
    """See that the device is there and the parts go together, before a run is made for them.

    Raises
    ------
    ConfigError
        When a part refuses a setting, or the parts do not go together.
    EnvironmentFault
        When the device is not there.

    Notes
    -----
    Parts are built without memory for their weights.
    """
    choose_device(config.training.device)
    check_adaptation(config, len(data.items))
    with torch.device("meta"):
        sizes = len(data.items), len(data.event_types)
        some_text = TextTable.blank(sizes[0], 1, 1) if reads_text(config) else None
        counts = torch.from_numpy(item_counts(data))
        content = ItemContent(counts, some_text, graph=graph_table(data, config))
        model = build_model(config, *sizes, data.features, content, data.user_features)
        build_objective(data, config).loss.check_head(model.head)
    if config.events.value_as == "target":
        _check_values(data, config)


def _check_values(data: PreparedData, config: Config) -> None:
    """See that there are values to learn from."""
    train, roles = data.log.train, build_roles(config, data.event_types)
    value = train.value[roles.is_target(train.event_type)]
    known = value[~np.isnan(value)]
    if len(known) == 0:
        raise ConfigError(
            'events.value_as "target" needs values but none of the training part\'s '
            f"{len(value):,} targets has one.",
            'Set events.value_as="none", or prepare the data with a column value.',
        )
    if config.events.log_value and known.min() <= -1:
        raise ConfigError(
            "events.log_value needs values above -1 but the least of the training part is "
            f"{known.min():g}.",
            "Set events.log_value=false.",
        )


def check_labels(data: PreparedData, config: Config) -> None:
    """See that a binary training has something to tell apart, before a run is made for it.

    Raises
    ------
    ConfigError
        When all events of the training part were taken, or all refused; or of the validation part,
        where its AUC is to be read.
    """
    parts = {"training": Part.TRAIN} if config.loss.kind == "binary" else {}
    if config.training.metric == "auc":
        parts["validation"] = Part.VALIDATION
    labels = build_labels(config, data.event_types)
    log = build_roles(config, data.event_types).only_targets(data.log)
    for name, part in parts.items():
        known = (log.part == part) & (log.item_index >= 0)
        taken = labels(torch.as_tensor(log.value[known]), torch.as_tensor(log.event_type[known]))
        if len(taken) and taken.min() == taken.max():
            raise ConfigError(
                "A binary training needs events that were taken and events that were refused, but "
                f"all {len(taken):,} of the {name} part were "
                f"{'taken' if taken[0] else 'refused'} (loss.least_value is {labels.least_value}, "
                f"loss.taken_types is {list(config.loss.settings['taken_types'])}).",
                "Set loss.least_value to a value that some events reach, or loss.taken_types to "
                "some of the event types.",
            )


def batch_events(data: PreparedData, config: Config) -> int:
    """Return the events of a batch: the setting, or where that is 0 a 64th of the training part.

    Kept between 256 and 4,096: a small log still gets enough steps an epoch, and a large one no
    batch whose gradients are averaged to sameness.
    """
    chosen = config.training.batch_events
    return chosen or min(max(data.log.train.num_events // 64, 256), 4_096)


def trainable(model: InterestModel, objective: Objective) -> nn.ModuleDict:
    """Return both as one module, whose parameters are what is fitted."""
    return nn.ModuleDict({"model": model, "objective": objective})
