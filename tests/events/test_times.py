import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.events.times import (
    ISO_FORMATS,
    MAX_MS,
    MIN_MS,
    decide_form,
    form_of,
    formats_in,
    parse_iso,
    to_ms,
)

DAY_MS = 86_400_000


def parsed(*texts: str, formats: tuple[str, ...] = ISO_FORMATS) -> list[int | None]:
    return pl.DataFrame({"t": texts}).select(parse_iso(pl.col("t"), formats)).to_series().to_list()


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-02", DAY_MS),
        ("1970-01-02 00:01", DAY_MS + 60_000),
        ("1970-01-02T00:01", DAY_MS + 60_000),
        ("1970-01-02 00:00:01", DAY_MS + 1000),
        ("1970-01-02 00:00:01Z", DAY_MS + 1000),
        ("1970-01-02T00:00:01Z", DAY_MS + 1000),
        ("1970-01-02T00:01Z", DAY_MS + 60_000),
        ("1970-01-02 00:00:01.5", DAY_MS + 1500),
        ("1970-01-02T00:00:01.123456Z", DAY_MS + 1123),
        ("1970-01-02T01:00:00+01:00", DAY_MS),
        ("1970-01-02T01:00:00+0100", DAY_MS),
        ("1970-01-01T23:00:00-01", DAY_MS),
        ("1970-01-02 01:00:00 +0100", DAY_MS),
        ("1970-02-30", None),
        ("1970-01-02 25:00:00", None),
        ("70-01-02", None),
        ("2/1/1970", None),
        ("", None),
    ],
)
def test_iso_texts_are_read_and_nothing_else(text: str, time_ms: int | None) -> None:
    assert parsed(text) == [time_ms]


def test_formats_of_a_sample_are_the_cheapest_that_read_it() -> None:
    sample = pl.Series(["1970-01-02", None, "17", "soon", "1970-01-02 00:00:01"])
    assert formats_in(sample) == ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
    assert formats_in(pl.Series(["1", "2"])) == ()
    assert parsed("1970-01-02", formats=()) == [None]


@pytest.mark.parametrize(
    ("number", "form"),
    [
        (0.0, "any"), (-(10.0**8) + 1, "any"), (10.0**8, "s"), (10.0**11 - 1, "s"),
        (10.0**11, "ms"), (10.0**14, "us"), (10.0**17, "ns"), (None, None),
    ],
)  # fmt: skip
def test_form_follows_from_the_size_of_a_number(number: float | None, form: str | None) -> None:
    frame = pl.DataFrame({"n": [number], "t": [None]}, schema={"n": pl.Float64, "t": pl.Int64})
    assert frame.select(form_of(pl.col("n"), pl.col("t"))).item() == form


def test_most_frequent_form_is_taken_and_small_numbers_do_not_vote() -> None:
    assert decide_form({"any": 9, "ms": 2, "s": 1}) == "ms"
    assert decide_form({"any": 9}) == "s"
    assert decide_form({"iso": 2, "s": 2}) == "iso"


@given(st.integers(MIN_MS, MAX_MS), st.sampled_from(["s", "ms", "us"]))
def test_any_moment_comes_back_from_every_unit(time_ms: int, unit: str) -> None:
    number = {"s": time_ms / 1000, "ms": time_ms, "us": time_ms * 1000}[unit]
    frame = pl.DataFrame({"n": [number], "t": [None]}, schema={"n": pl.Float64, "t": pl.Int64})
    found = frame.select(to_ms(pl.col("n"), pl.col("t"), unit)).item()
    assert abs(found - time_ms) <= (1 if abs(number) > 2**53 else 0)


def test_times_outside_the_years_1000_to_9999_are_none() -> None:
    schema = {"n": pl.Float64, "t": pl.Int64}
    frame = pl.DataFrame({"n": [MIN_MS - 1.0, MAX_MS + 1.0], "t": [None, None]}, schema=schema)
    assert frame.select(to_ms(pl.col("n"), pl.col("t"), "ms")).to_series().to_list() == [None, None]
