"""Roles of event types that exclude each other are refused before any data is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping

from penchant.config.settings import EventSettings, NamedObjective
from penchant.errors import ConfigError


def check_roles(
    events: EventSettings, objectives: Mapping[str, NamedObjective], loss_kind: str
) -> None:
    """See that no type plays two roles that exclude each other.

    Raises
    ------
    ConfigError
        When a type is both target and negative, targets are named twice over, or a name of an
        objective could not stand in a file.
    """
    if objectives and events.target_types:
        raise ConfigError(
            "Targets must be named by events.target_types or by objectives, but are by both.",
            f"Leave out events.target_types: objectives.{next(iter(objectives))}.types says it.",
        )
    if events.negative_types and loss_kind == "binary":
        raise ConfigError(
            'events.negative_types has no meaning for loss.kind "binary", which learns what was '
            "refused from loss.taken_types and loss.least_value.",
            "Leave out events.negative_types, or set loss.kind=full_softmax.",
        )
    targets = {f"objectives.{name}.types": entry.types for name, entry in objectives.items()}
    for setting, types in {"events.target_types": events.target_types, **targets}.items():
        if both := [name for name in types if name in events.negative_types]:
            raise ConfigError(
                f'An event type is either target or negative, but "{both[0]}" is in {setting} and '
                "in events.negative_types.",
                "Take it out of one of them.",
            )
    for name in objectives:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            raise ConfigError(
                f"The name of an objective must be a letter, then letters, digits, _ or -, but is "
                f'"{name}".',
                "Rename it, such as objectives.buy.",
            )
