"""A log whose columns have their names and types, but whose faults are still in it.

Both the door (`door.py`) and the validation read this form. It is lazy; a value that does not
parse is null in the typed column and still there in the raw one beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from penchant.errors import InputError, UsageError
from penchant.events.columns import DEFAULT_EVENT_TYPE
from penchant.events.naming import Naming, parse_columns, resolve
from penchant.events.readers import ROW, RawTable, open_table
from penchant.events.times import ISO_FORMATS, check_unit, formats_in, time_columns

TIME, NUMBER, TEXT_MS = "__time", "__number", "__text_ms"
RAW_VALUE, RAW_POSITION = "__value", "__position"
SAMPLE_ROWS = 10_000


@dataclass(frozen=True)
class ReadOptions:
    """How a log is read; see `EventLog.read`.

    Parameters
    ----------
    columns
        `user_id=UID,timestamp=ts` or a dict; maps canonical names to those of the source.
    delimiter
        Of text files; None sniffs it.
    header
        False where text files have no header; their columns are then called 0, 1, …
    time_unit
        `auto`, `s`, `ms` or `us`.
    order_by
        `timestamp` or `position`.
    where
        SQL expression over the columns of the source; rows for which it is not true are left out.
    on_bad_rows
        `refuse` or `drop`.
    """

    columns: str | Mapping[str, str | int] | None = None
    delimiter: str | None = None
    header: bool = True
    time_unit: str = "auto"
    order_by: str = "timestamp"
    where: str | None = None
    on_bad_rows: str = "refuse"

    def __post_init__(self) -> None:
        check_unit(self.time_unit)
        _check_choice("--order-by", self.order_by, ("timestamp", "position"))
        _check_choice("--on-bad-rows", self.on_bad_rows, ("refuse", "drop"))


def _check_choice(option: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise UsageError(f'{option} must be {" or ".join(known)}, not "{found}".')


@dataclass(frozen=True)
class Draft:
    """Rows with canonical names, typed where they parse.

    Parameters
    ----------
    raw
        The source, rows that `where` leaves out already gone.
    frame
        Lazy: `ROW`, canonical columns but `time_ms` and `order`, context, and raw values.
    naming
        Which column plays which role.
    options
        How it is read; `order_by` is what really orders the log.
    num_filtered_rows
        Rows left out by `where`.
    notes
        What was guessed, one sentence each.
    """

    raw: RawTable
    frame: pl.LazyFrame
    naming: Naming
    options: ReadOptions
    num_filtered_rows: int
    notes: tuple[str, ...]

    @property
    def has_times(self) -> bool:
        """Whether there is a time column."""
        return "timestamp" in self.naming.roles

    @property
    def orders_by_time(self) -> bool:
        """Whether a row without a time is a bad row."""
        return self.options.order_by == "timestamp"

    def with_formats(self, formats: tuple[str, ...]) -> Draft:
        """Return the draft with times parsed by other formats."""
        return replace(self, frame=_typed(self.raw, self.naming, formats))


def draft(source: Any, options: ReadOptions) -> Draft:
    """Open a source and give its columns their names and types.

    Raises
    ------
    InputError
        When the source is broken or a column is missing.
    """
    raw = open_table(source, options.delimiter, options.header)
    given = parse_columns(options.columns)
    naming = resolve(raw.names, given, raw.aliases, options.order_by, raw.source)
    notes = [*raw.notes, *naming.notes]
    if options.order_by == "timestamp" and "timestamp" not in naming.roles:
        options = replace(options, order_by="position")
        notes.append("There is no timestamp; events are ordered by position.")
    raw, num_filtered = _keep_where(raw, options.where)
    frame = _typed(raw, naming, _sampled_formats(raw, naming))
    return Draft(raw, frame, naming, options, num_filtered, tuple(notes))


def _sampled_formats(raw: RawTable, naming: Naming) -> tuple[str, ...]:
    column = naming.roles.get("timestamp")
    if column is None or raw.frame.collect_schema()[column] != pl.String:
        return ISO_FORMATS
    sample = raw.collect(raw.frame.select(pl.col(column)).head(SAMPLE_ROWS))
    return formats_in(sample.to_series())


def _typed(raw: RawTable, naming: Naming, formats: tuple[str, ...]) -> pl.LazyFrame:
    schema = raw.frame.collect_schema()
    roles = naming.roles
    columns = [pl.col(ROW), _id(roles.get("event_type"), schema, raw.source).alias("event_type")]
    columns[-1] = columns[-1].fill_null(DEFAULT_EVENT_TYPE)
    ids = ("user_id", "item_id", "event_id", "session_id")
    columns += [_id(roles.get(role), schema, raw.source).alias(role) for role in ids]
    for role, dtype, kept in (
        ("value", pl.Float64, RAW_VALUE),
        ("position", pl.Int64, RAW_POSITION),
    ):
        value = _stripped(roles.get(role), schema)
        columns += [value.alias(kept), _number(value, dtype).alias(role)]
    time = _stripped(roles.get("timestamp"), schema)
    time_dtype = schema[roles["timestamp"]] if "timestamp" in roles else pl.Null()
    number, text_ms = time_columns(time, time_dtype, formats, raw.source)
    columns += [time.alias(TIME), number.alias(NUMBER), text_ms.alias(TEXT_MS)]
    columns += [pl.col(column).alias(name) for name, column in naming.context.items()]
    return raw.frame.select(columns)


def _id(column: str | None, schema: pl.Schema, source: str) -> pl.Expr:
    """Return an id as text; whole floats (a column of ints with gaps) lose their `.0`."""
    if column is None:
        return pl.lit(None, pl.String)
    dtype, value = schema[column], pl.col(column)
    if dtype.is_nested() or dtype == pl.Object:
        raise InputError(
            f"{source}: column {column} holds {dtype}; an id must be a text or a number.",
            "Choose another column with --columns.",
        )
    if dtype.is_float():
        whole = value.cast(pl.Int64, strict=False)
        is_whole = whole.cast(dtype) == value
        text = pl.when(is_whole).then(whole.cast(pl.String)).otherwise(value.cast(pl.String))
        return pl.when(value.is_not_nan()).then(text)
    if dtype.is_integer() or dtype == pl.Boolean:
        return value.cast(pl.String)
    texts = value.cast(pl.String, strict=False)  # bytes may be no text
    return pl.when(texts.str.strip_chars() != "").then(texts)


def _stripped(column: str | None, schema: pl.Schema) -> pl.Expr:
    if column is None:
        return pl.lit(None)
    if schema[column] != pl.String:
        return pl.col(column)
    text = pl.col(column).str.strip_chars()
    return pl.when(text != "").then(text)


def _number(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Return finite numbers of that type, null for everything else; values fit 32 bits later."""
    number = value.cast(pl.Float64, strict=False)
    finite = pl.when(number.cast(pl.Float32, strict=False).is_finite()).then(number)
    if dtype == pl.Float64:
        return finite
    return pl.when(finite.floor() == finite).then(finite).cast(dtype, strict=False)


def _keep_where(raw: RawTable, where: str | None) -> tuple[RawTable, int]:
    if where is None:
        return raw, 0
    try:
        condition = pl.sql_expr(where)
        used = [name for name in condition.meta.root_names() if name in raw.names]
        kept = _filtered(raw, condition, used)
        before = raw.collect(raw.frame.select(pl.len())).item()
        after = kept.select(pl.len()).collect(engine="streaming").item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError) as error:
        reason = str(error).strip().split("\n")[0].split(";")[0]
        raise InputError(
            f"--where {where!r} cannot be applied to {raw.source}: {reason}.",
            f'Columns: {", ".join(raw.names[:12])}. Write SQL, such as "value >= 4".',
        ) from None
    if not after:
        raise InputError(
            f"--where {where!r} leaves none of the {before:,} rows of {raw.source}.",
            "Loosen the condition.",
        )
    return replace(raw, frame=kept), before - after


def _filtered(raw: RawTable, condition: pl.Expr, used: list[str]) -> pl.LazyFrame:
    """Filter; texts that look like numbers are compared as numbers, and stay texts after it."""
    schema = raw.frame.collect_schema()
    texts = [name for name in used if schema[name] == pl.String]
    sample = raw.collect(raw.frame.select(pl.col(n) for n in texts).head(SAMPLE_ROWS))
    numeric = [
        name
        for name in texts
        if sample[name].cast(pl.Float64, strict=False).null_count() == sample[name].null_count()
    ]
    if not numeric:
        return raw.frame.filter(condition)
    saved = {name: f"__text_{name}" for name in numeric}
    typed = raw.frame.with_columns(pl.col(name).alias(text) for name, text in saved.items())
    typed = typed.with_columns(pl.col(name).cast(pl.Float64, strict=False) for name in numeric)
    kept = typed.filter(condition)
    return kept.with_columns(pl.col(text).alias(n) for n, text in saved.items()).drop(
        list(saved.values())
    )
