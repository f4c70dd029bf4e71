"""Attributes of items, or of users, as numbers that a model can read.

Fitted on those of the training part alone, kept as JSON beside the model, and applied as well to
one that came later. Text is encoded elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from penchant.errors import CorruptBundleError
from penchant.events.attributes import (
    Attribute,
    BagAttribute,
    CategoricalAttribute,
    NumericAttribute,
    attribute_from_dict,
    attribute_to_dict,
    fit_attribute,
)

FORMAT = 1
"""Number of the form in which an encoder is stored."""


@dataclass(frozen=True, slots=True)
class ItemFeatures:
    """Encoded attributes of I items.

    Parameters
    ----------
    categorical_names
        Names of the F categorical attributes.
    categorical
        (I, F) int64, 0 = missing or not seen in training.
    cardinalities
        Number of indices of each categorical attribute, the 0 included.
    numeric_names
        Names of the G numeric attributes.
    numeric
        (I, G) float32, mean 0 and deviation 1 over the training items, missing = 0.
    bag_names
        Names of the attributes with several values; they share one space of indices.
    bag_index
        (nnz,) int64 indices of all items' values, item after item.
    bag_offsets
        (I + 1,) int64, where the values of each item begin.
    bag_size
        Number of different values of all bags.
    is_known
        (I,) bool, the items of which any attribute is known.
    """

    categorical_names: tuple[str, ...]
    categorical: np.ndarray
    cardinalities: tuple[int, ...]
    numeric_names: tuple[str, ...]
    numeric: np.ndarray
    bag_names: tuple[str, ...]
    bag_index: np.ndarray
    bag_offsets: np.ndarray
    bag_size: int
    is_known: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all attributes."""
        return self.categorical_names + self.numeric_names + self.bag_names

    @property
    def num_items(self) -> int:
        """Number of items."""
        return len(self.bag_offsets) - 1


@dataclass(frozen=True, slots=True)
class Encoded:
    """Attributes of some rows, each read by itself.

    Parameters
    ----------
    categories
        With (I,) int64, 0 = missing or not seen in training.
    numbers
        With (I,) float64, NaN where missing.
    bags
        With rows and indices, each (nnz,) int64, by row.
    """

    categories: list[tuple[CategoricalAttribute, np.ndarray]] = field(default_factory=list)
    numbers: list[tuple[NumericAttribute, np.ndarray]] = field(default_factory=list)
    bags: list[tuple[BagAttribute, np.ndarray, np.ndarray]] = field(default_factory=list)

    def features(self, num_rows: int) -> ItemFeatures:
        """Return all of them together."""
        categorical = _stacked([index for _, index in self.categories], num_rows, np.int64)
        normalised = [each.normalised(values) for each, values in self.numbers]
        bag_index, bag_offsets = _join_bags(self.bags, num_rows)
        is_known = (categorical > 0).any(1) | (np.diff(bag_offsets) > 0)
        for _, values in self.numbers:  # a missing one is encoded as the mean is
            is_known |= ~np.isnan(values)
        return ItemFeatures(
            categorical_names=tuple(each.name for each, _ in self.categories),
            categorical=categorical,
            cardinalities=tuple(len(each.values) + 1 for each, _ in self.categories),
            numeric_names=tuple(each.name for each, _ in self.numbers),
            numeric=_stacked(normalised, num_rows, np.float32),
            bag_names=tuple(each.name for each, *_ in self.bags),
            bag_index=bag_index,
            bag_offsets=bag_offsets,
            bag_size=sum(len(each.values) for each, *_ in self.bags),
            is_known=is_known,
        )


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns a table of items into `ItemFeatures`.

    Parameters
    ----------
    attributes
        The fitted attributes.
    left_out
        Reason by name for each attribute that is not used.

    Examples
    --------
    >>> table = pl.DataFrame({"item_id": ["a", "b", "c"], "brand": ["X", "Y", "X"],
    ...                       "weight": [1.0, 3.0, None], "genres": ["War|Drama", None, "War"]})
    >>> encoder = FeatureEncoder.fit(table)
    >>> features = encoder.transform(table)
    >>> features.categorical.tolist(), features.numeric.tolist()
    ([[1], [2], [1]], [[-1.0], [1.0], [0.0]])
    >>> features.bag_index.tolist(), features.bag_offsets.tolist()
    ([0, 1, 0], [0, 2, 2, 3])
    >>> encoder.transform(pl.DataFrame({"item_id": ["new"], "brand": ["Z"]})).categorical.tolist()
    [[0]]
    """

    attributes: tuple[Attribute, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, item_table: pl.DataFrame, train_counts: np.ndarray | None = None
    ) -> FeatureEncoder:
        """Fit every attribute on the items that have training events.

        Parameters
        ----------
        item_table
            `item_id` and attributes, one row per item.
        train_counts
            (I,) training events of each item; items without any are not looked at.
        """
        if train_counts is not None:
            item_table = item_table.filter(pl.Series(train_counts > 0))
        attributes, left_out = [], {}
        for name in item_table.columns:
            if name == "item_id":
                continue
            fitted = fit_attribute(item_table[name])
            if isinstance(fitted, str):
                left_out[name] = fitted
            else:
                attributes.append(fitted)
        return cls(tuple(attributes), left_out)

    def transform(self, item_table: pl.DataFrame) -> ItemFeatures:
        """Encode items; a column that the table lacks is missing for all of them."""
        read = Encoded()
        for each in self.attributes:
            column = _column(each, item_table)
            if isinstance(each, CategoricalAttribute):
                read.categories.append((each, each.encode(column)))
            elif isinstance(each, NumericAttribute):
                read.numbers.append((each, each.values(column)))
            else:
                read.bags.append((each, *each.encode(column)))
        return read.features(item_table.height)

    @cached_property
    def places(self) -> dict[str, dict[str, int]]:
        """Index of each value, by the name of its category or bag."""
        return {
            each.name: {value: index for index, value in enumerate(each.values)}
            for each in self.attributes
            if not isinstance(each, NumericAttribute)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the encoder as plain values for JSON."""
        return {
            "format": FORMAT,
            "attributes": [attribute_to_dict(each) for each in self.attributes],
            "left_out": self.left_out,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> FeatureEncoder:
        """Return the encoder that `to_dict` stored.

        Raises
        ------
        CorruptBundleError
            When `stored` has a newer format or is not what `to_dict` makes.
        """
        found = stored.get("format")
        if found != FORMAT:
            raise CorruptBundleError(
                f"Item features must be stored in format {FORMAT} but are in format {found}.",
                "Read them with the version of Penchant that wrote them.",
            )
        try:
            attributes = tuple(attribute_from_dict(each) for each in stored["attributes"])
            return cls(attributes, dict(stored["left_out"]))
        except (KeyError, TypeError) as error:
            raise CorruptBundleError(
                f"The stored item features are incomplete: {error}.", "Prepare the data again."
            ) from error


def _column(attribute: Attribute, item_table: pl.DataFrame) -> pl.Series:
    if attribute.name in item_table.columns:
        return item_table[attribute.name]
    return pl.Series(attribute.name, [None] * item_table.height, dtype=pl.String)


def _stacked(columns: list[np.ndarray], num_rows: int, dtype: type) -> np.ndarray:
    return np.stack(columns, axis=1) if columns else np.zeros((num_rows, 0), dtype=dtype)  # (I, F)


def _join_bags(
    bags: list[tuple[BagAttribute, np.ndarray, np.ndarray]], num_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    rows, indices, first = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for bag, row, index in bags:
        rows.append(row)
        indices.append(index + first)
        first += len(bag.values)
    all_rows = np.concatenate(rows)
    by_item = np.argsort(all_rows, kind="stable")
    counts = np.bincount(all_rows, minlength=num_rows)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.concatenate(indices)[by_item], offsets
