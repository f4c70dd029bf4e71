"""`penchant store`, and `penchant prepare` of a store."""

import json
import time

import pytest

from penchant.events import PreparedData
from penchant.stores import LoggedEvent, Memory, SqliteStore

from .conftest import done, invoke


@pytest.fixture
def url(tmp_path):
    now_ms = round(time.time() * 1000)
    with SqliteStore(tmp_path / "a.db") as store:
        store.append_many(
            [
                LoggedEvent(
                    f"u{i % 5}", f"i{i * 3 % 7}", now_ms - (60 - i) * 86_400_000, f"e{i}",
                    value=float(i % 3),
                )
                for i in range(60)
            ]
        )  # fmt: skip
        store.put_memory("u1", "b", Memory(b"x" * 100))
        store.put_user("u1", {"age": 31})
        store.put_user("u2", {"job": "baker"})
        for number in range(7):
            store.put_item(f"i{number}", {"title": f"Title {number}", "price": number / 2})
    return f"sqlite:///{tmp_path}/a.db"


def document(*arguments):
    return json.loads(done(*arguments, "--json").stdout)


def test_figures_of_a_store_are_told(url):
    told = document("store", "stats", "--store", url)
    assert (told["schema"], told["num_events"], told["num_users"]) == (1, 60, 5)
    assert (told["memory_bytes"], told["num_items"]) == (100, 7)
    assert told["disk_bytes"] > 4096
    text = done("store", "stats", "--store", url).stdout
    assert "100 bytes per memory" in text


def test_the_address_may_stand_in_the_environment(url, monkeypatch):
    monkeypatch.setenv("PENCHANT_STORE", url)
    assert document("store", "stats")["num_events"] == 60


def test_logs_are_cut_by_age_and_number(url):
    told = document("store", "retain", "--store", url, "--days", 30.5)
    assert (told["num_events"], told["num_users"]) == (30, 5)
    told = document("store", "retain", "--store", url, "--newest", 2)
    assert told["num_events"] == 30 - 5 * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "needs --days or --newest"),
        (["--days", "0"], "--days must be above 0"),
        (["--newest", "0"], "--newest 1 or more"),
    ],
)
def test_retention_must_say_what_stays(url, options, message):
    result = invoke("store", "retain", "--store", url, *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_everything_of_a_user_is_exported_and_then_forgotten(url, tmp_path):
    exported = document("store", "export-user", "u1", "--store", url)
    assert (len(exported["events"]), exported["attributes"]) == (12, {"age": 31})
    file = tmp_path / "u1.json"
    done("store", "export-user", "u1", "--store", url, "--out", file)
    assert json.loads(file.read_text())["events"] == exported["events"]
    assert invoke("store", "export-user", "u1", "--store", url, "--out", file).exit_code == 1
    receipt = document("store", "forget", "u1", "--store", url)
    counts = receipt["num_events"], receipt["num_memories"], receipt["num_attributes"]
    assert counts == (12, 1, 1)
    assert (
        "Not reached: Copies of the files" in done("store", "forget", "u1", "--store", url).stdout
    )
    result = invoke("store", "export-user", "u1", "--store", url)
    assert result.exit_code == 1
    assert 'Nothing is kept of the user "u1"' in result.stderr


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    for command in (["stats"], ["forget", "u1"]):
        result = invoke("store", *command, "--store", f"sqlite:///{tmp_path}/typo.db")
        assert result.exit_code == 1
        assert "There is no store at sqlite:///" in result.stderr
    assert list(tmp_path.iterdir()) == []
    assert "no command can reach it" in invoke("store", "stats", "--store", "memory://").stderr


def test_passwords_are_blotted_out():
    result = invoke("store", "stats", "--store", "postgresql://ann:s3cret@db/x")
    assert result.exit_code == 3
    assert "s3cret" not in result.output
    assert "postgresql://ann:***@db/x" in result.stderr


def test_a_store_is_prepared_with_its_items_and_users(url, tmp_path):
    told = document("prepare", url, "--split", "leave-one-out", "--out", tmp_path / "data")
    assert told["path"] == str(tmp_path / "data")
    data = PreparedData.load(tmp_path / "data")
    assert len(data.log.item_index) == 60
    assert sorted(data.users.ids) == [f"u{i}" for i in range(5)]
    assert set(data.item_table.columns) >= {"item_id", "title", "price"}
    assert data.manifest["source"] == url


def test_a_prepared_store_has_nothing_of_whom_it_forgot(url, tmp_path):
    done("store", "forget", "u3", "--store", url)
    done("prepare", url, "--split", "leave-one-out", "--out", tmp_path / "data")
    data = PreparedData.load(tmp_path / "data")
    assert "u3" not in data.users.ids
    assert len(data.log.item_index) == 48


def test_options_of_files_are_refused_for_a_store(url, tmp_path):
    result = invoke("prepare", url, "--columns", "user_id=u", "--out", tmp_path / "data")
    assert result.exit_code == 2
    assert "is a store" in result.stderr
    SqliteStore(tmp_path / "empty.db").close()
    result = invoke("prepare", f"sqlite:///{tmp_path}/empty.db", "--out", tmp_path / "data")
    assert result.exit_code == 1
    assert "holds none" in result.stderr
    assert not (tmp_path / "data").exists()
