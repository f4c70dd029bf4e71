"""A log that is ready for training: cleaned, split, in integers, with its vocabulary and features.

`PreparedData` is what `EventLog.prepare` returns and what a directory of prepared data holds.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from penchant import __version__
from penchant.errors import CorruptBundleError
from penchant.events.arrays import NO_TIME, LogArrays
from penchant.events.directories import (
    check_files,
    checksums,
    read_manifest,
    write_json,
    writing_directory,
)
from penchant.events.features import FeatureEncoder, ItemFeatures
from penchant.events.item_graph import GraphNames, ItemGraph
from penchant.events.summary import summary_text
from penchant.events.vocabulary import Vocabulary

FORMAT: Final = 1
"""Number of the form in which prepared data is stored."""

KIND: Final = "prepared data"
"""What `data.json` calls itself."""

MARKER: Final = "data.json"
"""The file by which a directory of prepared data is known."""

_STORED_DTYPES: Final = {
    "item_index": pl.Int32,
    "event_type": pl.Int16,
    "value": pl.Float32,
    "time_ms": pl.Int64,
    "part": pl.Int8,
}


@dataclass(frozen=True)
class PreparedData:
    """A prepared log.

    Parameters
    ----------
    log
        All events; users in the order in which they are first seen, the events of a user in the
        order they are learned in.
    users, items
        Outside ids by index. `items` holds those of the training part, under leave-one-out all.
    item_table
        Row i describes item i: `item_id` and attributes, null where unknown.
    user_table
        The same for users, if attributes of users were given.
    event_types
        Names by index, the most frequent of the training part first.
    encoder
        Turns attributes into `features`, and those of later items too.
    manifest
        What the data is and how it was made: format, version, source, split, steps of cleaning,
        leaks, counts, notes, fingerprint.
    graph
        What a knowledge graph says of the items, if one was given.
    """

    log: LogArrays
    users: Vocabulary
    items: Vocabulary
    item_table: pl.DataFrame
    user_table: pl.DataFrame | None
    event_types: tuple[str, ...]
    encoder: FeatureEncoder
    manifest: dict[str, Any]
    graph: ItemGraph | None = None

    @cached_property
    def features(self) -> ItemFeatures:
        """The encoded attributes of all items."""
        return self.encoder.transform(self.item_table)

    @cached_property
    def user_encoder(self) -> FeatureEncoder:
        """Turns attributes of users into numbers; fitted on the users with training events."""
        if self.user_table is None:
            return FeatureEncoder()
        return FeatureEncoder.fit(self.user_table.drop("user_id"), self.log.train.lengths)

    @cached_property
    def user_features(self) -> ItemFeatures:
        """The encoded attributes of all users; nothing is known of them where none were given."""
        ids = pl.DataFrame({"user_id": self.users.series})
        return self.user_encoder.transform(ids if self.user_table is None else self.user_table)

    @cached_property
    def has_times(self) -> bool:
        """Whether every event has a time."""
        return self.log.num_events > 0 and bool((self.log.time_ms != NO_TIME).all())

    @property
    def num_items(self) -> int:
        """Number of items of the vocabulary."""
        return len(self.items)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the contents."""
        return self.manifest["fingerprint"]

    def summary(self) -> dict[str, Any]:
        """Return what there is to tell about the data, as plain values for JSON."""
        return {name: value for name, value in self.manifest.items() if name != "files"}

    def summary_text(self) -> str:
        """Return what there is to tell about the data, in a few lines."""
        return summary_text(self.manifest)

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the data as a directory that can be copied to another machine.

        Raises
        ------
        OutputExistsError
            When the directory exists and is not to be overwritten, or is something else.
        """
        with writing_directory(directory, MARKER, overwrite=overwrite) as path:
            _events_frame(self.log).write_parquet(path / "events.parquet")
            self.item_table.write_parquet(path / "items.parquet")
            users = pl.DataFrame({"user_id": self.users.series})
            (users if self.user_table is None else self.user_table).write_parquet(
                path / "users.parquet"
            )
            write_json(path / "features.json", self.encoder.to_dict())
            if self.graph is not None:
                self.graph.to_frame().write_parquet(path / _TRIPLES)
                self.graph.names.to_frame().write_parquet(path / _GRAPH_NAMES)
            manifest = {
                "kind": KIND,
                "format": FORMAT,
                "version": __version__,
                **{name: self.manifest[name] for name in self.manifest if name not in _OWN},
                "files": checksums(path),
            }
            write_json(path / MARKER, manifest)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> PreparedData:
        """Read prepared data from a directory.

        Raises
        ------
        MissingFileError
            When there is no such directory.
        CorruptBundleError
            When a file is missing, cut, altered, or written in a newer format, by name.
        """
        path = Path(directory)
        manifest = read_manifest(path, MARKER, KIND, FORMAT)
        try:
            check_files(path, manifest["files"])
            log = _log_of(pl.read_parquet(path / "events.parquet"), manifest["counts"]["users"])
            item_table = pl.read_parquet(path / "items.parquet")
            user_table = pl.read_parquet(path / "users.parquet")
            encoder = json.loads((path / "features.json").read_text(encoding="utf-8"))
            items = Vocabulary(item_table["item_id"])
            return cls(
                log=log,
                users=Vocabulary(user_table["user_id"]),
                items=items,
                item_table=item_table,
                user_table=user_table if user_table.width > 1 else None,
                event_types=tuple(manifest["event_types"]),
                encoder=FeatureEncoder.from_dict(encoder),
                manifest=manifest,
                graph=_read_graph(path, items),
            )
        except (KeyError, TypeError) as error:
            raise CorruptBundleError(
                f"{path / MARKER} is cut or altered: it has no {error}.", "Prepare the data again."
            ) from error


_OWN: Final = ("kind", "format", "version", "files")
_TRIPLES: Final = "graph.parquet"
_GRAPH_NAMES: Final = "graph_names.parquet"


def _read_graph(path: Path, items: Vocabulary) -> ItemGraph | None:
    if not (path / _TRIPLES).is_file():
        return None
    names = GraphNames.from_frame(items, pl.read_parquet(path / _GRAPH_NAMES))
    return ItemGraph.from_frame(names, pl.read_parquet(path / _TRIPLES))


def _events_frame(log: LogArrays) -> pl.DataFrame:
    columns = {"user_index": pl.Series(log.user, dtype=pl.Int32)}
    for name, dtype in _STORED_DTYPES.items():
        columns[name] = pl.Series(getattr(log, name)).cast(dtype)
    return pl.DataFrame(columns)


def _log_of(events: pl.DataFrame, num_users: int) -> LogArrays:
    lengths = np.bincount(events["user_index"].to_numpy(), minlength=num_users)
    return LogArrays(
        item_index=events["item_index"].to_numpy().astype(np.int64),
        event_type=events["event_type"].to_numpy().astype(np.int64),
        value=events["value"].to_numpy(),
        time_ms=events["time_ms"].to_numpy(),
        part=events["part"].to_numpy(),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )
