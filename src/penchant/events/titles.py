"""The same thing in two tables, found by its title and year."""

from __future__ import annotations

import polars as pl

_YEAR = r"\s*\((\d{4})\)\s*$"


def same_titles(named: pl.DataFrame, items: pl.DataFrame) -> pl.Series:
    """Return (N,) ids of the items that have the titles of a table, null where none has.

    Parameters
    ----------
    named
        N rows with `title`, and maybe `release_year`.
    items
        `item_id`, `title`, and maybe `release_year`. Of items of one title and year the first
        counts.

    Notes
    -----
    A year in brackets behind a title counts as `release_year`; case, accents and all marks do not
    count. Without a year is a year of its own.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["7", "9"], "title": ["Amelie", "Heat"],
    ...                       "release_year": [2001, 1995]})
    >>> same_titles(pl.DataFrame({"title": ["HEAT (1995)", "Heat (1986)", "Amélie (2001)"]}), items)
    shape: (3,)
    Series: 'item_id' [str]
    [
        "9"
        null
        "7"
    ]
    """
    keys = ["plain", "year"]
    known = _keyed(items).select("item_id", *keys).drop_nulls("plain")
    first = known.unique(keys, keep="first", maintain_order=True)
    asked = _keyed(named).select(keys)
    found = asked.join(first, on=keys, how="left", maintain_order="left", nulls_equal=True)
    return found["item_id"]


def _keyed(table: pl.DataFrame) -> pl.DataFrame:
    title = pl.col("title").cast(pl.String)
    year = title.str.extract(_YEAR).cast(pl.Int64)
    if "release_year" in table.columns:
        year = pl.coalesce(year, pl.col("release_year").cast(pl.Int64, strict=False))
    plain = title.str.replace(_YEAR, "").str.normalize("NFKD").str.to_lowercase()
    words = plain.str.replace_all(r"\p{M}", "").str.replace_all(r"[^\p{L}\p{N}]+", " ")
    names = words.str.strip_chars()
    return table.with_columns(plain=pl.when(names != "").then(names), year=year)
