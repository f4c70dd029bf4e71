import json
import shutil

import numpy as np
import polars as pl
import pytest

import penchant
from penchant.errors import CorruptBundleError, MissingFileError, OutputExistsError
from penchant.events.columns import event_frame
from penchant.events.prepared import PreparedData
from penchant.events.preparing import prepare

EVENTS = pl.DataFrame(
    {
        "user_id": ["u", "v", "u", "u", "v", "w", "u"],
        "item_id": ["b", "c", "a", "c", "b", "é/1", "a"],
        "time_ms": [30_000, 5, 10, 5, 10, 9, 31_000],
        "event_type": ["view", "buy", "view", "add", "view", None, "add"],
        "value": [1.5, None, 2.0, None, None, -1.0, 4.0],
    }
)
ITEMS = pl.DataFrame(
    {"item_id": ["a", "b", "c"], "genres": [["x"], ["y", "x"], None], "weight": [1, 2, 4]}
)
USERS = pl.DataFrame({"user_id": ["w", "u"], "age": [20, 30]})


@pytest.fixture
def data():
    return prepare(event_frame(EVENTS, ITEMS, USERS), "leave-one-out")


@pytest.fixture
def saved(data, tmp_path):
    data.save(tmp_path / "data")
    return tmp_path / "data"


def test_data_comes_back_as_it_was_saved(data, saved):
    again = PreparedData.load(saved)
    for name in ("item_index", "event_type", "value", "time_ms", "part", "offsets"):
        before, after = getattr(data.log, name), getattr(again.log, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    assert again.users == data.users
    assert again.items == data.items
    assert again.item_table.equals(data.item_table)
    assert again.user_table.equals(data.user_table)
    assert again.event_types == data.event_types == ("view", "add", "buy", "event")
    assert again.encoder == data.encoder
    assert again.fingerprint == data.fingerprint
    assert again.summary() == data.summary()
    assert again.summary_text() == data.summary_text()


def test_data_without_a_table_of_users_has_none_when_it_comes_back(tmp_path):
    prepare(event_frame(EVENTS), "leave-one-out").save(tmp_path / "data")
    again = PreparedData.load(tmp_path / "data")
    assert again.user_table is None
    assert again.users.ids == ("u", "v", "w")


def test_data_can_be_moved_and_saved_again(saved, tmp_path):
    shutil.move(saved, tmp_path / "elsewhere")
    again = PreparedData.load(tmp_path / "elsewhere")
    again.save(tmp_path / "third")
    assert PreparedData.load(tmp_path / "third").summary() == again.summary()


def test_a_readable_file_says_what_the_directory_is(saved):
    manifest = json.loads((saved / "data.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "prepared data"
    assert manifest["format"] == 1
    assert manifest["version"] == penchant.__version__
    assert manifest["split"]["name"] == "leave-one-out"
    assert set(manifest["files"]) == {
        "events.parquet",
        "items.parquet",
        "users.parquet",
        "features.json",
    }


def test_data_is_not_overwritten_unasked(data, saved):
    with pytest.raises(OutputExistsError, match="exists already"):
        data.save(saved)
    data.save(saved, overwrite=True)
    assert PreparedData.load(saved).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    "name", ["events.parquet", "items.parquet", "users.parquet", "features.json"]
)
def test_a_missing_or_cut_file_is_refused_by_name(saved, name):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[:-7])
    with pytest.raises(CorruptBundleError, match=f"{name} must have {len(whole)} bytes but has "):
        PreparedData.load(saved)
    (saved / name).unlink()
    with pytest.raises(CorruptBundleError, match=f"{name} is missing"):
        PreparedData.load(saved)


def change_manifest(saved, **fields):
    manifest = json.loads((saved / "data.json").read_text(encoding="utf-8"))
    manifest.update(fields)
    (saved / "data.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_newer_format_is_refused(saved):
    change_manifest(saved, format=2)
    with pytest.raises(CorruptBundleError, match="has format 2"):
        PreparedData.load(saved)


@pytest.mark.parametrize("name", ["files", "counts", "event_types"])
def test_a_manifest_without_a_field_is_refused(saved, name):
    manifest = json.loads((saved / "data.json").read_text(encoding="utf-8"))
    del manifest[name]
    (saved / "data.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CorruptBundleError, match=f"it has no '{name}'"):
        PreparedData.load(saved)


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="no directory"):
        PreparedData.load(tmp_path / "nothing")


def test_the_fingerprint_speaks_of_contents_alone(data):
    other_file = event_frame(EVENTS, ITEMS, USERS)
    assert prepare(other_file, "leave-one-out").fingerprint == data.fingerprint
    changed = EVENTS.with_columns(pl.col("value") + 1)
    other = prepare(event_frame(changed, ITEMS, USERS), "leave-one-out")
    assert other.fingerprint != data.fingerprint
    assert prepare(event_frame(EVENTS, ITEMS, USERS), "time:0.5").fingerprint != data.fingerprint


def test_data_knows_whether_it_has_times(data):
    assert data.has_times
    some = EVENTS.with_columns(pl.when(pl.col("user_id") != "w").then("time_ms"))
    assert not prepare(event_frame(some), "leave-one-out").has_times
