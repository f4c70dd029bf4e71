"""From a configuration to the parts that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from penchant.config.parts import CHOSEN_BY_SIZE, Part, build, member, schema
from penchant.config.settings import EventSettings, ObjectiveSettings
from penchant.config.tree import Config
from penchant.errors import ConfigError
from penchant.registry import nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from penchant.events.features import ItemFeatures
    from penchant.heads import LabelRule
    from penchant.items import ItemContent
    from penchant.losses import Loss
    from penchant.model import InterestModel
    from penchant.sequences.roles import EventRoles


WHOLE_UP_TO: Final = 512
"""Items up to which a language model in training may read all of them at every step."""


def build_model(
    config: Config,
    num_items: int,
    num_event_types: int,
    features: ItemFeatures | None = None,
    content: ItemContent | None = None,
    user_features: ItemFeatures | None = None,
) -> InterestModel:
    """Build the model that a configuration describes, with fresh weights.

    Parameters
    ----------
    config
        The settings.
    num_items
        Items in the vocabulary.
    num_event_types
        Kinds of behaviour in the data.
    features
        Attributes of the items (`penchant.events.ItemFeatures`), for item encoders that read them.
    content
        What else there is to know about them, for a mixture; nothing, and no event, when left out.
    user_features
        Attributes of users, for profiles that read them.

    Raises
    ------
    ConfigError
        When the parts do not go together, or attributes are asked for and there are none.
    """
    from penchant.interest import ValueReadout
    from penchant.items import FeatureTable, ItemContent
    from penchant.model import InterestModel

    if config.items.kind == "features" and features is None:
        raise ConfigError(
            'items.kind "features" needs the attributes of the items, but none were given.',
            "Prepare the data with --items, or set items.kind=identity.",
        )
    if config.profile.kind != "none" and not (user_features and user_features.names):
        raise ConfigError(
            f'profile.kind "{config.profile.kind}" needs attributes of users, but there are none.',
            "Prepare the data with --users, or set profile.kind=none.",
        )
    if config.likeness.kind != "none" and not mixes_texts(config):
        raise ConfigError(
            f'likeness.kind "{config.likeness.kind}" needs items that read texts; these do not.',
            "Set items.kind=mixture with text among items.sources, or likeness.kind=none.",
        )
    table = None if features is None else FeatureTable(features)
    sizes = {
        "width": config.width,
        "num_items": num_items,
        "num_event_types": num_event_types,
        "features": table,
        "user_features": user_features,
        "content": replace(content or ItemContent.empty(num_items), features=table),
    }
    learns_values = config.events.value_as == "target"

    def readouts() -> Any:
        names = config.objectives
        several = {name: build("readout", config.readout, sizes) for name in names}
        return several or build("readout", config.readout, sizes)

    items = build("items", config.items, sizes)
    return InterestModel(
        items,
        build("behaviour", config.behaviour, sizes),
        build("encoder", config.encoder, sizes),
        build("interest", config.interest, sizes),
        readouts(),
        build("head", config.head, {**sizes, "num_items": items.num_trained}),
        ValueReadout(config.width, config.events.log_value) if learns_values else None,
        build("profile", config.profile, sizes),
        build("likeness", config.likeness, sizes),
    )


def mixes_texts(config: Config) -> bool:
    """Tell whether items are a mixture that reads their texts."""
    return "text" in config.items.settings.get("sources", ())


def build_loss(config: Config, item_counts: ArrayLike) -> Loss:
    """Build the loss that a configuration names.

    Parameters
    ----------
    config
        The settings.
    item_counts
        (I,) how often each item is to be predicted in training.

    Raises
    ------
    ConfigError
        When the head has not what the loss needs.
    """
    import torch

    if config.loss.kind == "binary" and config.head.kind != "binary":
        raise ConfigError(
            f'loss.kind "binary" needs head.kind "binary" but it is "{config.head.kind}".',
            "Set head.kind=binary, or loss.kind=full_softmax.",
        )
    counts = torch.as_tensor(item_counts, dtype=torch.float32)
    sizes = {"width": config.width, "num_items": len(counts), "item_counts": counts}
    return build("loss", with_chosen_loss(config, len(counts)).loss, sizes)


def with_chosen_loss(config: Config, num_items: int) -> Config:
    """Return a configuration that names its loss, chosen by the size of the catalogue if need be.

    Where a language model is trained on the items' texts a small catalogue counts as large.

    Examples
    --------
    >>> config = Config.load("default", {}, {})
    >>> [with_chosen_loss(config, size).loss.kind for size in (3_416, 1_000_000)]
    ['full_softmax', 'sampled_softmax']
    """
    if config.loss.kind != CHOSEN_BY_SIZE:
        return config
    by_size = build("loss", config.loss, {})
    is_costly = config.text.adaptation != "frozen" and num_items > WHOLE_UP_TO
    kind, settings = by_size.choose(by_size.full_up_to + 1 if is_costly else num_items)
    objective = {name: config.loss.settings[name] for name in ObjectiveSettings.model_fields}
    whole = schema("loss", kind)(**objective, **settings)
    return replace(config, loss=Part(kind, whole.model_dump()))


def reads_table(config: Config) -> bool:
    """Tell whether the loss compares all items at every step; its kind is not "auto"."""
    found: bool = member("loss", config.loss.kind).reads_table
    return found


def build_labels(config: Config, event_types: Sequence[str]) -> LabelRule:
    """Return which events count as taken.

    Parameters
    ----------
    config
        Its section of the loss names a least value and types of events.
    event_types
        Names of the types by index, as the data has them.

    Raises
    ------
    ConfigError
        When a type of event that counts as taken is not in the data.

    Examples
    --------
    >>> config = Config.load("default", {"loss.taken_types": ["buy"]}, {})
    >>> build_labels(config, ("view", "buy"))
    LabelRule(least_value=None, event_types=(1,))
    """
    from penchant.heads import LabelRule

    settings, known = config.loss.settings, list(event_types)
    taken = settings["taken_types"]
    _check_known("loss.taken_types", taken, known)
    return LabelRule(settings["least_value"], tuple(known.index(name) for name in taken))


def build_roles(config: Config, event_types: Sequence[str]) -> EventRoles:
    """Return the roles of the types of events, by their index in the data.

    Parameters
    ----------
    config
        Names the types.
    event_types
        Names of the types by index, as the data has them.

    Raises
    ------
    ConfigError
        When a type is named that no event has.

    Examples
    --------
    >>> from penchant.config import Config
    >>> config = Config.load("default", {"events.target_types": ["buy"]}, {})
    >>> build_roles(config, ("view", "buy")).target_weights
    ((0.0, 1.0),)
    """
    from penchant.sequences.roles import EventRoles

    known = list(event_types)
    events = config.events
    named = {
        "events.history_types": events.history_types,
        "events.target_types": events.target_types,
        "events.type_weights": tuple(events.type_weights),
        "events.negative_types": events.negative_types,
        "evaluation.seen_types": config.evaluation.seen_types,
        **{f"objectives.{name}.types": entry.types for name, entry in config.objectives.items()},
    }
    for setting, types in named.items():
        _check_known(setting, types, known)
    targets = [entry.types for entry in config.objectives.values()] or [events.target_types]
    return EventRoles(
        history_types=_indices(events.history_types, known),
        seen_types=_indices(config.evaluation.seen_types, known),
        target_weights=_weights(targets, events, known),
        value_as_weight=events.value_as == "weight",
        log_value=events.log_value,
        half_life_ms=timedelta(days=events.half_life_days) / timedelta(milliseconds=1),
    )


def told_roles(config: Config, objective: str | None = None) -> dict[str, Any]:
    """Return what a report says of the roles that were chosen: nothing where all events play all.

    Examples
    --------
    >>> from penchant.config import Config
    >>> told_roles(Config.load("default", {"events.target_types": ["buy"]}, {}))
    {'target_types': ['buy']}
    """
    events, objectives = config.events, config.objectives
    name = objective or next(iter(objectives), None)
    types = {
        "target_types": objectives[name].types if name else events.target_types,
        "negative_types": events.negative_types,
        "history_types": events.history_types,
        "seen_types": config.evaluation.seen_types,
    }
    told: dict[str, Any] = {"objective": name} if name else {}
    return told | {role: list(names) for role, names in types.items() if names}


def _check_known(setting: str, types: Sequence[str], known: list[str]) -> None:
    for name in types:
        if name not in known:
            raise ConfigError(
                f'{setting} names "{name}", which no event has.', nearest(name, known)
            )


def _indices(types: Sequence[str], known: list[str]) -> tuple[int, ...] | None:
    """Return the indices of the named types, None where none is named."""
    return tuple(known.index(name) for name in types) or None


def _weights(
    targets: Sequence[Sequence[str]], events: EventSettings, known: list[str]
) -> tuple[tuple[float, ...], ...]:
    """Return what an event counts as a target, by objective and type; negative ones below 0."""
    if not (events.negative_types or events.type_weights or any(targets)):
        return ()

    def weight(name: str, types: Sequence[str]) -> float:
        if name in events.negative_types:
            return -events.negative_weight
        return events.type_weights.get(name, 1.0) if name in types or not types else 0.0

    return tuple(tuple(weight(name, types) for name in known) for types in targets)
