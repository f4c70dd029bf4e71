"""From a configuration to the parts that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penchant.config.parts import build
from penchant.config.tree import Config
from penchant.errors import ConfigError

if TYPE_CHECKING:
    from penchant.events.features import ItemFeatures
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
