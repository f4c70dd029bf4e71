"""One reading of a value for items and filters."""

import datetime as dt
import math
import re

import numpy as np
import pytest

from penchant.policies.values import epoch_ms, members_of, number_of, time_of


@pytest.mark.parametrize(
    ("value", "number"),
    [("12.50", 12.5), ("-3", -3), ("1e3", 1000), (np.float32(0.5), 0.5), (7, 7)],
)
def test_numbers_as_text_are_numbers(value, number):
    assert number_of(value) == number


@pytest.mark.parametrize("value", ["00501", "1,5", "", "nan", "1e999", "0x1f", True, None, [3]])
def test_codes_truths_and_the_rest_are_no_numbers(value):
    assert math.isnan(number_of(value))


def test_times_without_offset_are_utc():
    assert time_of("1970-01-01T01:00:00") == time_of("1970-01-01 03:00+02:00") == 3_600_000
    assert math.isnan(time_of("1970-13-01"))
    assert math.isnan(time_of("2026-05-01 soon"))


def test_a_number_is_a_time_in_the_unit_that_its_size_suggests():
    seconds = 1_700_000_000
    given = np.array([seconds, seconds * 1e3, seconds * 1e6, seconds * 1e9])
    assert epoch_ms(given).tolist() == pytest.approx([seconds * 1e3] * 4)


def test_members_are_read_once_each_and_empty_ones_left_out():
    bar = re.compile(r"\|")
    assert members_of(["War", " War ", None, "", "Drama|Noir"], bar) == (
        ["War", "Drama", "Noir"],
        True,
    )
    assert members_of("War", bar) == (["War"], False)
    assert members_of(float("nan"), None) == ([], False)
    assert members_of(dt.date(2026, 5, 1), None) == (["2026-05-01"], False)
    assert members_of(np.array([2, 3]), None) == ([2.0, 3.0], True)
    assert members_of(False, None) == (["false"], False)
