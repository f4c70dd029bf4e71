from pathlib import Path

import polars as pl
import pytest

from penchant.errors import InputError, MissingFileError
from penchant.events import EventLog
from penchant.events.tables import read_table


def test_first_of_repeated_ids_is_kept_and_missing_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "item_id,title,year\nb,Old,1999\na,New,2020\nb,Older,1998\n ,None,\nb,Oldest,\n"
    )
    table = read_table(path, "item_id", {})
    assert table.frame.rows() == [("b", "Old", 1999), ("a", "New", 2020)]
    assert (table.num_rows, table.num_repeated, table.num_missing) == (5, 2, 1)
    assert (table.first_repeated, table.first_missing) == (2, 3)
    assert table.notes == (
        f"{path}: 2 rows repeat an id; the first was kept.",
        f"{path}: 1 rows without item_id left out.",
    )


def test_texts_become_numbers_only_where_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,age,height,zip,note\n01,30,1.5,05415,x\n2,,2,85711,3\n")
    frame = read_table(path, "user_id", {}).frame
    assert frame.rows() == [("01", 30, 1.5, "05415", "x"), ("2", None, 2.0, "85711", "3")]


def test_json_lists_are_lists(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": 1, "tags": ["a", "b"]}\n{"item_id": 2.5, "tags": null}\n')
    assert read_table(path, "item_id", {}).frame.rows() == [("1", ["a", "b"]), ("2.5", None)]
    path.write_text('{"item_id": 1, "tags": "[\\"a\\" and \\"b\\"]"}\n')
    assert read_table(path, "item_id", {}).frame.rows() == [("1", '["a" and "b"]')]


@pytest.mark.parametrize("ids", [[7, 8], [7.0, 8.0], ["7", "8"]])
def test_ids_are_texts(ids: list[object]) -> None:
    frame = read_table(pl.DataFrame({"x": [1, 2], "item_id": ids}), "item_id", {}).frame
    assert frame.rows() == [("7", 1), ("8", 2)]


def test_mapping_of_the_events_holds_for_tables_too() -> None:
    frame = pl.DataFrame({"movieId": [7], "title": ["x"]})
    assert read_table(frame, "item_id", {"item_id": "movieId"}).frame.columns == [
        "item_id",
        "title",
    ]


def test_table_without_ids_is_refused_with_a_guess() -> None:
    with pytest.raises(InputError, match=r"no column item_id; found: sku.*Rename sku to item_id"):
        read_table(pl.DataFrame({"sku": [1]}), "item_id", {})
    with pytest.raises(InputError, match="Give each row its user_id"):
        read_table(pl.DataFrame({"x": [1]}), "user_id", {})


def test_tables_come_with_the_log(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["i"], "timestamp": [1_700_000_000]})
    users = pl.DataFrame({"user_id": ["u", "u"], "age": [30, 31]})
    log = EventLog.read(events, users=users)
    assert log.items is None
    assert log.users is not None
    assert log.users.rows() == [("u", 30)]
    assert "the frame: 1 rows repeat an id; the first was kept." in log.notes
    with pytest.raises(MissingFileError, match=r"items.csv does not exist"):
        EventLog.read(events, items=tmp_path / "items.csv")
