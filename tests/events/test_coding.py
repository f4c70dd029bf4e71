import numpy as np
import polars as pl
import pytest

from penchant.errors import InputError
from penchant.events.arrays import NO_TIME, Part
from penchant.events.coding import code_events
from penchant.events.columns import event_frame

ROWS = pl.DataFrame(
    {
        "user_id": ["v", "u", "v", "u", "v", "w", "v"],
        "item_id": ["b", "c", "a", "c", "b", "d", "e"],
        "time_ms": [30, 5, 10, 5, 10, 9, 10],
        "position": [0, 1, 3, 0, 1, 0, 1],
        "event_type": ["view", "buy", "view", "add", "view", None, "add"],
        "value": [1.5, None, 2.0, None, None, -1.0, 4.0],
    }
)


def coded(order_by="timestamp", frame=ROWS):
    log = event_frame(frame, order_by=order_by)
    return code_events(log.frame, log.sort_keys)


def items_of(result):
    return [result.item_ids[int(code)] for code in result.log.item_index]


def test_ids_are_coded_in_the_order_of_their_first_rows():
    assert coded().user_ids.to_list() == ["v", "u", "w"]
    assert coded().item_ids.to_list() == ["b", "c", "a", "d", "e"]


def test_events_of_a_user_stand_in_the_order_of_time_then_position_then_file():
    result = coded()
    assert result.log.offsets.tolist() == [0, 4, 6, 7]
    # v: three events at 10, positions 3, 1, 1, and one at 30; u: both at 5, positions 1, 0
    assert items_of(result) == ["b", "e", "a", "b", "c", "c", "d"]
    assert result.log.time_ms.tolist() == [10, 10, 10, 30, 5, 5, 9]
    types = [result.event_types[code] for code in result.log.event_type]
    assert types == ["view", "add", "view", "view", "add", "buy", "event"]
    assert result.log.value.tolist()[1:4] == [4.0, 2.0, 1.5]
    assert np.isnan(result.log.value[[0, 4, 5]]).all()


def test_events_may_stand_in_the_order_of_position():
    assert items_of(coded("position")) == ["b", "b", "e", "a", "c", "c", "d"]


def test_a_log_without_times_has_no_time():
    assert set(coded("position", ROWS.drop("time_ms")).log.time_ms) == {NO_TIME}
    assert items_of(coded("timestamp", ROWS.drop("time_ms"))) == items_of(coded("position"))


def test_ordering_by_position_needs_every_position():
    frame = ROWS.with_columns(pl.when(pl.col("user_id") != "v").then("position"))
    with pytest.raises(InputError, match="position of every event, but 4 of 7 have none"):
        coded("position", frame)
    assert coded("timestamp", frame).log.num_events == 7


def test_an_empty_log_is_refused():
    with pytest.raises(InputError, match="No event is left to prepare"):
        coded(frame=ROWS.clear())


def test_users_without_events_go():
    kept = coded().where(np.array([True, False, False, True, False, False, True]))
    assert kept.user_ids.to_list() == ["v", "w"]
    assert kept.log.offsets.tolist() == [0, 2, 3]
    assert items_of(kept) == ["b", "b", "d"]


def test_items_outside_of_the_vocabulary_are_unknown():
    known = coded().with_items(np.array([1, 4]))  # c, e
    assert known.item_ids.to_list() == ["c", "e"]
    assert known.log.item_index.tolist() == [-1, 1, -1, -1, 0, 0, -1]


def test_event_types_stand_in_the_order_of_their_training_events():
    parts = np.array([Part.TRAIN, Part.TRAIN, Part.TEST, Part.TEST, Part.TRAIN, Part.TEST, 0])
    result = coded().with_part(parts).with_types_by_frequency()
    # training events: view add add event; ties by name, types without any last
    assert result.event_types == ("add", "event", "view", "buy")
    assert result.log.event_type.tolist() == [2, 0, 2, 2, 0, 3, 1]
