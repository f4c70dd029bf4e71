"""Outside ids and the indices they have inside.

Ids are strings, indices run from 0 without gaps. A vocabulary never changes; `grow` makes a
larger one in which every old index keeps its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import polars as pl

from penchant.errors import InputError

SMALL = 1000
"""Below this many ids a dictionary answers faster than a join."""


class Vocabulary:
    """Ids in the order of their indices.

    Parameters
    ----------
    ids
        Distinct ids, none of them null; the first has index 0.

    Raises
    ------
    InputError
        When an id is null or stands twice.

    Examples
    --------
    >>> items = Vocabulary(["tea", "milk"])
    >>> items.index("milk"), items.index("rum"), items.id(0)
    (1, None, 'tea')
    >>> items.indices(["milk", "rum", "tea"]).tolist()
    [1, -1, 0]
    >>> items.grow(["rum", "tea"]).ids
    ('tea', 'milk', 'rum')
    """

    def __init__(self, ids: Sequence[str] | pl.Series) -> None:
        self.series = pl.Series("id", ids, dtype=pl.String)
        if self.series.null_count():
            raise InputError(
                f"Ids must not be null, but number {self.series.is_null().arg_max()} is.",
                "Drop the rows without an id first.",
            )
        repeated = self.series.filter(self.series.is_duplicated())
        if len(repeated):
            raise InputError(
                f"Ids must be distinct, but {repeated[0]!r} stands "
                f"{self.series.eq(repeated[0]).sum()} times.",
                "Give each id once; the position is its index.",
            )

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __contains__(self, outside_id: object) -> bool:
        return outside_id in self._index_of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.series.equals(other.series)

    __hash__ = None  # type: ignore[assignment]  # compared by content, and may be large

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} ids)"

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All ids, by index."""
        return tuple(self.series)

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {outside_id: index for index, outside_id in enumerate(self.series)}

    def id(self, index: int) -> str:
        """Return the id of an index.

        Raises
        ------
        IndexError
            When no id has this index; negative ones are not counted from the end.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"Index {index} is outside of the {len(self)} ids.")
        return self.series[int(index)]

    def index(self, outside_id: str) -> int | None:
        """Return the index of an id, None where it is unknown."""
        return self._index_of.get(outside_id)

    def indices(self, ids: Sequence[str] | np.ndarray | pl.Series) -> np.ndarray:
        """Return (N,) int64 indices of many ids, -1 where unknown.

        Notes
        -----
        Many ids are looked up by a hash join: 3 million in well under a second.
        """
        if len(ids) <= SMALL:
            known = self._index_of
            return np.array([known.get(outside_id, -1) for outside_id in ids], dtype=np.int64)
        asked = pl.DataFrame({"id": pl.Series(ids, dtype=pl.String)})
        known_ids = pl.DataFrame({"id": self.series}).with_row_index("index")
        found = asked.join(known_ids, on="id", how="left", maintain_order="left")["index"]
        return found.cast(pl.Int64).fill_null(-1).to_numpy()

    def grow(self, new_ids: Sequence[str] | pl.Series) -> Vocabulary:
        """Return a vocabulary with the new ids appended; known and repeated ones are skipped."""
        fresh = pl.Series("id", new_ids, dtype=pl.String).unique(maintain_order=True)
        fresh = fresh.filter(~fresh.is_in(self.series.implode()))
        return Vocabulary(pl.concat([self.series, fresh]))
