"""Segments of users: all who share the value of an attribute, or whose number lies in one fifth.

A user is in one segment for each attribute that is known of them, and in several where an attribute
has several values. Segments are found from attributes alone, so that somebody new is in some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from penchant.events import FeatureEncoder
from penchant.events.attributes import Attribute, BagAttribute, CategoricalAttribute

NUM_BINS: Final = 5
"""Segments that a number is cut into, equally many users of the training in each."""


@dataclass(frozen=True)
class UserSegments:
    """Which segments users are in.

    Parameters
    ----------
    encoder
        Reads attributes of users.
    edges
        For each attribute that is a number where its segments are cut, in the encoder's units.

    Examples
    --------
    >>> users = pl.DataFrame({"plan": ["free", "paid", "free"], "age": [20, 30, 70]})
    >>> segments = UserSegments.fit(FeatureEncoder.fit(users), users)
    >>> segments.num_segments
    7
    >>> [part.tolist() for part in segments.members(pl.DataFrame({"plan": ["paid", None]}))]
    [[0], [1]]
    """

    encoder: FeatureEncoder
    edges: dict[str, tuple[float, ...]]

    @classmethod
    def fit(cls, encoder: FeatureEncoder, users: pl.DataFrame) -> UserSegments:
        """Cut numbers into segments of equally many of the given users."""
        edges = {}
        for each in encoder.attributes:
            if isinstance(each, CategoricalAttribute | BagAttribute):
                continue
            known = each.encode(users[each.name])[each.is_known(users[each.name])]
            cuts = np.quantile(known, np.arange(1, NUM_BINS) / NUM_BINS) if len(known) else []
            edges[each.name] = tuple(np.unique(cuts).tolist())
        return cls(encoder, edges)

    @property
    def sizes(self) -> list[int]:
        """Segments of each attribute."""
        return [self._size(each) for each in self.encoder.attributes]

    @property
    def num_segments(self) -> int:
        """Segments of all attributes."""
        return sum(self.sizes)

    def members(self, users: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of users and the segments that they are in, attribute after attribute.

        Both (n,) int64. A missing value, or one that no user of the training had, is no segment.
        """
        rows, segments, first = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for each, size in zip(self.encoder.attributes, self.sizes, strict=True):
            if each.name in users.columns:
                row, segment = self._of(each, users[each.name])
                rows.append(row)
                segments.append(segment + first)
            first += size
        return np.concatenate(rows), np.concatenate(segments)

    def to_dict(self) -> dict[str, Any]:
        """Return the segments as plain values for JSON."""
        edges = {name: list(cuts) for name, cuts in self.edges.items()}
        return {"encoder": self.encoder.to_dict(), "edges": edges}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> UserSegments:
        """Return the segments that `to_dict` stored."""
        edges = {name: tuple(cuts) for name, cuts in stored["edges"].items()}
        return cls(FeatureEncoder.from_dict(stored["encoder"]), edges)

    def _size(self, attribute: Attribute) -> int:
        if isinstance(attribute, CategoricalAttribute | BagAttribute):
            return len(attribute.values)
        return len(self.edges[attribute.name]) + 1

    def _of(self, attribute: Attribute, column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(attribute, BagAttribute):
            return attribute.encode(column)
        if isinstance(attribute, CategoricalAttribute):
            index = attribute.encode(column)
            rows = np.flatnonzero(index > 0)
            return rows, index[rows] - 1
        rows = np.flatnonzero(attribute.is_known(column))
        edges = np.array(self.edges[attribute.name])
        return rows, np.searchsorted(edges, attribute.encode(column)[rows], side="right")
