"""Rough scores in bytes are within the bound that they state."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.indexes.int8_scan import GREATEST_CODE, SAFE_CODE, Int8Scan, greatest_code
from penchant.indexes.rows import Block

from .worlds import clustered


@pytest.mark.parametrize("greatest", [GREATEST_CODE, SAFE_CODE])
@pytest.mark.parametrize("width", [3, 13, 64])
def test_no_score_is_further_off_than_the_bound(monkeypatch, greatest, width) -> None:
    monkeypatch.setattr("penchant.indexes.int8_scan.greatest_code", lambda: greatest)
    vectors, bias, queries = clustered(700, width)
    vectors[5] = 0
    scan = Int8Scan(Block(vectors, bias, np.arange(700, dtype=np.int32)))
    found, bound = scan.scores(queries.reshape(30, 2, width))
    exact = np.einsum("bkd,id->bki", queries.reshape(30, 2, width).astype(float), vectors).max(1)
    error = np.abs(found - exact).max(1)
    assert (error <= bound).all()
    # The rests are at most half a step a number, of the longest vector and query.
    assert (bound < 3 * width**0.5 / greatest * 30).all()
    assert (error > 0).all()


def test_a_query_of_zeros_scores_zero() -> None:
    vectors, bias, _ = clustered(40, 5)
    found, bound = Int8Scan(Block(vectors, bias, np.arange(40, dtype=np.int32))).scores(
        np.zeros((1, 1, 5), np.float32)
    )
    assert not found.any()
    assert bound.tolist() == [0.0]


def test_bytes_are_multiplied_exactly_on_this_machine() -> None:
    assert greatest_code() in (GREATEST_CODE, SAFE_CODE)


def test_a_processor_that_clips_gets_smaller_codes(monkeypatch) -> None:
    """As those do that add two products of bytes in 16 bits."""
    from penchant.indexes import int8_scan

    exact = int8_scan.torch._int_mm
    monkeypatch.setattr(
        int8_scan.torch, "_int_mm", lambda left, right: exact(left, right).clamp(-400_000, 400_000)
    )
    assert greatest_code.__wrapped__() == SAFE_CODE  # 64 · 127² clips, 64 · 63² does not
