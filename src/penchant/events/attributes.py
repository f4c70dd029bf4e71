"""What one attribute of an item says, and how it becomes numbers.

`fit_attribute` looks at the values of the training items and decides: a number (normalised), a
category (indexed), a bag of categories (several in one value), or nothing, with the reason. Free
text is not read here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl

TEXT_NAMES: Final = frozenset(
    {"title", "text", "name", "description", "abstract", "summary", "content", "url", "image"}
)
"""Names under which free text or an address stands, whatever the values look like."""

BAG_NAMES: Final = frozenset(
    {"category", "categories", "genre", "genres", "class", "classes", "tag", "tags", "keywords"}
)
"""Names under which several categories may stand with nothing but a space between them."""

ID_SHARE: Final = 0.8
"""An attribute whose known values are distinct beyond this share names the item."""

TEXT_WORDS: Final = 6
"""Values with more words than this on average are free text."""

NUMBER_SHARE: Final = 0.95
"""Texts beyond this share of which are numbers are read as numbers, the others as missing."""

SKEWED: Final = 2.0
"""Numbers without a negative one whose skewness is beyond this are normalised by log(1 + x)."""

FARTHEST: Final = 10.0
"""A normalised number is cut at this many standard deviations."""


@dataclass(frozen=True, slots=True)
class NumericAttribute:
    """A number, normalised by mean and standard deviation of the training items; missing = 0."""

    name: str
    mean: float
    std: float
    logarithm: bool = False
    kind: Literal["numeric"] = "numeric"

    def values(self, column: pl.Series) -> np.ndarray:
        """Return (I,) float64 numbers, NaN where there is none."""
        return _numbers(column)

    def is_known(self, column: pl.Series) -> np.ndarray:
        """Return (I,) bool, where there is a number; a missing one is encoded as the mean is."""
        return ~np.isnan(_numbers(column))

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return (I,) float32."""
        return self.normalised(_numbers(column))

    def normalised(self, values: np.ndarray) -> np.ndarray:
        """Return (I,) float32 for numbers (I,), 0 for NaN."""
        if self.logarithm:
            values = np.log1p(np.maximum(values, 0))
        normalised = np.clip((values - self.mean) / self.std, -FARTHEST, FARTHEST)
        return np.nan_to_num(normalised, nan=0.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class CategoricalAttribute:
    """One of several values, the most frequent first; index 0 = missing or not seen in training."""

    name: str
    values: tuple[str, ...]
    kind: Literal["categorical"] = "categorical"

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return (I,) int64."""
        asked = _texts(column).alias("value").to_frame()
        found = asked.join(_index_of(self.values), on="value", how="left", maintain_order="left")
        return (found["index"].cast(pl.Int64) + 1).fill_null(0).to_numpy()


@dataclass(frozen=True, slots=True)
class BagAttribute:
    """Several values at once; those not seen in training are passed over.

    Parameters
    ----------
    separator
        What stands between the values, a regular expression; None where the column holds lists.
    """

    name: str
    values: tuple[str, ...]
    separator: str | None
    kind: Literal["bag"] = "bag"

    def encode(self, column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and indices (each (nnz,) int64), by row, each index once in a row."""
        found = (
            _tokens(column, self.separator)
            .join(_index_of(self.values), on="value")
            .select("row", "index")
            .unique()
            .sort("row", "index")
            .cast(pl.Int64)
        )
        return found["row"].to_numpy(), found["index"].to_numpy()


Attribute = NumericAttribute | CategoricalAttribute | BagAttribute


def attribute_from_dict(stored: dict[str, Any]) -> Attribute:
    """Return the attribute that `attribute_to_dict` stored."""
    kinds = {
        "numeric": NumericAttribute,
        "categorical": CategoricalAttribute,
        "bag": BagAttribute,
    }
    fields = dict(stored)
    if "values" in fields:
        fields["values"] = tuple(fields["values"])
    return kinds[fields.pop("kind")](**fields)


def attribute_to_dict(attribute: Attribute) -> dict[str, Any]:
    """Return an attribute as plain values for JSON."""
    return asdict(attribute)


def fit_attribute(column: pl.Series) -> Attribute | str:
    """Decide what an attribute is from the values of the training items.

    Returns
    -------
    The fitted attribute, or the reason why it is left out.

    Examples
    --------
    >>> fit_attribute(pl.Series("genres", ["Drama|War", "War", None])).values
    ('War', 'Drama')
    >>> fit_attribute(pl.Series("title", ["Heat", "Alien"]))
    'free text'
    """
    if isinstance(column.dtype, (pl.List, pl.Array)) and not column.dtype.inner.is_nested():
        return _fit_bag(column, None) or "no value is known"
    if column.dtype.is_temporal() or (column.dtype.is_numeric() and not _is_code(column.name)):
        return _fit_number(column)
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return f"values of type {column.dtype} are not read"
    return _fit_text(column)


def _is_code(name: str) -> bool:
    lowered = name.lower()
    return lowered in BAG_NAMES or lowered.endswith(("id", "ids", "code"))


def _fit_number(column: pl.Series) -> Attribute | str:
    values = _numbers(column)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return "no value is known"
    std = values.std()
    logarithm = bool(
        std > 0 and values.min() >= 0 and ((values - values.mean()) ** 3).mean() / std**3 > SKEWED
    )
    if logarithm:
        values = np.log1p(values)
    if not values.std() > 1e-9 * abs(values.mean()):
        return "the same for all items"
    return NumericAttribute(column.name, float(values.mean()), float(values.std()), logarithm)


def _fit_text(column: pl.Series) -> Attribute | str:
    texts = _texts(column).drop_nulls()
    name = column.name.lower()
    if name in TEXT_NAMES:
        return "free text"
    if len(texts) == 0:
        return "no value is known"
    if texts.n_unique() == 1 and len(texts) == len(column):
        return "the same for all items"
    if texts.str.contains("|", literal=True).any():
        return _fit_bag(column, r"\|") or "no value is known"
    if name.endswith("_ids"):
        return _fit_bag(column, r"[,;\s]+") or "no value is known"
    numbers = texts.str.contains(r"^[+-]?(0|[1-9]\d*)(\.\d+)?$")  # 00501 is a code
    if not _is_code(name) and numbers.mean() > NUMBER_SHARE:  # type: ignore[operator]
        return _fit_number(column)
    return _fit_category(column, texts, name)


def _fit_category(column: pl.Series, texts: pl.Series, name: str) -> Attribute | str:
    if name not in BAG_NAMES and texts.str.count_matches(r"\S+").mean() > TEXT_WORDS:  # type: ignore[operator]
        return "free text"
    for separator in (r"\s*;\s*", r"\s*,\s*", *([r"\s+"] if name in BAG_NAMES else [])):
        if texts.str.contains(separator).any():
            bag = _fit_bag(column, separator)
            # "New York" is one value: only parts that occur in several values are categories
            if bag and len(bag.values) < texts.n_unique():
                return bag
    if len(texts) >= 10 and texts.n_unique() > ID_SHARE * len(texts):
        return f"{texts.n_unique()} different values on {len(texts)} items"
    return CategoricalAttribute(column.name, _by_frequency(texts.alias("value").to_frame()))


def _fit_bag(column: pl.Series, separator: str | None) -> BagAttribute | None:
    values = _by_frequency(_tokens(column, separator).unique())
    return BagAttribute(column.name, values, separator) if values else None


def _by_frequency(values: pl.DataFrame) -> tuple[str, ...]:
    counts = values.group_by("value").len().sort(["len", "value"], descending=[True, False])
    return tuple(counts["value"])


def _index_of(values: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame({"value": pl.Series(values, dtype=pl.String)}).with_row_index("index")


def _tokens(column: pl.Series, separator: str | None) -> pl.DataFrame:
    """Return the values of all rows, one below the other, beside the number of their row."""
    rows = pl.DataFrame({"value": column}).with_row_index("row")
    if isinstance(column.dtype, (pl.List, pl.Array)):
        parts = rows.explode("value")
    elif separator is None:  # lists in training, a single value now
        parts = rows
    else:
        marked = pl.Series("value", _texts(column)).str.replace_all(separator, "\x1f")
        parts = rows.with_columns(marked.str.split("\x1f")).explode("value")
    return parts.with_columns(_texts(parts["value"])).drop_nulls("value")


def _texts(column: pl.Series) -> pl.Series:
    """Return values as text without space around them; the empty text is null, 3.0 is 3."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        known = column.drop_nulls()
        if ((known % 1 == 0) & (known.abs() < 2**53)).all():
            column = column.cast(pl.Int64)
    texts = column.cast(pl.String).str.strip_chars()
    return texts.set(texts == "", None)


def _numbers(column: pl.Series) -> np.ndarray:
    """Return (I,) float64, NaN where a value is missing or no finite number; times in days."""
    if column.dtype.is_temporal():
        physical = column.cast(pl.Datetime("ms")) if column.dtype == pl.Date else column
        if isinstance(physical.dtype, pl.Datetime):
            return _numbers(physical.dt.epoch("ms")) / 86_400_000
        return _numbers(physical.to_physical())
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    values = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)
