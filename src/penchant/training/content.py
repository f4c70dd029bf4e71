"""What there is to know about the items of prepared data, as a mixture of sources takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from penchant.config import Config, TextSettings, mixes_texts
from penchant.errors import ConfigError, EnvironmentFault
from penchant.events import PreparedData
from penchant.items import (
    GraphTable,
    ItemContent,
    TextReading,
    TextTable,
    of_hugging_face,
    trained_on_top,
)

if TYPE_CHECKING:
    from penchant.texts import EncodedTexts, Progress, TextModel

Told = Callable[[str], None]
"""Hears which language model was used, and how much there was left to do."""


def reads_text(config: Config) -> bool:
    """Tell whether the items of a configuration are read by their texts."""
    return mixes_texts(config) or config.items.settings.get("start_from_text", False)


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
        When it is to be read, and there is none, or none in which items share anything.
    """
    if not reads_graph(config):
        return None
    if data.graph is None:
        raise ConfigError(
            "Items are read by a graph, but this data has none.",
            "Prepare the data with --graph FILE, or leave graph out of items.sources.",
        )
    table = GraphTable.fit(data.graph.neighbours, item_counts(data) > 0)
    if len(table.num_beside) == 0:
        raise ConfigError(
            "A graph must put something beside at least two items with training events, but of its "
            f"{len(data.graph.names):,} entities none stands beside more than one.",
            "Look at the ids of its heads and tails, and at --graph-links.",
        )
    return table


def item_content(
    data: PreparedData,
    config: Config,
    told: Told | None = None,
    like: TextTable | None = None,
    own_mean: bool = False,
    progress: Progress | None = None,
) -> ItemContent:
    """Return what there is to know about the items of prepared data.

    Parameters
    ----------
    told
        Hears which language model was used.
    like
        Texts of another catalogue, whose turn is taken; fitted to the items when left out.
    own_mean
        Whether the texts are centred at their own mean all the same.
    progress
        Hears how many texts are read.

    Raises
    ------
    ConfigError
        When texts or a graph are to be read and the items have none, or the language model is to be
        trained and cannot be.
    EnvironmentFault, MissingExtraError
        When the language model is not there, or is not that of the other catalogue.
    """
    counts = torch.from_numpy(item_counts(data))
    content = ItemContent(counts, graph=graph_table(data, config))
    if not reads_text(config):
        return content
    reading = text_reading(data.item_table, config.text, like)
    encoded = text_vectors(data.item_table, config.text, like, progress)
    if told is not None:
        told(
            f"texts of {data.num_items:,} items by {encoded.name}: {encoded.num_encoded:,} "
            f"encoded, {encoded.num_cached:,} from the cache"
        )
    vectors, settings = torch.from_numpy(encoded.vectors), config.text
    if like is not None:
        _check_same_model(like, encoded)
        table = like.like(vectors, own_mean)
    else:
        table = TextTable.fit(vectors, counts > 0, settings.projection, settings.num_directions)
    base = encoded.fingerprint.partition("+")[0]
    named = replace(table, model=encoded.name, fingerprint=base, reading=reading)
    return replace(content, text=named)


def _check_same_model(like: TextTable, found: EncodedTexts) -> None:
    if like.fingerprint and like.fingerprint != found.fingerprint.partition("+")[0]:
        raise EnvironmentFault(
            f"Texts must be read by the language model of the source, {like.model} with "
            f"fingerprint {like.fingerprint[:12]}, but {found.name} with {found.fingerprint[:12]} "
            "read these.",
            f"Set text.model={like.model} and install the version of the source's training.",
        )


def text_reading(
    item_table: pl.DataFrame, settings: TextSettings, like: TextTable | None = None
) -> TextReading | None:
    """Return how a language model reads the texts of items while it is trained, None if it is not.

    It starts from the weights that were trained for `like`, where there are any.

    Raises
    ------
    ConfigError
        When the model cannot be trained, or is not to be where it was.
    """
    weights = {} if like is None or like.reading is None else like.reading.weights
    if settings.adaptation == "frozen":
        if weights:
            raise ConfigError(
                "text.adaptation must be that of the model that is started from, whose language "
                'model was trained, but is "frozen".',
                "Leave it out, or start from a model that reads texts by a frozen one.",
            )
        return None
    from penchant.texts import open_text_model

    model = of_hugging_face(open_text_model(settings.model))
    return TextReading(
        model.tokenize(item_texts(item_table, settings), settings.max_tokens),
        settings.adaptation,
        settings.lora_rank,
        settings.checkpointing,
        weights,
    )


def text_vectors(
    item_table: pl.DataFrame,
    settings: TextSettings,
    like: TextTable | None = None,
    progress: Progress | None = None,
) -> EncodedTexts:
    """Return the vectors of the texts of items, from the cache where they were encoded before.

    By the language model as it was trained for `like`, where it was.

    Raises
    ------
    ConfigError
        When no item has a text.
    """
    from penchant.texts import encode_texts, open_text_model

    texts = item_texts(item_table, settings)
    model: TextModel | str = settings.model
    if like is not None and like.reading is not None and like.reading.weights:
        how = like.reading
        model = trained_on_top(
            open_text_model(settings.model), how.adapt, how.lora_rank, how.weights
        )
    return encode_texts(texts, model, settings.max_tokens, progress=progress)


def item_texts(item_table: pl.DataFrame, settings: TextSettings) -> list[str]:
    """Return the texts of items.

    Raises
    ------
    ConfigError
        When no item has any.
    """
    from penchant.texts import prompts

    columns = {name: item_table[name].to_list() for name in item_table.columns}
    texts = prompts(columns, settings.template)
    if not any(texts):
        raise ConfigError(
            "Items are read by their texts, but none of them has any.",
            "Prepare the data with --items FILE that has a column title or text.",
        )
    return texts
