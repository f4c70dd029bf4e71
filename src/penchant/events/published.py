"""Turns the files that owners of public data publish into the canonical tables.

One function per form (MovieLens, the RecBole example, Amazon 2014, UCI Online Retail): a folder of
unpacked files in, `Tables` out. Rows of events stay in the order of the file, because ties in time
are broken by it. Nothing is cleaned here; what is odd in a log is for `validate` and `prepare`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from penchant.errors import InputError, MissingExtraError

# In the order of the last columns of u.item.
ML_100K_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)

ML_1M_OCCUPATIONS = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


@dataclass(frozen=True, slots=True)
class Tables:
    """A data set in canonical columns.

    Parameters
    ----------
    events
        `user_id, item_id, timestamp` (seconds since 1970) and what else an event carries.
    items
        `item_id` and attributes, one row per item.
    users
        `user_id` and attributes, where there are any.
    graph
        `head`, `relation` and `tail` of triples on items, where there are any.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None = None
    graph: pl.DataFrame | None = None


def movielens_100k(folder: Path) -> Tables:
    """Read `u.data`, `u.item` and `u.user` of MovieLens 100K."""
    events = _separated(folder / "u.data", ["user_id", "item_id", "value", "timestamp"], "\t")
    columns = ["item_id", "title", "released", "video", "address", *ML_100K_GENRES]
    items = _separated(folder / "u.item", columns, "|")
    genres = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in ML_100K_GENRES]
    users = _separated(
        folder / "u.user", ["user_id", "age", "gender", "occupation", "zip_code"], "|"
    )
    category = pl.concat_str(genres, separator="|", ignore_nulls=True)
    return _movielens(events, items.with_columns(category=category), users)


def recbole_100k(folder: Path) -> Tables:
    """Read the copy of MovieLens 100K that RecBole carries as an example.

    Notes
    -----
    It splits the year off the title; the two are joined again, so that both sources give the same
    tables.
    """
    events = _separated(
        folder / "ml-100k.inter", ["user_id", "item_id", "value", "timestamp"], "\t", skip=1
    )
    items = _separated(
        folder / "ml-100k.item", ["item_id", "title", "year", "category"], "\t", skip=1
    )
    users = _separated(
        folder / "ml-100k.user",
        ["user_id", "age", "gender", "occupation", "zip_code"],
        "\t",
        skip=1,
    )
    title = pl.format("{} ({})", "title", "year").str.replace_all("unkonwn", "unknown")
    category = pl.col("category").str.replace_all(" ", "|")
    return _movielens(events, items.with_columns(title=title, category=category), users)


def recbole_graph(folder: Path) -> pl.DataFrame:
    """Read the triples on films that RecBole carries, from Freebase.

    Notes
    -----
    Films have the ids of MovieLens 1M, all else keeps the name of Freebase. The links stand beside
    MovieLens 100K and go up to its highest id, but do not number films as it does: Pulp Fiction is
    296 among them, and 56 there.
    """
    graph = _separated(folder / "ml-100k.kg", ["head", "relation", "tail"], "\t", skip=1)
    links = _separated(folder / "ml-100k.link", ["item_id", "entity_id"], "\t", skip=1)
    items = dict(zip(links["entity_id"], links["item_id"], strict=True))
    return graph.with_columns(pl.col("head", "tail").replace(items))


def movielens_1m(folder: Path) -> Tables:
    """Read `ratings.dat`, `movies.dat` and `users.dat` of MovieLens 1M (`::` between fields)."""
    events = _separated(folder / "ratings.dat", ["user_id", "item_id", "value", "timestamp"], "::")
    items = _separated(folder / "movies.dat", ["item_id", "title", "category"], "::")
    users = _separated(
        folder / "users.dat", ["user_id", "gender", "age", "occupation", "zip_code"], "::"
    )
    names = dict(enumerate(ML_1M_OCCUPATIONS))
    occupation = pl.col("occupation").cast(pl.Int64).replace_strict(names, default=None)
    return _movielens(events, items, users.with_columns(occupation=occupation))


def movielens_csv(folder: Path) -> Tables:
    """Read `ratings.csv` and `movies.csv`, the form of MovieLens since 2015."""
    events = pl.read_csv(folder / "ratings.csv", infer_schema=False)
    items = pl.read_csv(folder / "movies.csv", infer_schema=False)
    return _movielens(
        events.rename({"userId": "user_id", "movieId": "item_id", "rating": "value"}),
        items.rename({"movieId": "item_id", "genres": "category"}),
    )


def amazon_2014(folder: Path) -> Tables:
    """Read the reviews and the metadata of one category of Amazon 2014.

    Notes
    -----
    Times are days. The metadata are Python literals, one a line, of every product of the category;
    only those of items that have events are parsed, and an item without metadata keeps its row.
    """
    reviews, metadata = folder / "reviews.json", folder / "meta.json"
    names = {
        "reviewerID": pl.String,
        "asin": pl.String,
        "unixReviewTime": pl.Int64,
        "overall": pl.Float64,
    }
    try:
        found = pl.read_ndjson(reviews, schema=names)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(reviews, error) from error
    events = found.select(
        user_id="reviewerID", item_id="asin", timestamp="unixReviewTime", value="overall"
    )
    known = events.select("item_id").unique(maintain_order=True)
    rows = list(_amazon_products(metadata, set(known["item_id"])))
    schema = {
        "item_id": pl.String,
        "title": pl.String,
        "category": pl.String,
        "brand": pl.String,
        "price": pl.Float64,
        "text": pl.String,
    }
    products = pl.DataFrame(rows, schema=schema).unique("item_id", keep="first")
    return Tables(events, known.join(products, on="item_id", how="left", maintain_order="left"))


def uci_online_retail(folder: Path) -> Tables:
    """Read the workbook of UCI Online Retail.

    Notes
    -----
    Lines without a customer keep a null `user_id`; cancelled lines are `event_type` cancel with a
    negative quantity in `value`. The title and price of an item are its most frequent ones.
    """
    lines = _sheet(folder / "Online Retail.xlsx")
    invoice = pl.col("InvoiceNo")
    kind = pl.when(invoice.str.starts_with("C")).then(pl.lit("cancel"))
    events = lines.select(
        user_id=pl.col("CustomerID").str.replace(r"\.0$", ""),
        item_id=pl.col("StockCode"),
        timestamp=pl.col("InvoiceDate").cast(pl.Datetime("ms")).dt.epoch("s"),
        event_type=kind.when(invoice.str.starts_with("A"))
        .then(pl.lit("adjust"))
        .otherwise(pl.lit("purchase")),
        value=pl.col("Quantity").cast(pl.Float64),
        price=pl.col("UnitPrice").cast(pl.Float64),
        session_id=invoice,
    )
    described = lines.select(
        item_id="StockCode", title=pl.col("Description").str.strip_chars(), price="UnitPrice"
    )
    bought = lines.select(events["user_id"], country="Country").drop_nulls("user_id")
    return Tables(events, _most_frequent(described, "item_id"), _most_frequent(bought, "user_id"))


def _separated(path: Path, columns: list[str], separator: str, skip: int = 0) -> pl.DataFrame:
    """Read a text file without quotes as strings; what is no UTF-8 is Latin-1."""
    raw = path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = [line.rstrip("\r") for line in text.split("\n")[skip:]]
    frame = pl.DataFrame({"line": [line for line in lines if line]}, schema={"line": pl.String})
    fields = pl.col("line").str.split(separator)
    ragged = frame.with_row_index("row", skip + 1).filter(fields.list.len() != len(columns))
    if ragged.height:
        raise InputError(
            f"{path.name} must have {len(columns)} fields on every line but line "
            f"{ragged['row'][0]} has {len(ragged['line'][0].split(separator))}.",
            "The file is not the one that the owner published; fetch it again.",
        )
    return frame.select(
        fields.list.get(place).alias(column) for place, column in enumerate(columns)
    )


def _movielens(
    events: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame | None = None
) -> Tables:
    """Give the tables of any MovieLens their canonical columns and types.

    The year leaves the title; genres are separated by `|`; what the owner calls unknown is null.
    """
    title = pl.col("title").str.strip_chars().str.replace(r"\s*\(T?V\)$", "")
    unknown = ["", "unknown", "(no genres listed)"]
    plain = pl.col("title").str.replace(r"\s*\((\d{4}|unknown)\)$", "").str.strip_chars()
    described = items.with_columns(title=title).select(
        "item_id",
        title=pl.when(~plain.is_in(unknown)).then(plain),
        release_year=pl.col("title").str.extract(r"\((\d{4})\)$").cast(pl.Int64),
        category=pl.when(~pl.col("category").is_in(unknown)).then("category"),
    )
    rated = events.select(
        "user_id",
        "item_id",
        timestamp=pl.col("timestamp").cast(pl.Int64),
        value=pl.col("value").cast(pl.Float64),
    )
    if users is None:
        return Tables(rated, described)
    columns = ["user_id", pl.col("age").cast(pl.Int64), "gender", "occupation", "zip_code"]
    return Tables(rated, described, users.select(columns))


def _amazon_products(path: Path, known: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the attributes of known products from lines of Python literals."""
    asin = re.compile(r"'asin': '([^']+)'")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            found = asin.search(line)
            if found is None or found[1] not in known:
                continue
            try:
                product = ast.literal_eval(line)
            except (ValueError, SyntaxError) as error:
                raise _unreadable(path, f"line {number}: {error}") from error
            branches = [name for branch in product.get("categories", []) for name in branch]
            yield {
                "item_id": product["asin"],
                "title": product.get("title"),
                "category": "|".join(dict.fromkeys(branches)) or None,
                "brand": product.get("brand") or None,
                "price": product.get("price"),
                "text": product.get("description") or None,
            }


def _sheet(path: Path) -> pl.DataFrame:
    """Read the first sheet of a workbook; codes that look like numbers stay text."""
    try:
        import fastexcel  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"{path.name} is a workbook, and the reader for workbooks is not installed.",
            'Install it: pip install "penchant[excel]".',
        ) from error
    text = dict.fromkeys(("InvoiceNo", "StockCode", "Description", "CustomerID"), pl.String)
    return pl.read_excel(path, engine="calamine", schema_overrides=text)


def _most_frequent(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Keep one row per key, with the most frequent value of each column, the first among equals."""
    keys = frame.select(key).unique(maintain_order=True)
    for column in frame.columns[1:]:
        counted = frame.drop_nulls(column).group_by(key, column, maintain_order=True).len()
        best = counted.sort("len", descending=True, maintain_order=True).unique(
            key, keep="first", maintain_order=True
        )
        keys = keys.join(best.drop("len"), on=key, how="left", maintain_order="left")
    return keys


def _unreadable(path: Path, reason: object) -> InputError:
    """Return the error for a published file that cannot be read."""
    return InputError(
        f"{path.name} cannot be read: {reason}.",
        "The file is not the one that the owner published; fetch it again.",
    )
