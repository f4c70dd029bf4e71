"""From a configuration to the parts that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penchant.config.parts import build
from penchant.config.tree import Config
from penchant.errors import ConfigError
from penchant.registry import nearest

if TYPE_CHECKING:
    from penchant.events.features import ItemFeatures
    from penchant.heads import LabelRule
    from penchant.losses import Loss
    from penchant.model import InterestModel


def build_model(
    config: Config, num_items: int, num_event_types: int, features: ItemFeatures | None = None
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

    Raises
    ------
    ConfigError
        When the parts do not go together, or attributes are asked for and there are none.
    """
    from penchant.items import FeatureTable
    from penchant.model import InterestModel

    if config.items.kind == "features" and features is None:
        raise ConfigError(
            'items.kind "features" needs the attributes of the items, but none were given.',
            "Prepare the data with --items, or set items.kind=identity.",
        )
    sizes = {
        "width": config.width,
        "num_items": num_items,
        "num_event_types": num_event_types,
        "features": None if features is None else FeatureTable(features),
    }
    names = ("items", "behaviour", "encoder", "interest", "readout", "head")
    return InterestModel(*(build(name, getattr(config, name), sizes) for name in names))


def build_loss(config: Config) -> Loss:
    """Build the loss that a configuration names.

    Raises
    ------
    ConfigError
        When the head has not what the loss needs.
    """
    if config.loss.kind == "binary" and config.head.kind != "binary":
        raise ConfigError(
            f'loss.kind "binary" needs head.kind "binary" but it is "{config.head.kind}".',
            "Set head.kind=binary, or loss.kind=full_softmax.",
        )
    return build("loss", config.loss, {})


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
    for name in settings["taken_types"]:
        if name not in known:
            raise ConfigError(
                f'loss.taken_types names "{name}", which no event has.', nearest(name, known)
            )
    return LabelRule(
        settings["least_value"], tuple(known.index(name) for name in settings["taken_types"])
    )
