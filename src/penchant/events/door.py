"""The door: every row of a log is looked at once; bad ones are refused by name or dropped.

One streaming pass counts each kind of fault and remembers its first row. Nothing is sorted and
nothing but the counts is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from penchant.errors import InputError
from penchant.events.columns import CANONICAL, EventFrame, ReadRecord
from penchant.events.draft import NUMBER, RAW_POSITION, RAW_VALUE, TEXT_MS, TIME, Draft
from penchant.events.readers import ROW
from penchant.events.times import FORMS, ISO_FORMATS, decide_form, form_of, to_ms

FAULTS: Mapping[str, str] = {
    "missing_user_id": "user_id is empty",
    "missing_item_id": "item_id is empty",
    "missing_time": "timestamp is empty",
    "unparsable_time": "timestamp is {}, neither a number nor an ISO 8601 time (years 1000-9999)",
    "mixed_time_units": "timestamp is {}, in another unit than most of the file",
    "bad_value": "value is {}, not a finite number (up to 3e38)",
    "missing_position": "position is empty",
    "bad_position": "position is {}, not a whole number",
}
"""Each kind of bad row and what is said of it; `{}` is the value found."""

FORM_NAMES = {
    "iso": "ISO 8601 texts",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
_FORM = "__form"


@dataclass(frozen=True)
class Fault:
    """How many rows have a fault, and the number of the first (None where there is none)."""

    count: int
    first_row: int | None


@dataclass(frozen=True)
class Survey:
    """What one pass over a draft found.

    Parameters
    ----------
    draft
        What was looked at; its time formats fit the log.
    num_rows
        Rows, bad ones included.
    num_bad_rows
        Rows with at least one fault.
    form
        In what the times stand (`iso`, `s`, …), `none` without a time column.
    faults
        By code, all kinds of `FAULTS`.
    form_counts
        Times by form; `any` are numbers too small to tell.
    """

    draft: Draft
    num_rows: int
    num_bad_rows: int
    form: str
    faults: Mapping[str, Fault]
    form_counts: Mapping[str, int]

    @property
    def time_ms(self) -> pl.Expr:
        """The time of a row in epoch ms, null where it has none."""
        return to_ms(pl.col(NUMBER), pl.col(TEXT_MS), self.form)

    @property
    def bad(self) -> pl.Expr:
        """Whether a row has a fault."""
        flags = _flags(self.draft) | {"mixed_time_units": _mixed(self.draft, self.form)}
        return pl.any_horizontal(flags.values()).fill_null(False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed in reading, one sentence each."""
        draft, notes = self.draft, list(self.draft.notes)
        if self.form not in ("none", "iso") and draft.options.time_unit == "auto":
            notes.append(f"Times were taken for {FORM_NAMES[self.form]}.")
        return tuple(notes)


def survey(draft: Draft) -> Survey:
    """Count the faults of a draft in one streaming pass (two where rare time formats turn up)."""
    found = _count(draft)
    if found.faults["unparsable_time"].count:
        found = _count(draft.with_formats(ISO_FORMATS))
    return found


def _count(draft: Draft) -> Survey:
    flags = _flags(draft)
    base_bad = pl.any_horizontal(flags.values()).fill_null(False)
    forms = [*FORMS, "any"]
    queries = [pl.len().alias("num_rows"), base_bad.sum().alias("num_bad")]
    for code, flag in flags.items():
        queries += _count_and_first(flag, code)
    for form in forms:
        is_form = pl.col(_FORM) == form
        queries += _count_and_first(is_form, form)
        queries.append((is_form & ~base_bad).sum().alias(f"{form}_good"))
    kept = [name for name in draft.frame.collect_schema() if not name.startswith("__")]
    # Every column is decoded here, so that a damaged file is found at the door.
    queries += [pl.col(name).null_count().alias(f"{name}_nulls") for name in kept]
    frame = draft.frame.with_columns(form_of(pl.col(NUMBER), pl.col(TEXT_MS)).alias(_FORM))
    row = draft.raw.collect(frame.select(queries)).row(0, named=True)
    return _conclude(draft, row, forms)


def _count_and_first(flag: pl.Expr, name: str) -> list[pl.Expr]:
    return [
        flag.sum().alias(f"{name}_count"),
        pl.col(ROW).filter(flag).min().alias(f"{name}_first"),
    ]


def _conclude(draft: Draft, row: Mapping[str, Any], forms: list[str]) -> Survey:
    counts = {form: row[f"{form}_count"] for form in forms}
    form = _form(draft, counts)
    others = [other for other in forms if other in _other_forms(draft, form)]
    faults = {code: Fault(0, None) for code in FAULTS}
    for code in _flags(draft):
        faults[code] = Fault(row[f"{code}_count"], row[f"{code}_first"])
    firsts = [row[f"{other}_first"] for other in others if row[f"{other}_first"] is not None]
    faults["mixed_time_units"] = Fault(sum(counts[o] for o in others), min(firsts, default=None))
    num_bad = row["num_bad"] + sum(row[f"{other}_good"] for other in others)
    return Survey(draft, row["num_rows"], num_bad, form, faults, counts)


def _form(draft: Draft, counts: Mapping[str, int]) -> str:
    if not draft.has_times:
        return "none"
    unit = draft.options.time_unit
    if unit == "auto":
        return decide_form(counts)
    return unit if sum(counts.values()) > counts["iso"] else "iso"


def _other_forms(draft: Draft, form: str) -> tuple[str, ...]:
    """Return the forms that are a fault where most times stand in `form`."""
    if not draft.has_times or draft.options.time_unit != "auto":
        return ()
    others = tuple(other for other in FORMS if other != form)
    return (*others, "any") if form == "iso" else others


def _flags(draft: Draft) -> dict[str, pl.Expr]:
    """Return each kind of fault that a row can have by itself."""
    number, text_ms = pl.col(NUMBER), pl.col(TEXT_MS)
    flags = {
        "missing_user_id": pl.col("user_id").is_null(),
        "missing_item_id": pl.col("item_id").is_null(),
        "bad_value": _does_not_parse(draft, "value", RAW_VALUE),
    }
    if draft.orders_by_time:
        unit = draft.options.time_unit
        ms = to_ms(number, text_ms, unit) if unit != "auto" else _rough_ms(number, text_ms)
        flags["missing_time"] = _is_missing(draft, "timestamp", TIME)
        flags["unparsable_time"] = ms.is_null() & ~flags["missing_time"]
    else:
        flags["missing_position"] = pl.col(RAW_POSITION).is_null()
        flags["bad_position"] = _does_not_parse(draft, "position", RAW_POSITION)
    return flags


def _rough_ms(number: pl.Expr, text_ms: pl.Expr) -> pl.Expr:
    """Return the time where each number is read in the unit of its own size."""
    form = form_of(number, text_ms)
    groups = ((["iso", "any", "s"], "s"), (["ms"], "ms"), (["us"], "us"), (["ns"], "ns"))
    return pl.coalesce(
        pl.when(form.is_in(forms)).then(to_ms(number, text_ms, unit)) for forms, unit in groups
    )


def _is_missing(draft: Draft, role: str, column: str) -> pl.Expr:
    dtype = draft.raw.frame.collect_schema()[draft.naming.roles[role]]
    missing = pl.col(column).is_null()
    return missing | pl.col(column).is_nan() if dtype.is_float() else missing


def _does_not_parse(draft: Draft, role: str, column: str) -> pl.Expr:
    if role not in draft.naming.roles:
        return pl.lit(False)
    return pl.col(role).is_null() & ~_is_missing(draft, role, column)


def _mixed(draft: Draft, form: str) -> pl.Expr:
    others = _other_forms(draft, form)
    return form_of(pl.col(NUMBER), pl.col(TEXT_MS)).is_in(others).fill_null(False)


def admit(survey: Survey) -> EventFrame:
    """Refuse a log with bad rows or leave them out, as asked, and name its columns as canonical.

    Raises
    ------
    InputError
        When there are bad rows and they are to be refused, or no good ones.
    """
    draft, num_bad = survey.draft, survey.num_bad_rows
    if survey.num_rows == 0:
        raise InputError(f"{draft.raw.source} has columns but no rows.", "It must hold events.")
    if num_bad and draft.options.on_bad_rows == "refuse":
        raise refusal(survey)
    if num_bad == survey.num_rows:
        raise InputError(
            f"{draft.raw.source} has no good row: {_count_by_code(survey)}.",
            "Look at them with penchant validate.",
        )
    dropped = (
        (
            f"{num_bad:,} of {survey.num_rows:,} rows were bad and left out: "
            f"{_count_by_code(survey)}.",
        )
        if num_bad
        else ()
    )
    record = ReadRecord(
        num_rows=survey.num_rows,
        num_filtered_rows=draft.num_filtered_rows,
        num_dropped_rows=num_bad,
        dropped={code: fault.count for code, fault in survey.faults.items() if fault.count},
        time_unit=_told_form(survey),
        where=draft.options.where,
    )
    return EventFrame(
        _canonical(survey),
        source=draft.raw.source,
        order_by=draft.options.order_by,
        notes=(*survey.notes, *dropped),
        record=record,
        resources=draft.raw.resources,
    )


def refusal(survey: Survey) -> InputError:
    """Return the error that names the first bad row and counts all."""
    firsts = [(f.first_row, code) for code, f in survey.faults.items() if f.first_row is not None]
    row, code = min(firsts)
    draft = survey.draft
    what = FAULTS[code].format(found_value(draft, code, row))
    names = {role: column for role, column in draft.naming.roles.items() if role in what}
    for role, column in names.items():
        what = what.replace(role, column, 1)
    verb = "is" if survey.num_bad_rows == 1 else "are"
    return InputError(
        f"{draft.raw.place(row)}: {what}. {survey.num_bad_rows:,} of {survey.num_rows:,} rows "
        f"{verb} bad.",
        _hint(survey, code),
    )


def _hint(survey: Survey, code: str) -> str:
    if code == "mixed_time_units":
        unit = "s" if survey.form == "iso" else survey.form
        return (
            f"Most times are {FORM_NAMES[survey.form]}. If all numbers are in one unit, give "
            f"--time-unit {unit}; otherwise mend the rows or give --on-bad-rows drop."
        )
    return "Mend the rows, or leave them out with --on-bad-rows drop."


def found_value(draft: Draft, code: str, row: int) -> str:
    """Return what stands in the column that a fault is about, quoted."""
    role = "timestamp" if "time" in code else code.partition("_")[2]
    column = draft.naming.roles.get(role)
    if column is None:
        return "null"
    frame = draft.raw.frame.filter(pl.col(ROW) == row).select(column)
    value = draft.raw.collect(frame).item()
    text = str(value)
    return f'"{text[:40]}{"…" * (len(text) > 40)}"' if isinstance(value, str) else text[:40]


def _count_by_code(survey: Survey) -> str:
    counts = [f"{code} {fault.count:,}" for code, fault in survey.faults.items() if fault.count]
    return ", ".join(counts)


def _told_form(survey: Survey) -> str:
    return "datetime" if survey.form == "iso" and _is_typed(survey.draft) else survey.form


def _is_typed(draft: Draft) -> bool:
    return draft.raw.frame.collect_schema()[draft.naming.roles["timestamp"]].is_temporal()


def _canonical(survey: Survey) -> pl.LazyFrame:
    frame = survey.draft.frame
    if survey.num_bad_rows:
        frame = frame.filter(~survey.bad)
    time = survey.time_ms if survey.draft.has_times else pl.lit(None, pl.Int64)
    named = frame.with_columns(time.alias("time_ms"), pl.col(ROW).alias("order"))
    return named.select(*CANONICAL, *survey.draft.naming.context)
