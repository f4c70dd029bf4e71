"""What is odd in a log: each finding with a count, an example row, and what to do about it.

Bad rows do not stop it. It reads the log a few times in pieces and keeps 48 bytes a row (hashes
of ids, times); no row is kept whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from penchant.events.cleaning import duplicate_rows
from penchant.events.columns import sort_keys_of
from penchant.events.door import FAULTS, FORM_NAMES, Survey
from penchant.events.findings import SEVERITIES, Finding, Severity, ValidationReport
from penchant.events.graph_findings import graph_findings
from penchant.events.readers import ROW, RawTable
from penchant.events.tables import Table
from penchant.events.triples import Triples

NULL_WORDS = ("null", "none", "nan", "na", "n/a", "nil", "undefined", "\\n", "-")
"""Texts that mostly stand for a missing id; compared in lower case."""

MIN_BUSY_EVENTS = 500
TIES_WARNING_SHARE = 0.1


@dataclass(frozen=True)
class _Case:
    """A finding whose example is still the number of a row."""

    code: str
    severity: Severity
    message: str
    count: int
    out_of: int
    row: int | None
    advice: str
    more: Mapping[str, Any] | None = None


def validate_survey(
    found: Survey, tables: Sequence[Table], now_ms: int, triples: Triples | None = None
) -> ValidationReport:
    """Report on a log that the door has looked at.

    Parameters
    ----------
    found
        What the door counted.
    tables
        Items and users.
    now_ms
        The clock.
    triples
        A graph of the items.
    """
    events = _collect_events(found)
    cases = [
        *_fault_cases(found),
        *_row_cases(found, tables, now_ms),
        *_duplicate_cases(found, events),
        *_user_cases(events),
        *_order_cases(found, events),
    ]
    cases = [case for case in cases if case.count]
    examples = _examples(found, [case.row for case in cases if case.row is not None])
    findings = [_finding(found, case, examples) for case in cases]
    links = [triples.links] if triples is not None and triples.links is not None else []
    findings += [finding for table in (*tables, *links) for finding in _table_findings(table)]
    if triples is not None:
        findings += graph_findings(triples, _item_ids(found))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return ValidationReport(
        found.draft.raw.source,
        found.num_rows,
        found.num_bad_rows,
        events["user"].n_unique(),
        events["item"].n_unique(),
        tuple(findings),
        found.notes,
    )


def _fault_cases(found: Survey) -> list[_Case]:
    """Return what the door counts as bad rows."""
    if found.num_rows == 0:
        advice = "A log must hold events."
        return [_Case("no_rows", "error", "There are columns but no rows.", 1, 1, None, advice)]
    drop = "Mend them, or leave them out with --on-bad-rows drop."
    mixed = f"Most times are {FORM_NAMES.get(found.form, '')}. {drop}"
    cases = []
    for code, fault in found.faults.items():
        what = FAULTS[code].format("something else").replace("something else and ", "")
        advice = mixed if code == "mixed_time_units" else drop
        cases.append(
            _Case(code, "error", f"{what}.", fault.count, found.num_rows, fault.first_row, advice)
        )
    return cases


def _row_cases(found: Survey, tables: Sequence[Table], now_ms: int) -> list[_Case]:
    """Return what a row shows by itself; counted in one pass."""
    likely = "Leave them out with --where if they mean a missing id."
    flags = {
        f"null_word_{key}": (
            pl.col(key).str.strip_chars().str.to_lowercase().is_in(NULL_WORDS),
            f"The {key} is a word that mostly means nothing, such as null.",
            likely,
        )
        for key in ("user_id", "item_id")
    }
    flags["future_time"] = (
        found.time_ms > now_ms,
        "The time is later than now.",
        "Check --time-unit and the clock that wrote them; a split by time would test on these.",
    )
    for table in tables:
        kind = table.key.removesuffix("_id")
        flags[f"unknown_{kind}"] = (
            ~pl.col(table.key).is_in(table.frame[table.key].implode()),
            f"The {kind} is not in {table.raw.source}.",
            f"Add the {kind}s to the table; without a row they have no attributes.",
        )
    queries = [flag.sum().alias(f"{code}_count") for code, (flag, *_) in flags.items()]
    queries += [
        pl.col(ROW).filter(flag).min().alias(f"{code}_row") for code, (flag, *_) in flags.items()
    ]
    row = found.draft.raw.collect(found.draft.frame.select(queries)).row(0, named=True)
    return [
        _Case(code, "warning", what, row[f"{code}_count"], found.num_rows, row[f"{code}_row"], do)
        for code, (_, what, do) in flags.items()
    ]


def _collect_events(found: Survey) -> pl.DataFrame:
    """Return the good rows as numbers: hashes of ids, time, position, row number."""
    time = found.time_ms if found.draft.has_times else pl.lit(None, pl.Int64)
    hashed = (("user_id", "user"), ("item_id", "item"), ("event_id", "event"))
    columns = [
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash()).alias(short)
        for name, short in hashed
    ]
    good = found.draft.frame.filter(~found.bad) if found.num_bad_rows else found.draft.frame
    return found.draft.raw.collect(good.select(ROW, "position", time.alias("time_ms"), *columns))


def _item_ids(found: Survey) -> pl.Series:
    """Return the items of the good rows, each once, in the order of the file."""
    good = found.draft.frame.filter(~found.bad)
    ids = good.group_by("item_id").agg(pl.col(ROW).min()).sort(ROW).select("item_id")
    return found.draft.raw.collect(ids).to_series()


def _duplicate_cases(found: Survey, events: pl.DataFrame) -> list[_Case]:
    rows = duplicate_rows(found.draft.raw.frame, apart_from=ROW)
    ids = events.filter(pl.col("event").is_not_null())
    repeated = ids.filter(~pl.col("event").is_first_distinct())[ROW]
    return [
        _Case(
            "exact_duplicates", "warning", "The row agrees with an earlier one in every column.",
            len(rows), found.num_rows, _first(rows),
            "prepare keeps the first of them; drop_duplicates=False keeps all.",
        ),
        _Case(
            "repeated_event_id", "warning", "The event_id stood in an earlier row.",
            len(repeated), found.num_rows, _first(repeated),
            "An event_id must name one event; if it names a basket, map it as session_id.",
        ),
    ]  # fmt: skip


def _first(rows: pl.Series) -> int | None:
    return int(rows.min()) if len(rows) else None  # type: ignore[arg-type]


def _user_cases(events: pl.DataFrame) -> list[_Case]:
    users = events.group_by("user").agg(pl.len().alias("events"), pl.col(ROW).min())
    single = users.filter(pl.col("events") == 1)
    limit = busy_limit(users["events"].to_numpy())
    busy = users.filter(pl.col("events") > limit).sort("events", descending=True)
    return [
        _Case(
            "one_event_users", "info", "The user has one event, so there is nothing to predict.",
            len(single), len(users), _first(single[ROW]),
            "They train nothing; --min-user-events leaves them out.",
        ),
        _Case(
            "busy_users", "warning",
            f"The user has more than {limit:,} events: third quartile of the events a user times "
            f"the cube of third over first quartile, at least {MIN_BUSY_EVENTS}.",
            len(busy), len(users), busy[ROW][0] if len(busy) else None,
            f"Look whether they are bots or shared; --max-user-events {limit} leaves them out.",
            {"events": busy["events"][0]} if len(busy) else None,
        ),
    ]  # fmt: skip


def busy_limit(num_events: np.ndarray) -> int:
    """Return the number of events above which a user is implausibly busy.

    Three interquartile ranges above the third quartile on a logarithmic scale, at least 500.

    Examples
    --------
    >>> busy_limit(np.array([90, 90, 180, 180, 180]))
    1440
    """
    if not len(num_events):
        return MIN_BUSY_EVENTS
    low, high = np.quantile(num_events, [0.25, 0.75])
    return max(MIN_BUSY_EVENTS, int(high * (high / low) ** 3))


def _order_cases(found: Survey, events: pl.DataFrame) -> list[_Case]:
    """Return what shows once the events of each user are in their order."""
    keys = [name for name in sort_keys_of(found.draft.options.order_by) if name != "order"]
    rows = events.sort("user", *keys, ROW)
    same_user = pl.col("user") == pl.col("user").shift()
    key = keys[0]
    is_tie = (same_user & (pl.col(key) == pl.col(key).shift())).fill_null(False)
    ties = rows.filter(is_tie | is_tie.shift(-1, fill_value=False))
    repeat = same_user & (pl.col("item") == pl.col("item").shift())
    repeats = rows.filter(repeat)
    what = "position" if key == "position" else "time"
    severity: Severity = "warning" if len(ties) > TIES_WARNING_SHARE * len(rows) else "info"
    return [
        _Case(
            f"tied_{what}s", severity,
            f"The event shares its {what} with another one of the same user.",
            len(ties), len(rows), _first(ties[ROW]),
            "Ties go by position, then by file order; see that the file stands in true order.",
        ),
        _Case(
            "consecutive_repeats", "info", "The item is the same as in the user's event before.",
            len(repeats), len(rows), _first(repeats[ROW]),
            "--drop-consecutive-repeats keeps the first of such a run.",
            {"longest_run": _longest_run(rows.select(repeat).to_series())},
        ),
    ]  # fmt: skip


def _longest_run(is_repeat: pl.Series) -> int:
    """Return the length of the longest run of events on one item."""
    run = pl.DataFrame({"repeat": is_repeat.fill_null(False)}).with_columns(
        (~pl.col("repeat")).cum_sum().alias("run")
    )
    return int(run.group_by("run").len()["len"].max() or 0)  # type: ignore[arg-type]


def _examples(found: Survey, rows: list[int]) -> dict[int, dict[str, Any]]:
    """Fetch the rows of all examples at once."""
    roles = found.draft.naming.roles
    frame = found.draft.raw.frame.filter(pl.col(ROW).is_in(rows))
    columns = [pl.col(column).alias(role) for role, column in roles.items()]
    fetched = found.draft.raw.collect(frame.select(ROW, *columns))
    return {row.pop(ROW): row for row in fetched.to_dicts()}


def _finding(found: Survey, case: _Case, examples: Mapping[int, dict[str, Any]]) -> Finding:
    example: dict[str, Any] = {}
    if case.row is not None:
        place = found.draft.raw.place(case.row)
        example = {"place": place, **_plain(examples[case.row]), **(case.more or {})}
    return Finding(
        case.code,
        case.severity,
        case.message,
        case.count,
        case.count / max(case.out_of, 1),
        example,
        case.advice,
    )


def _table_findings(table: Table) -> list[Finding]:
    cases = (
        (
            f"repeated_{table.key}", table.num_repeated, table.first_repeated,
            f"The {table.key} stood in an earlier row of {table.raw.source}.",
            "The first row is used; leave one row for each id.",
        ),
        (
            f"{table.key.removesuffix('_id')}_without_id", table.num_missing, table.first_missing,
            f"The row of {table.raw.source} has no {table.key}.",
            "It is left out; give it an id.",
        ),
    )  # fmt: skip
    return [
        Finding(
            code, "warning", message, count, count / table.num_rows, _table_row(table, row), advice
        )
        for code, count, row, message, advice in cases
        if row is not None
    ]


def _table_row(table: Table, row: int) -> dict[str, Any]:
    raw: RawTable = table.raw
    fetched = raw.collect(raw.frame.filter(pl.col(ROW) == row).select(raw.names[:6]))
    return {"place": raw.place(row), **_plain(fetched.row(0, named=True))}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as JSON knows them; times and lists become text."""
    known = (str, int, type(None))
    return {
        name: value if isinstance(value, known) or _is_finite(value) else str(value)
        for name, value in row.items()
    }


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)
