"""Times of a log: numbers since 1970 in some unit, ISO 8601 texts, or typed times, as epoch ms.

A unit is guessed from the size of the numbers: before 10^11 seconds, before 10^14 milliseconds,
before 10^17 microseconds, beyond nanoseconds. Numbers before 10^8 (March 1973 in seconds) fit
every unit and do not vote. Texts without an offset are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from penchant.errors import InputError, UsageError

UNITS = ("auto", "s", "ms", "us")
FORMS = ("iso", "s", "ms", "us", "ns")
"""In what form a time can stand; the first wins where two are equally frequent."""

MIN_MS = -30_610_224_000_000
"""The year 1000."""
MAX_MS = 253_402_300_799_999
"""The end of the year 9999."""

_BOUNDS = {"any": 1e8, "s": 1e11, "ms": 1e14, "us": 1e17, "ns": float("inf")}
"""Below which size a number stands for a time in that unit."""

ISO_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f %#z",
    "%Y-%m-%dT%H:%M%#z",
)
"""Cheap ones first: a literal format is read eight times as fast as one with fractions."""


def check_unit(unit: str) -> str:
    """Return the unit if there is such a one.

    Raises
    ------
    UsageError
        Otherwise.
    """
    if unit not in UNITS:
        raise UsageError(
            f'--time-unit must be one of {", ".join(UNITS)}, not "{unit}".',
            "ISO 8601 texts and typed times need no unit.",
        )
    return unit


def parse_iso(column: pl.Expr, formats: tuple[str, ...] = ISO_FORMATS) -> pl.Expr:
    """Return epoch ms of ISO 8601 texts, null where none of the formats fits.

    Examples
    --------
    >>> texts = pl.Series("t", ["1970-01-01T00:00:01Z", "1970-01-01 02:00:00+02:00", "soon"])
    >>> texts.to_frame().select(parse_iso(pl.col("t"))).to_series().to_list()
    [1000, 0, None]
    """
    if not formats:
        return pl.lit(None, pl.Int64)
    tries = [
        column.str.to_datetime(
            name,
            strict=False,
            time_unit="ms",
            time_zone="UTC" if "%#z" in name else None,
            cache=False,
        ).dt.epoch("ms")
        for name in formats
    ]
    parsed = pl.coalesce(*tries)
    return pl.when(parsed.is_between(MIN_MS, MAX_MS)).then(parsed)


def formats_in(sample: pl.Series) -> tuple[str, ...]:
    """Return the formats, cheapest first, that the texts of a sample stand in."""
    left = sample.drop_nulls().str.strip_chars()
    left = left.filter(left.cast(pl.Float64, strict=False).is_null())
    found = []
    for name in ISO_FORMATS:
        if left.is_empty():
            break
        fits = left.to_frame("t").select(parse_iso(pl.col("t"), (name,)).is_not_null()).to_series()
        if fits.any():
            found.append(name)
            left = left.filter(~fits)
    return tuple(found)


def time_columns(
    column: pl.Expr, dtype: pl.DataType, formats: tuple[str, ...], source: str
) -> tuple[pl.Expr, pl.Expr]:
    """Return (number, epoch ms of texts and typed times) of a time column; one of both is null.

    Raises
    ------
    InputError
        When the column's type can hold no time.
    """
    if dtype.is_temporal() and not isinstance(dtype, (pl.Time, pl.Duration)):
        typed = column.cast(pl.Datetime("ms")) if dtype == pl.Date else column
        return pl.lit(None, pl.Float64), typed.dt.epoch("ms")
    if dtype.is_numeric():
        number = column.cast(pl.Float64)
        return pl.when(number.is_finite()).then(number), pl.lit(None, pl.Int64)
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        text = column.cast(pl.String).str.strip_chars()
        number = text.cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number), parse_iso(text, formats)
    raise InputError(
        f"{source}: the time column holds {dtype}, which is no time.",
        "Times are numbers since 1970, ISO 8601 texts, or datetimes.",
    )


def form_of(number: pl.Expr, text_ms: pl.Expr) -> pl.Expr:
    """Return the form of each time (`iso`, `s`, …); `any` for small numbers, null for no time."""
    size = number.abs()
    form = pl.lit(None, pl.String)
    for unit, high in reversed(_BOUNDS.items()):
        form = pl.when(size < high).then(pl.lit(unit)).otherwise(form)
    return pl.when(text_ms.is_not_null()).then(pl.lit("iso")).otherwise(form)


def decide_form(counts: Mapping[str, int]) -> str:
    """Return the form that most times stand in; seconds where all numbers are small.

    Examples
    --------
    >>> decide_form({"s": 3, "ms": 40, "any": 100})
    'ms'
    """
    best = max(FORMS, key=lambda form: counts.get(form, 0))
    return best if counts.get(best, 0) else "s"


def to_ms(number: pl.Expr, text_ms: pl.Expr, unit: str) -> pl.Expr:
    """Return epoch ms given the unit of the numbers; null outside the years 1000 to 9999."""
    per_ms = {"ms": 1.0, "us": 1e3, "ns": 1e6}
    scaled = (number / per_ms[unit]).floor() if unit in per_ms else (number * 1000).round()
    inside = pl.when(scaled.is_between(MIN_MS, MAX_MS)).then(scaled)
    return pl.coalesce(text_ms, inside.cast(pl.Int64, strict=False))
