from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from penchant.events.arrays import LogArrays
from penchant.events.fingerprint import fingerprint

LOG = LogArrays(
    item_index=np.array([2, 0, 2]),
    event_type=np.array([0, 0, 1]),
    value=np.array([np.nan, 1.5, 2.0], dtype=np.float32),
    time_ms=np.array([5, 9, 4]),
    part=np.array([0, 2, 0], dtype=np.int8),
    offsets=np.array([0, 2, 3]),
)
TABLE = pl.DataFrame({"item_id": ["a", "bc", None], "price": [1.0, None, 2.0]})


def test_a_fingerprint_is_the_same_on_every_machine():
    assert fingerprint(LOG, [TABLE, None], ["click"]) == (
        "d2d33484d5e1b319c70158f284adbb713f8349ed862797a7d49bbcb852e479c0"
    )


@pytest.mark.parametrize("name", ["item_index", "event_type", "value", "time_ms", "part"])
def test_one_changed_event_changes_the_fingerprint(name):
    changed = getattr(LOG, name).copy()
    changed[1] = 1 - changed[1]
    assert fingerprint(replace(LOG, **{name: changed}), [TABLE]) != fingerprint(LOG, [TABLE])


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"item_id": ["ab", "c", None], "price": [1.0, None, 2.0]}),
        pl.DataFrame({"item_id": ["a", "bc", ""], "price": [1.0, None, 2.0]}),
        pl.DataFrame({"item_id": ["a", "bc", None], "price": [1.0, 0.0, 2.0]}),
        pl.DataFrame({"item_id": ["a", "bc", None], "cost": [1.0, None, 2.0]}),
        None,
    ],
)
def test_another_table_changes_the_fingerprint(table):
    assert fingerprint(LOG, [table]) != fingerprint(LOG, [TABLE])


def test_the_width_of_numbers_in_memory_does_not_matter():
    narrow = replace(LOG, item_index=LOG.item_index.astype(np.int32))
    assert fingerprint(narrow, [TABLE]) == fingerprint(LOG, [TABLE])


def test_a_missing_value_is_missing_however_it_is_written():
    other_nan = LOG.value.copy()
    other_nan[0] = np.array([0x7FC00001], dtype=np.uint32).view(np.float32)[0]
    assert fingerprint(replace(LOG, value=other_nan), [TABLE]) == fingerprint(LOG, [TABLE])
