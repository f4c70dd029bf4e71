import datetime
from pathlib import Path

import polars as pl
import pytest

from penchant.errors import InputError, UsageError
from penchant.events import EventLog, PreparedData, event_frame
from penchant.events.columns import CANONICAL, complete

NOON = 1_700_000_000


def frame(**columns: object) -> pl.DataFrame:
    given = {"user_id": ["u1", "u2", "u1"], "item_id": ["a", "b", "c"]} | columns
    return pl.DataFrame(given)


def timed(*times: object, **columns: object) -> pl.DataFrame:
    return frame(timestamp=list(times), **columns)


def column(log: EventLog, name: str) -> list[object]:
    return log.frame.select(name).collect().to_series().to_list()


def test_a_log_has_all_canonical_columns_and_then_context() -> None:
    log = EventLog.read(timed(NOON, NOON, NOON, device=["pc", "tv", "pc"]))
    assert log.frame.collect_schema().names() == [*CANONICAL, "device"]
    assert dict(log.frame.drop("device").collect_schema()) == CANONICAL
    assert log.context == ("device",)
    assert column(log, "event_type") == ["event"] * 3
    assert column(log, "order") == [0, 1, 2]
    assert log.has_times
    assert log.sort_keys == ("time_ms", "position", "order")


def test_optional_columns_are_typed_and_blank_texts_are_null() -> None:
    log = EventLog.read(
        timed(
            NOON, NOON, NOON,
            value=[" 2.5 ", "", None], event_type=["buy", " ", None], event_id=[1, 2, None],
            session_id=["s", "", None], position=["3", "x", "1.5"],
        )
    )  # fmt: skip
    assert column(log, "value") == [2.5, None, None]
    assert column(log, "event_type") == ["buy", "event", "event"]
    assert column(log, "event_id") == ["1", "2", None]
    assert column(log, "session_id") == ["s", None, None]
    assert column(log, "position") == [3, None, None]


def test_columns_are_mapped_and_a_hidden_one_is_kept_under_another_name() -> None:
    table = timed(NOON, NOON, NOON).rename({"user_id": "UID", "timestamp": "order"})
    table = table.with_columns(user_id=pl.lit("other"), when=pl.lit(1))
    log = EventLog.read(table, columns="user_id=UID,timestamp=order,moment=when")
    assert column(log, "user_id") == ["u1", "u2", "u1"]
    assert log.context == ("source_user_id", "moment")
    assert "Column user_id is kept as source_user_id." in log.notes


@pytest.mark.parametrize(
    ("times", "unit", "told"),
    [
        ([NOON, NOON + 1, 7], "s", "seconds"),
        ([NOON * 1000, NOON * 1000 + 1, 7000], "ms", "milliseconds"),
        ([NOON * 10**6, NOON * 10**6 + 999, 7 * 10**6], "us", "microseconds"),
        ([NOON * 10**9, NOON * 10**9 + 999, 7 * 10**7], "ns", "nanoseconds"),
        ([1000, 1001, 1002], "s", "seconds"),
    ],
)
def test_unit_of_times_is_guessed_and_told(times: list[int], unit: str, told: str) -> None:
    for values in (times, [str(time) for time in times], [float(time) for time in times]):
        log = EventLog.read(timed(*values))
        assert log.record.time_unit == unit
        assert f"Times were taken for {told}." in log.notes
        per_s = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
        assert column(log, "time_ms") == [time * 1000 // per_s for time in times]


def test_given_unit_is_not_guessed() -> None:
    log = EventLog.read(timed(NOON, 1, 2), time_unit="ms")
    assert column(log, "time_ms") == [NOON, 1, 2]
    assert log.notes == ()


def test_iso_times_are_utc_unless_they_say_otherwise() -> None:
    log = EventLog.read(
        timed("1970-01-02 00:00:00", "1970-01-02T02:00:00.250+02:00", "1970-01-01T00:00Z")
    )
    assert column(log, "time_ms") == [86_400_000, 86_400_250, 0]
    assert log.record.time_unit == "iso"
    assert log.notes == ()


def test_rare_iso_forms_after_the_sample_are_read_too(tmp_path: Path) -> None:
    lines = ["user_id,item_id,timestamp", *["u,i,1970-01-02"] * 10_050, "u,i,1970-01-02 00:00:01"]
    (tmp_path / "log.csv").write_text("\n".join(lines))
    assert column(EventLog.read(tmp_path / "log.csv"), "time_ms")[-1] == 86_401_000


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_typed_times_need_no_unit(zone: str | None) -> None:
    moments = pl.Series([datetime.datetime(1970, 1, 2)] * 3, dtype=pl.Datetime("us"))
    typed = (
        moments if zone is None else moments.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    )
    log = EventLog.read(frame(timestamp=typed))
    assert column(log, "time_ms") == [86_400_000] * 3
    assert log.record.time_unit == "datetime"


def test_dates_are_midnights() -> None:
    assert column(EventLog.read(timed(*[datetime.date(1970, 1, 3)] * 3)), "time_ms")[0] == (
        2 * 86_400_000
    )


def test_log_without_times_is_ordered_by_position() -> None:
    log = EventLog.read(frame(position=[2, 1, 0]))
    assert log.order_by == "position"
    assert not log.has_times
    assert column(log, "time_ms") == [None] * 3
    assert log.sort_keys == ("position", "order")
    assert "There is no timestamp; events are ordered by position." in log.notes


def test_ordered_by_position_times_may_be_missing() -> None:
    log = EventLog.read(timed(str(NOON), None, "soon", position=[0, 0, 1]), order_by="position")
    assert column(log, "time_ms") == [NOON * 1000, None, None]


BAD_ROWS = [
    ("missing_user_id", {"user_id": ["u", None, " "]}, "user_id is empty", 2),
    ("missing_item_id", {"item_id": ["i", "", "j"]}, "item_id is empty", 1),
    ("missing_time", {"timestamp": [NOON, None, NOON]}, "timestamp is empty", 1),
    (
        "unparsable_time",
        {"timestamp": [str(NOON), "yesterday", "2020-13-01"]},
        'timestamp is "yesterday", neither a number nor an ISO 8601 time',
        2,
    ),
    (
        "mixed_time_units",
        {"timestamp": [NOON, NOON * 1000, NOON]},
        "timestamp is 1700000000000, in another unit than most of the file",
        1,
    ),
    ("bad_value", {"value": ["1", "x", ""]}, 'value is "x", not a finite number', 1),
    ("bad_value", {"value": [1.0, float("inf"), None]}, "value is inf, not a finite number", 1),
    ("bad_value", {"value": [1.0, 1e300, -3e38]}, "value is 1e+300, not a finite number", 1),
    ("missing_position", {"position": [0, None, 1]}, "position is empty", 1),
    ("bad_position", {"position": ["0", "1.5", "1"]}, 'position is "1.5", not a whole number', 1),
]


@pytest.mark.parametrize(("code", "columns", "message", "num_bad"), BAD_ROWS)
def test_bad_rows_are_refused_by_name_or_dropped_and_counted(
    code: str, columns: dict[str, list[object]], message: str, num_bad: int
) -> None:
    table = pl.DataFrame(
        {"user_id": ["u"] * 3, "item_id": ["i"] * 3, "timestamp": [NOON] * 3} | columns
    )
    order_by = "position" if "position" in columns else "timestamp"
    verb = "is" if num_bad == 1 else "are"
    with pytest.raises(InputError) as caught:
        EventLog.read(table, order_by=order_by)
    assert caught.value.message.startswith(f"the frame, row 2: {message}")
    assert caught.value.message.endswith(f"{num_bad} of 3 rows {verb} bad.")
    log = EventLog.read(table, order_by=order_by, on_bad_rows="drop")
    assert log.frame.collect().height == 3 - num_bad
    assert log.record.dropped == {code: num_bad}
    assert log.num_dropped_rows == num_bad
    assert f"{num_bad} of 3 rows were bad and left out: {code} {num_bad}." in log.notes


def test_row_with_two_faults_is_dropped_once() -> None:
    table = timed(NOON, None, NOON * 1000).with_columns(user_id=pl.Series(["u", None, None]))
    log = EventLog.read(table, on_bad_rows="drop")
    assert log.num_dropped_rows == 2
    assert log.record.dropped == {"missing_user_id": 2, "missing_time": 1, "mixed_time_units": 1}


def test_mixed_units_say_what_most_times_are() -> None:
    with pytest.raises(InputError, match=r"Most times are seconds. .* give --time-unit s;"):
        EventLog.read(timed(str(NOON), str(NOON), "2020-01-01"), on_bad_rows="refuse")
    log = EventLog.read(timed(str(NOON), str(NOON), "1970-01-02"), time_unit="s")
    assert column(log, "time_ms")[-1] == 86_400_000


def test_numbers_beyond_the_year_9999_in_the_given_unit_are_bad() -> None:
    with pytest.raises(InputError, match="row 2: timestamp is 1700000000000, neither"):
        EventLog.read(timed(NOON, NOON * 1000, NOON), time_unit="s")


def test_log_without_a_good_row_is_refused_even_when_dropping() -> None:
    with pytest.raises(InputError, match=r"has no good row: missing_time 3. Look at them"):
        EventLog.read(timed(None, None, None), on_bad_rows="drop")
    with pytest.raises(InputError, match=r"has columns but no rows. It must hold events."):
        EventLog.read(timed(NOON, NOON, NOON).clear())


@pytest.mark.parametrize(
    ("where", "kept"),
    [("score >= 9", [1]), ("score is not null and user_id = 'u1'", [0]), ("score = '10'", None)],
)
def test_where_compares_numbers_in_text_files_as_numbers(
    tmp_path: Path, where: str, kept: list[int] | None
) -> None:
    lines = ["user_id,item_id,timestamp,score", "u1,a,5,007", "u2,b,6,10", "u1,c,7,"]
    (tmp_path / "log.csv").write_text("\n".join(lines))
    if kept is None:
        with pytest.raises(InputError, match=r"--where .* cannot compare string with numeric"):
            EventLog.read(tmp_path / "log.csv", where=where)
        return
    log = EventLog.read(tmp_path / "log.csv", where=where)
    assert column(log, "order") == kept
    assert column(log, "score") == [["007", "10", None][row] for row in kept]  # texts stay texts
    assert log.record.num_filtered_rows == 2
    assert log.record.to_dict() == {
        "num_rows": 1,
        "num_filtered_rows": 2,
        "num_dropped_rows": 0,
        "dropped": {},
        "time_unit": "s",
        "where": where,
    }


def test_where_is_applied_before_bad_rows_are_looked_for() -> None:
    log = EventLog.read(timed(NOON, None, NOON), where="timestamp is not null")
    assert column(log, "order") == [0, 2]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("value >", "unable to parse 'value >'"),
        ("price > 3", 'unable to find column "price"'),
        ("timestamp + 1", "must be of type `Boolean`"),
        ("timestamp > 9e9", "leaves none of the 3 rows of the frame. Loosen"),
    ],
)
def test_wrong_where_is_one_clear_error(where: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        EventLog.read(timed(NOON, NOON, NOON), where=where)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"--where {where!r}")
    assert "__row" not in str(caught.value)


def test_missing_columns_are_named_with_a_guess() -> None:
    table = pl.DataFrame({"userId": [1], "movieId": [2], "rating": [3], "ts": [4]})
    with pytest.raises(InputError) as caught:
        EventLog.read(table)
    assert caught.value.message == (
        "the frame has no column user_id and no column item_id and no column timestamp; "
        "found: userId, movieId, rating, ts."
    )
    assert caught.value.hint == "Name it: --columns user_id=userId,item_id=movieId,timestamp=ts."
    with pytest.raises(InputError, match=r"--columns position=NAME"):
        EventLog.read(timed(NOON, NOON, NOON), order_by="position")


def test_columns_of_types_that_cannot_serve_are_refused() -> None:
    with pytest.raises(InputError, match=r"column user_id holds List.*an id must be a text"):
        EventLog.read(timed(1, 2, 3).with_columns(user_id=pl.lit([1])))
    with pytest.raises(InputError, match="the time column holds Boolean, which is no time"):
        EventLog.read(timed(True, True, False))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("time_unit", "h", '--time-unit must be one of auto, s, ms, us, not "h".'),
        ("order_by", "x", '--order-by must be timestamp or position, not "x".'),
        ("on_bad_rows", "x", '--on-bad-rows must be refuse or drop, not "x".'),
        ("columns", "user_id", '--columns must be pairs such as user_id=UID, but holds "user_id".'),
    ],
)
def test_unknown_option_values_are_usage_errors(option: str, value: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        EventLog.read(timed(NOON, NOON, NOON), **{option: value})
    assert caught.value.message == message


def test_frame_that_is_already_canonical_is_wrapped() -> None:
    log = event_frame(pl.DataFrame({"user_id": [1], "item_id": [2], "time_ms": [3], "x": [4]}))
    assert log.frame.collect().rows() == [("1", "2", 3, None, 0, "event", None, None, None, 4)]
    assert (log.has_times, log.context) == (True, ("x",))
    assert not event_frame(pl.DataFrame({"user_id": [1], "item_id": [2]})).has_times
    assert complete(pl.DataFrame({"user_id": [1], "order": [9]})).collect()["order"].item() == 9


def test_a_log_prepares_itself_with_each_step_as_an_option() -> None:
    rows = [
        (f"u{u}", f"i{(u + 2 * k) % 5}", NOON + 10 * u + k, 1 + k)
        for u in range(6)
        for k in range(4)
    ]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(5)], "price": [1, 2, 3, 4, 5]})
    log = EventLog.read(table, items=items)
    data = log.prepare("leave-one-out", min_value=2)
    assert isinstance(data, PreparedData)
    assert data.log.num_events == 6 * 3
    assert data.manifest["steps"][0]["num_dropped"] == 6
