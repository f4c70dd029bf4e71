"""From prepared data and a configuration to the model and the objective of a training."""

from __future__ import annotations

import torch
from torch import nn

from penchant.clock import ElapsedTime, elapsed_between
from penchant.config import Config, build_labels, build_loss, build_model
from penchant.errors import ConfigError
from penchant.events import LogArrays, Part, PreparedData
from penchant.model import InterestModel
from penchant.training.devices import choose_device
from penchant.training.objective import Objective


def fresh_model(data: PreparedData, config: Config) -> InterestModel:
    """Build the model for the data's vocabulary, its inputs scaled to the training part."""
    model = build_model(config, len(data.items), len(data.event_types), data.features)
    fit_inputs(model, data.log.train)
    return model


def fit_inputs(model: InterestModel, log: LogArrays) -> None:
    """Fit what the inputs remember of the training part: values seen, shortest and longest gap."""
    model.behaviour.fit_values(torch.as_tensor(log.value))
    time_ms = torch.as_tensor(log.time_ms)
    gaps = elapsed_between(time_ms[:-1], time_ms[1:])
    same_user = torch.ones(len(gaps), dtype=torch.bool)
    borders = torch.as_tensor(log.offsets[(log.offsets > 0) & (log.offsets < log.num_events)])
    same_user[borders - 1] = False
    for part in model.modules():
        if isinstance(part, ElapsedTime):
            part.fit_range(gaps[same_user])


def build_objective(data: PreparedData, config: Config) -> Objective:
    """Build the objective that the section of the loss describes.

    Raises
    ------
    ConfigError
        When a type of event that counts as taken is not in the data.
    """
    settings = config.loss.settings
    return Objective(
        build_loss(config),
        config.width,
        settings["interest_weight"],
        settings["interest_share"],
        nominal_targets=batch_events(data, config),
        labels=build_labels(config, data.event_types),
    )


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
    with torch.device("meta"):
        build_model(config, len(data.items), len(data.event_types), data.features)
        build_objective(data, config)


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
    log = data.log
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
