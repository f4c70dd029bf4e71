import datetime
import json
from pathlib import Path

import polars as pl
import pytest

from penchant.events import EventLog, Finding, ReadOptions, ValidationReport, validate_log
from penchant.events.validation import busy_limit

NOON = 1_700_000_000
NOW_MS = (NOON + 1000) * 1000
FOUND_HEALTHY = [("a", "x", 1), ("a", "y", 2), ("b", "y", 3), ("b", "x", 5)]


def table(rows: list[tuple[object, ...]], *further: str) -> pl.DataFrame:
    shifted = [(user, item, time and NOON + time, *rest) for user, item, time, *rest in rows]
    names = ["user_id", "item_id", "timestamp", *further]
    return pl.DataFrame(shifted, schema=names, orient="row", strict=False)


def report_on(source: object, **options: object) -> dict[str, Finding]:
    report = validate_log(source, now_ms=NOW_MS, **options)
    return {finding.code: finding for finding in report.findings}


def test_healthy_log_has_no_findings() -> None:
    report = validate_log(table(FOUND_HEALTHY), now_ms=NOW_MS)
    assert report.findings == ()
    assert not report.refused
    assert (report.num_rows, report.num_users, report.num_items) == (4, 2, 2)
    assert report.render() == (
        "the frame: 4 rows, 2 users, 2 items, 0 bad rows\n"
        "note     Times were taken for seconds.\n"
        "prepare would accept it: 0 faults"
    )


def test_all_kinds_of_bad_rows_are_counted_in_one_go() -> None:
    rows = [
        ("a", "x", "1700000001", "1"),
        ("", "y", "1700000002", "x"),
        (None, "z", "soon", "2"),
        ("b", None, None, "3"),
        ("b", "y", "1700000003000", "4"),
        ("c", "y", "1700000003", "4"),
    ]
    source = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    found = report_on(source)
    errors = {code: f.count for code, f in found.items() if f.severity == "error"}
    assert errors == {
        "missing_user_id": 2,
        "missing_item_id": 1,
        "missing_time": 1,
        "unparsable_time": 1,
        "mixed_time_units": 1,
        "bad_value": 1,
    }
    assert found["missing_user_id"].share == 2 / 6
    assert found["missing_user_id"].example == {
        "place": "the frame, row 2",
        "user_id": "",
        "item_id": "y",
        "timestamp": "1700000002",
        "value": "x",
    }
    assert "Most times are seconds." in found["mixed_time_units"].advice
    report = validate_log(source, now_ms=NOW_MS)
    assert report.refused
    assert report.num_bad_rows == 4
    assert report.render().endswith("prepare would refuse this log: 6 faults")


def test_bad_positions_are_found_where_they_order_the_log() -> None:
    source = table(FOUND_HEALTHY).with_columns(position=pl.Series(["1", None, "x", "2"]))
    found = report_on(source, options=ReadOptions(order_by="position"))
    assert found["missing_position"].count == found["bad_position"].count == 1


def test_examples_name_the_line_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,timestamp\na,x,1700000001\n,y,1700000002\n")
    example = report_on(path)["missing_user_id"].example
    assert example == {
        "place": f"{path}, line 3",
        "user_id": None,
        "item_id": "y",
        "timestamp": "1700000002",
    }


def test_words_that_mean_nothing_are_found_as_ids() -> None:
    rows = [*FOUND_HEALTHY, ("NULL", "x", 6), (" nan", "y", 7), ("c", "None", 8)]
    found = report_on(table(rows))
    assert found["null_word_user_id"].count == 2
    assert found["null_word_item_id"].count == 1
    assert found["null_word_user_id"].example["place"] == "the frame, row 5"


def test_future_is_measured_by_the_given_clock() -> None:
    rows = [*FOUND_HEALTHY, ("a", "z", 1000), ("b", "z", 1001)]
    found = report_on(table(rows))["future_time"]
    assert (found.count, found.severity, found.example["user_id"]) == (1, "warning", "b")


def test_duplicates_and_repeated_event_ids_are_told_apart() -> None:
    rows = [
        ("a", "x", 1, 7),
        ("a", "x", 1, 7),
        ("a", "y", 2, 7),
        ("b", "x", 3, None),
        ("b", "y", 4, 8),
    ]
    found = report_on(table(rows, "event_id"))
    assert found["exact_duplicates"].count == 1
    assert found["repeated_event_id"].count == 2


def test_tables_are_checked_against_the_events() -> None:
    items = pl.DataFrame({"item_id": ["x", "x", None, "w"], "title": ["A", "B", "C", "D"]})
    users = pl.DataFrame({"user_id": ["a"], "born": [datetime.date(1990, 1, 1)]})
    found = report_on(table(FOUND_HEALTHY), items=items, users=users)
    assert found["unknown_item"].count == 2
    assert found["unknown_item"].example["item_id"] == "y"
    assert found["unknown_user"].share == 2 / 4
    repeated = found["repeated_item_id"]
    assert (repeated.count, repeated.share) == (1, 1 / 4)
    assert repeated.example == {"place": "the frame, row 2", "item_id": "x", "title": "B"}
    assert found["item_without_id"].count == 1


def test_users_with_one_event_are_counted_among_users() -> None:
    found = report_on(table([*FOUND_HEALTHY, ("c", "x", 9)]))["one_event_users"]
    assert (found.count, found.share, found.severity) == (1, 1 / 3, "info")


def test_busy_users_are_those_beyond_the_quartiles() -> None:
    quiet = [(f"u{u}", f"i{k}", 10 * u + k) for u in range(20) for k in range(2 + u % 2)]
    busy = [("bot", f"i{k % 40}", 400 + k) for k in range(501)]
    found = report_on(table(quiet + busy))["busy_users"]
    assert (found.count, found.share, found.example["events"]) == (1, 1 / 21, 501)
    assert "more than 500 events" in found.message
    assert "busy_users" not in report_on(table(quiet + busy[1:]))


def test_limit_is_the_cube_of_the_ratio_of_quartiles() -> None:
    assert busy_limit(pl.Series([100, 100, 200, 200, 200]).to_numpy()) == 200 * 2**3
    assert busy_limit(pl.Series([1, 1, 2, 2, 2]).to_numpy()) == 500
    assert busy_limit(pl.Series([], dtype=pl.Int64).to_numpy()) == 500


def test_ties_are_counted_within_users_and_warned_of_when_frequent() -> None:
    rows = [("a", "x", 1), ("b", "x", 1), ("a", "y", 1), ("a", "z", 1), ("b", "z", 9)]
    found = report_on(table(rows))["tied_times"]
    assert (found.count, found.share, found.severity) == (3, 3 / 5, "warning")
    many = [("a", f"i{k}", 50 + k) for k in range(40)]
    assert report_on(table(rows + many))["tied_times"].severity == "info"


def test_consecutive_repeats_tell_the_longest_run() -> None:
    rows = [
        ("a", "x", 1),
        ("a", "x", 2),
        ("b", "x", 3),
        ("a", "x", 4),
        ("a", "y", 5),
        ("a", "x", 6),
    ]
    found = report_on(table(rows))["consecutive_repeats"]
    assert (found.count, found.share, found.example["longest_run"]) == (2, 2 / 6, 3)
    assert found.example["timestamp"] == NOON + 2


def test_log_without_rows_is_refused() -> None:
    report = validate_log(table(FOUND_HEALTHY).clear(), now_ms=NOW_MS)
    assert [finding.code for finding in report.findings] == ["no_rows"]
    assert report.refused


def test_log_that_dropped_bad_rows_still_reports_them() -> None:
    log = EventLog.read(table([*FOUND_HEALTHY, (None, "x", 9)]), on_bad_rows="drop")
    report = log.validate(now_ms=NOW_MS)
    assert report.findings[0].code == "missing_user_id"
    assert log.validate().num_rows == 5


@pytest.mark.parametrize("value", [float("nan"), datetime.datetime(2020, 1, 1), [1, 2], 2.5])
def test_report_can_be_written_as_json(value: object) -> None:
    source = table([*FOUND_HEALTHY, (None, "x", 9)]).with_columns(session_id=pl.lit("s"))
    if isinstance(value, datetime.datetime):
        source = source.with_columns(timestamp=pl.from_epoch("timestamp"))
    else:
        source = source.with_columns(value=pl.lit(value) if not isinstance(value, list) else 1)
    report = validate_log(source, now_ms=NOW_MS)
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert json.loads(text)["refused"] is True
    assert json.loads(text)["findings"][0]["code"] == "missing_user_id"


def test_worst_findings_come_first_and_facts_are_no_faults() -> None:
    rows = [("c", "x", 9), *FOUND_HEALTHY, ("a", "null", 20), (None, "x", 21)]
    report: ValidationReport = validate_log(table(rows), now_ms=NOW_MS)
    assert [f.severity for f in report.findings] == ["error", "warning", "info"]
    assert [f.code for f in report.faults] == ["missing_user_id", "null_word_item_id"]
    assert "for example place=the frame, row 7, user_id=None, item_id=x" in report.render()
