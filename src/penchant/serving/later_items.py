"""Vectors of items that came after the training, from what is said of them, under one bundle.

The same language model, the same columns and the same attributes as in training; nothing is
trained. The language model is opened when the first such item comes, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import torch
from torch import Tensor

from penchant.bundle import Bundle
from penchant.errors import EnvironmentFault
from penchant.events import ItemNeighbours
from penchant.events.tables import read_table
from penchant.interest import TextLikeness
from penchant.items import FeatureTable, MixtureItems, trained_on_top
from penchant.serving.ranking import Ranker

if TYPE_CHECKING:
    from penchant.texts import TextModel


def with_later_items(ranker: Ranker, items: Any) -> tuple[Ranker, tuple[str, ...]]:
    """Return a ranker that knows the items of a table too, and the ids of those without a vector.

    Parameters
    ----------
    items
        A path or a frame with `item_id` and attributes; rows of items that the bundle was trained
        on are passed over.

    Raises
    ------
    InputError
        When the table is broken or has no `item_id`.
    """
    table = read_table(items, "item_id", {}).frame
    table = table.filter(~pl.col("item_id").is_in(ranker.bundle.vocabulary.series.implode()))
    if table.is_empty():
        return ranker, ()
    ids = table["item_id"].to_list()
    vectors, is_known = ItemReader(ranker.bundle).read(table.to_dicts())
    without = tuple(name for name, known in zip(ids, is_known.tolist(), strict=True) if not known)
    return ranker.with_items(ids, vectors, is_known), without


_SCALARS: Final = (str, int, float, bool)


class ItemReader:
    """Reads later items for one bundle.

    Parameters
    ----------
    bundle
        A model whose items are a mixture; the items of others are known by their events alone.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        items = bundle.model.items
        self.items = items if isinstance(items, MixtureItems) and items.sources else None

    @property
    def can_read(self) -> bool:
        """Whether an item without events can have a vector at all."""
        return self.items is not None

    @cached_property
    def text_model(self) -> TextModel:
        """The language model of the training, with what was trained of it.

        Raises
        ------
        EnvironmentFault
            When what goes by its name here is another model.
        """
        from penchant.texts import open_text_model

        wanted = self.bundle.facts.get("text", {})
        model = open_text_model(self.bundle.config.text.model)
        if model.fingerprint != wanted.get("fingerprint", model.fingerprint):
            raise EnvironmentFault(
                f'The items of this bundle were read by the language model "{model.name}" with '
                f"fingerprint {wanted['fingerprint'][:12]}, but here it has "
                f"{model.fingerprint[:12]}.",
                "Install the version of the training, or train anew.",
            )
        text, weights = self.bundle.config.text, self.bundle.text_weights
        if text.adaptation == "frozen" or not weights:
            return model
        return trained_on_top(model, text.adaptation, text.lora_rank, weights)

    def read(self, given: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
        """Return vectors of items as a table has them, and (n,) bool: of others nothing is said.

        Parameters
        ----------
        given
            Attributes by name; those that the training did not have are passed over. Under `graph`
            triples with the item's `item_id` as head or tail: `["new", "directed_by", "m.05"]`.

        Raises
        ------
        InputError
            When a triple is not one of its item.
        """
        model = self.bundle.model
        if self.items is None or not given:
            width = model.width + model.num_beside
            return torch.zeros(len(given), width), torch.zeros(len(given), dtype=torch.bool)
        content: dict[str, Any] = {}
        if "text" in self.items.sources:
            content["text"] = self._texts(given)
        if "features" in self.items.sources:
            content["features"] = self._features(given)
        if "graph" in self.items.sources:
            content["graph"] = self._neighbours(given)
        with torch.inference_mode():
            vectors, is_known = self.items.later(content, len(given))
            return torch.cat([vectors, self._beside(content, len(given))], 1), is_known

    def _beside(self, content: Mapping[str, Any], num_items: int) -> Tensor:
        """Return (n, num_beside) what stands behind the vectors of new items, for likeness."""
        likeness = self.bundle.model.likeness
        if not isinstance(likeness, TextLikeness) or not likeness.is_used:
            return torch.zeros(num_items, 0)
        assert self.items is not None, "likeness needs a mixture"
        assert self.items.texts is not None, "likeness needs texts"
        texts = self.items.texts.later_directions(content["text"])
        return likeness.beside(texts, torch.zeros(num_items, dtype=torch.bool))

    def _texts(self, given: Sequence[Mapping[str, Any]]) -> Tensor:
        """Return (n, E) vectors of the texts; nothing is written to a cache."""
        from penchant.texts import encode_texts, prompts

        names = [name for name in self.bundle.item_table.columns if name != "item_id"]
        columns = {name: [each.get(name) for each in given] for name in names}
        text = self.bundle.config.text
        texts = prompts(columns, text.template)
        return torch.from_numpy(encode_texts(texts, self.text_model, text.max_tokens, None).vectors)

    def _neighbours(self, given: Sequence[Mapping[str, Any]]) -> ItemNeighbours:
        """Return what the triples say that stand under `graph`: a list, or JSON of one."""
        assert self.bundle.graph is not None, "a graph that is read has names"
        told = [(str(each.get("item_id", "")), _triples(each.get("graph"))) for each in given]
        return self.bundle.graph.later(told)

    def _features(self, given: Sequence[Mapping[str, Any]]) -> FeatureTable:
        """Return the attributes as the training encoded them, what is unknown as missing."""
        schema = self.bundle.item_table.schema
        columns = {
            name: _column(name, [each.get(name) for each in given], dtype)
            for name, dtype in schema.items()
            if name != "item_id"
        }
        return FeatureTable(self.bundle.encoder.transform(pl.DataFrame(columns)))


def _triples(given: Any) -> Sequence[Any]:
    """Return the triples of an item; a text is read as JSON, and is no list if it is none."""
    if not isinstance(given, str):
        return given or ()
    try:
        found = json.loads(given)
    except ValueError:
        found = given
    return found if isinstance(found, list) else [found]


def _column(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """Return a column as a table has it; what is no such value is missing.

    Examples
    --------
    >>> _column("colour", ["red", 7, ["red"], None], pl.String()).to_list()
    ['red', '7', None, None]
    >>> _column("tags", ["hot", ["new", 3, None, ["x"]], None], pl.List(pl.String)).to_list()
    [['hot'], ['new', '3'], None]
    """
    if isinstance(dtype, pl.List):
        lists = [value if isinstance(value, list | tuple) else [value] for value in values]
        texts = [[str(one) for one in many if isinstance(one, _SCALARS)] for many in lists]
        found = [
            text if value is not None else None for text, value in zip(texts, values, strict=True)
        ]
        return pl.Series(name, found, pl.List(pl.String)).cast(dtype, strict=False)
    plain = [value if isinstance(value, (*_SCALARS, date)) else None for value in values]
    return pl.Series(name, plain, strict=False).cast(dtype, strict=False)
