"""What an index cannot take is refused with figures."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import ConfigError, InputError, ShapeError
from penchant.indexes import ApproximateIndex, AutoIndex, ExactIndex

VECTORS = np.array([[1.0, 0.0, 2.0], [0.5, 1.0, -1.0]])


@pytest.mark.parametrize(
    ("vectors", "bias", "kind", "told"),
    [
        ([1.0, 2.0], None, ShapeError, r"a table \(n, D\) but have shape \(2,\)"),
        (VECTORS, [1.0], ShapeError, r"one bias per vector \(2\) but their shape is \(1,\)"),
        ([[1.0, np.nan, 1.0]], None, InputError, "finite but row 0 holds nan"),
        ([[1.0, 2.0], [0.0, -np.inf]], None, InputError, "finite but row 1 holds -inf"),
        (VECTORS, [0.0, np.nan], InputError, "that of row 1 is nan"),
        (VECTORS, [np.inf, 0.0], InputError, "that of row 0 is inf"),
    ],
)
def test_tables_that_are_none_are_refused(vectors, bias, kind, told) -> None:
    with pytest.raises(kind, match=told):
        ExactIndex(vectors, bias)


@pytest.mark.parametrize(
    ("asked", "kind", "told"),
    [
        ({"queries": [[1.0, 2.0]], "k": 3}, ShapeError, r"\(B, 3\).* but their shape is \(1, 2\)"),
        ({"queries": np.zeros((2, 0, 3)), "k": 3}, ShapeError, r"shape is \(2, 0, 3\)"),
        ({"queries": VECTORS, "k": 0}, InputError, "k must be a whole number from 1 on but is 0"),
        ({"queries": VECTORS, "k": True}, InputError, "but is True"),
        ({"queries": [VECTORS[0], [0.0, np.nan, 1.0]], "k": 1}, InputError, "of user 1 holds nan"),
        ({"queries": VECTORS, "k": 1, "excluded": [[1]]}, ShapeError, r"per user \(2\) .* are 1"),
        ({"queries": VECTORS, "k": 1, "allowed": [0.5]}, InputError, "float64 of shape"),
    ],
)
def test_questions_that_are_none_are_refused(asked, kind, told) -> None:
    with pytest.raises(kind, match=told):
        ExactIndex(VECTORS).search(**asked)


@pytest.mark.parametrize(
    ("items", "vectors", "kind", "told"),
    [
        ([-1], VECTORS[:1], InputError, "from 0 to 2,147,483,646 but one is -1"),
        ([2**31], VECTORS[:1], InputError, "one is 2,147,483,648"),
        ([0.5], VECTORS[:1], InputError, "whole numbers but are float64"),
        ([2], VECTORS, ShapeError, r"one vector per item \(1\) but there are 2"),
        ([2], VECTORS[:1, :2], ShapeError, r"width of the index \(3\) but have 2"),
    ],
)
def test_changes_that_are_none_are_refused(items, vectors, kind, told) -> None:
    index = ExactIndex(VECTORS)
    with pytest.raises(kind, match=told):
        index.put(items, vectors)
    assert index.num_items == 2


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"least_recall must be from 0 to 1 but is 1\.5"):
        ApproximateIndex(VECTORS, least_recall=1.5)
    with pytest.raises(ConfigError, match=r"budget_ms must be above 0 but is 0"):
        AutoIndex(VECTORS, budget_ms=0)
    with pytest.raises(ShapeError, match=r"sample queries must be .* but their shape is \(1, 2\)"):
        AutoIndex(VECTORS, queries=[[1.0, 2.0]]).wait()
