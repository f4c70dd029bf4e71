from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from penchant.serving.events import Event, RejectedError, time_ms_of, value_of
from penchant.serving.histories import HistoryEvent


def test_all_ways_to_write_a_moment_are_the_same_moment():
    wanted = 1_777_636_800_250
    east = timezone(timedelta(hours=2))
    ways = [
        1_777_636_800.25,
        "2026-05-01T12:00:00.250",
        "2026-05-01T12:00:00.250Z",
        "2026-05-01T14:00:00.250+02:00",
        datetime(2026, 5, 1, 12, 0, 0, 250_000),
        datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC),
        datetime(2026, 5, 1, 14, 0, 0, 250_000, tzinfo=east),
    ]
    assert [time_ms_of(way) for way in ways] == [wanted] * len(ways)
    assert time_ms_of(-1.5) == -1500


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("noon", 'timestamp must be epoch seconds or ISO 8601 but is "noon"'),
        (1_777_636_800_250, "timestamp must be epoch seconds but is 1777636800250, after the year"),
        (float("nan"), "timestamp must be a finite number but is 'nan'"),
        (True, "timestamp must be a finite number but is 'True'"),
        ([1], "timestamp must be a finite number"),
        (10**400, "timestamp must be a finite number"),
    ],
)
def test_what_is_no_moment_is_rejected(given, said):
    with pytest.raises(RejectedError, match=said) as caught:
        time_ms_of(given)
    assert caught.value.code == "bad_timestamp"


def test_an_event_is_logged_with_texts_for_ids():
    event = Event.of({"user_id": 7, "item_id": "a", "timestamp": 2, "value": 3, "colour": "red"})
    logged = event.logged(now_ms=99)
    assert (logged.user_id, logged.time_ms, logged.value) == ("7", 2_000, 3.0)
    assert not logged.arrival_time
    assert logged.event_id != event.logged(now_ms=99).event_id


def test_an_event_without_time_takes_that_of_its_arrival():
    logged = Event("u", "i", event_id="e").logged(now_ms=99)
    assert (logged.time_ms, logged.arrival_time, logged.event_id) == (99, True, "e")


def test_numbers_of_numpy_are_numbers():
    given = {"user_id": np.int64(7), "item_id": np.int32(5), "timestamp": np.int64(2)}
    logged = Event.of({**given, "value": np.float32(1.5)}).logged(now_ms=99)
    assert (logged.user_id, logged.item_id, logged.time_ms, logged.value) == ("7", "5", 2_000, 1.5)
    assert HistoryEvent.of(np.int64(50)) == HistoryEvent("50")


def test_a_value_that_a_frame_lacks_is_missing_and_one_that_is_no_number_rejected():
    assert value_of(float("nan")) is None
    assert HistoryEvent.of({"item_id": "a", "value": np.nan}).value is None
    for value in ("x", float("inf")):
        with pytest.raises(RejectedError, match="value must be a finite number"):
            Event("u", "i", value=value).logged(now_ms=99)
        with pytest.raises(RejectedError, match="value must be a finite number"):
            HistoryEvent.of({"item_id": "a", "value": value})


def test_a_missing_time_of_pandas_is_rejected():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(RejectedError, match="timestamp must be a finite number but is 'NaT'"):
        time_ms_of(pandas.NaT)


@pytest.mark.parametrize("name", ["user_id", "item_id", "event_id", "session_id", "request_id"])
def test_an_id_that_no_store_could_keep_is_refused(name):
    for given, size in (("x" * 513, 513), ("a\0b", 3)):
        with pytest.raises(RejectedError, match=rf"at most 512 characters.* of {size}") as error:
            Event.of({"user_id": "u", "item_id": "i", name: given}).logged(5)
        assert error.value.code == f"bad_{name}"


def test_a_value_that_single_precision_does_not_hold_is_refused():
    with pytest.raises(RejectedError, match=r"at most 3\.4e\+38 in size but is 1e\+39"):
        Event.of({"user_id": "u", "item_id": "i", "value": 1e39}).logged(5)
