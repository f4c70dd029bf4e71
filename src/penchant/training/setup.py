"""From prepared data and a configuration to the model and the objective of a training."""

from __future__ import annotations

import torch
from torch import nn

from penchant.config import Config, build_loss, build_model
from penchant.errors import ConfigError
from penchant.events import LogArrays, PreparedData
from penchant.interest import ElapsedTime
from penchant.model import InterestModel, elapsed_between
from penchant.registry import nearest
from penchant.training.objective import LabelRule, Objective


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
    known = list(data.event_types)
    for name in settings["taken_types"]:
        if name not in known:
            raise ConfigError(
                f'loss.taken_types names "{name}", which no event has.', nearest(name, known)
            )
    labels = LabelRule(
        settings["least_value"], tuple(known.index(name) for name in settings["taken_types"])
    )
    return Objective(
        build_loss(config),
        config.width,
        settings["interest_weight"],
        settings["interest_share"],
        nominal_targets=config.training.batch_events,
        labels=labels,
    )


def trainable(model: InterestModel, objective: Objective) -> nn.ModuleDict:
    """Return both as one module, whose parameters are what is fitted."""
    return nn.ModuleDict({"model": model, "objective": objective})
