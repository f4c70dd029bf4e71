"""What there is to know about the items of prepared data, as a mixture of sources takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from penchant.config import Config, TextSettings
from penchant.errors import ConfigError
from penchant.events import PreparedData
from penchant.items import ItemContent, TextTable

if TYPE_CHECKING:
    from penchant.texts import EncodedTexts

Told = Callable[[str], None]
"""Hears which language model was used, and how much there was left to do."""


def reads_text(config: Config) -> bool:
    """Tell whether the items of a configuration are read by their texts."""
    settings = config.items.settings
    return "text" in settings.get("sources", ()) or settings.get("start_from_text", False)


def item_counts(data: PreparedData) -> np.ndarray:
    """Return (I,) int64 training events of each item."""
    return np.bincount(data.log.train.item_index, minlength=len(data.items))


def item_content(data: PreparedData, config: Config, told: Told | None = None) -> ItemContent:
    """Return what there is to know about the items of prepared data.

    Raises
    ------
    ConfigError
        When texts are to be read and the items have none.
    EnvironmentFault, MissingExtraError
        When the language model is not there.
    """
    counts = torch.from_numpy(item_counts(data))
    if not reads_text(config):
        return ItemContent(counts)
    encoded = text_vectors(data.item_table, config.text)
    if told is not None:
        told(
            f"texts of {data.num_items:,} items by {encoded.name}: {encoded.num_encoded:,} "
            f"encoded, {encoded.num_cached:,} from the cache"
        )
    table = TextTable.fit(
        torch.from_numpy(encoded.vectors),
        counts > 0,
        config.text.projection,
        config.text.num_directions,
    )
    return ItemContent(counts, replace(table, model=encoded.name, fingerprint=encoded.fingerprint))


def text_vectors(item_table: pl.DataFrame, settings: TextSettings) -> EncodedTexts:
    """Return the vectors of the texts of items, from the cache where they were encoded before.

    Raises
    ------
    ConfigError
        When no item has a text.
    """
    from penchant.texts import encode_texts, prompts

    columns = {name: item_table[name].to_list() for name in item_table.columns}
    texts = prompts(columns, settings.template)
    if not any(texts):
        raise ConfigError(
            "Items are read by their texts, but none of them has any.",
            "Prepare the data with --items FILE that has a column title or text.",
        )
    return encode_texts(texts, settings.model, settings.max_tokens)
