"""One number for the contents of prepared data, the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import numpy as np
import polars as pl

from penchant.events.arrays import LogArrays


def fingerprint(
    log: LogArrays, tables: Iterable[pl.DataFrame | None], names: Iterable[str] = ()
) -> str:
    """Return the SHA-256 of the events, the tables of users and items, and the names of types.

    Notes
    -----
    Source, notes and version do not count: the same events prepared twice are the same data.

    Examples
    --------
    >>> log = LogArrays(*(np.arange(3) for _ in range(5)), offsets=np.array([0, 3]))
    >>> same = fingerprint(log, [pl.DataFrame({"item_id": ["a", "b", "c"]})])
    >>> same == fingerprint(log, [pl.DataFrame({"item_id": ["a", "b", "x"]})])
    False
    """
    digest = hashlib.sha256()
    for name, dtype in _DTYPES.items():
        array = np.ascontiguousarray(getattr(log, name), dtype=dtype)
        if name == "value":  # NaN has many spellings in bits
            array = np.where(np.isnan(array), np.float32("nan"), array).astype(dtype)
        digest.update(f"{name} {len(array)}\n".encode())
        digest.update(array.data)
    for table in tables:
        digest.update(b"table\n")
        for column in [] if table is None else table.get_columns():
            digest.update(f"{column.name} {column.dtype} {len(column)}\n".encode())
            digest.update(_bytes_of(column))
    digest.update(json.dumps(list(names)).encode())
    return digest.hexdigest()


_DTYPES = {
    "item_index": "<i8",
    "event_type": "<i8",
    "value": "<f4",
    "time_ms": "<i8",
    "part": "i1",
    "offsets": "<i8",
}


def _bytes_of(column: pl.Series) -> bytes:
    if column.dtype == pl.String:  # ids: many, and in need of no JSON
        known = column.fill_null("")
        lengths = known.str.len_bytes().to_numpy().astype("<i8")
        nulls = column.is_null().to_numpy().tobytes()
        return nulls + lengths.tobytes() + "".join(known).encode()
    return json.dumps(column.to_list(), default=str).encode()
