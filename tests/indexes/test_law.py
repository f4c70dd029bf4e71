"""Every kind of index obeys the laws of indexes."""

from __future__ import annotations

from functools import partial

import pytest

from penchant.indexes import ApproximateIndex, AutoIndex, ExactIndex, indexes
from penchant.testing import check_index

pytest.importorskip("faiss")

MEMBERS = {
    "exact in float32": ExactIndex,
    "exact in int8": partial(ExactIndex, precision="int8"),
    "approximate": ApproximateIndex,
    "approximate, filters by the lists": partial(ApproximateIndex, exact_rows=5),
    "approximate, few lists": partial(ApproximateIndex, exact_rows=5, least_recall=0.6),
    "auto": AutoIndex,
    "auto that cannot be fast enough": partial(AutoIndex, budget_ms=1e-9),
}


@pytest.mark.parametrize("name", list(MEMBERS))
def test_every_index_obeys_the_laws(name: str) -> None:
    check_index(MEMBERS[name])


def test_the_room_has_three_kinds() -> None:
    assert list(indexes) == ["approximate", "auto", "exact"]
