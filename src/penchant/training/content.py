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
from penchant.items import GraphTable, ItemContent, TextTable

if TYPE_CHECKING:
    from penchant.texts import EncodedTexts

Told = Callable[[str], None]
"""Hears which language model was used, and how much there was left to do."""


def reads_text(config: Config) -> bool:
    """Tell whether the items of a configuration are read by their texts."""
    settings = config.items.settings
    return "text" in settings.get("sources", ()) or settings.get("start_from_text", False)


def reads_graph(config: Config) -> bool:
    """Tell whether the items of a configuration are read by a graph."""
    return "graph" in config.items.settings.get("sources", ())


def item_counts(data: PreparedData) -> np.ndarray:
    """Return (I,) int64 training events of each item."""
    return np.bincount(data.log.train.item_index, minlength=len(data.items))


def graph_table(data: PreparedData, config: Config) -> GraphTable | None:
    """Return what a graph says of the items of prepared data, None where it is not to be read.

    Raises
    ------
    ConfigError
        When it is to be read, and there is none, or it says nothing of an item with events.
    """
    if not reads_graph(config):
        return None
    if data.graph is None:
        raise ConfigError(
            "Items are read by a graph, but this data has none.",
            "Prepare the data with --graph FILE, or leave graph out of items.sources.",
        )
    is_trained = item_counts(data) > 0
    neighbours = data.graph.neighbours
    if not is_trained[neighbours.item].any():
        raise ConfigError(
            "A graph must say something of items with training events, but of the "
            f"{int(is_trained.sum()):,} such items it says nothing.",
            "Look at the ids of its heads and tails, and at --graph-links.",
        )
    return GraphTable.fit(neighbours, is_trained)


def item_content(data: PreparedData, config: Config, told: Told | None = None) -> ItemContent:
    """Return what there is to know about the items of prepared data.

    Raises
    ------
    ConfigError
        When texts or a graph are to be read and the items have none.
    EnvironmentFault, MissingExtraError
        When the language model is not there.
    """
    counts = torch.from_numpy(item_counts(data))
    content = ItemContent(counts, graph=graph_table(data, config))
    if not reads_text(config):
        return content
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
    named = replace(table, model=encoded.name, fingerprint=encoded.fingerprint)
    return replace(content, text=named)


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
