"""Several processes on one file: no lost update, every write seen, and one that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from penchant.stores import LoggedEvent, SqliteStore

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from dataclasses import replace
from penchant.stores import LoggedEvent, open_store

url, name = sys.argv[1:]
with open_store(url) as store:
    for number in range(120):
        user_id = f"u{number % 3}"
        with store.transaction(user_id):
            store.append(LoggedEvent(user_id, "item", number, f"{name}/{number}"))
            memory = store.get_memory(user_id, "b")
            store.put_memory(user_id, "b", replace(memory, num_events=memory.num_events + 1))
"""


def test_two_processes_write_the_same_users_and_lose_no_update(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with SqliteStore(tmp_path / "store.db") as store:
        for user_id in ("u0", "u1", "u2"):
            events = store.events(user_id)
            assert len({each.sequence for each in events}) == len(events) == 3 * 40
            assert store.get_memory(user_id, "b").num_events == 3 * 40


def test_what_one_has_written_the_other_reads_at_once(tmp_path):
    path = tmp_path / "store.db"
    with SqliteStore(path) as one, SqliteStore(path) as other:
        for number in range(5):
            one.append(LoggedEvent("u1", "item", number, f"e{number}"))
            assert len(other.events("u1")) == number + 1
        one.put_item("item", {"price": 1})
        before = other.changes()["items"]
        one.put_item("item", {"price": 2})
        assert other.changes()["items"] > before
        assert other.get_item("item").attributes == {"price": 2}
        assert one.blind("u1") == other.blind("u1")
        one.forget("u1", now_ms=9)
        assert other.events("u1") == []
        outcome, _ = other.append(LoggedEvent("u1", "item", 4, "e4"))
        assert outcome.value == "forgotten"


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path):
    script = ROOT / "benchmarks" / "kill_test.py"
    command = [sys.executable, script, "--rounds", "3", "--num-users", "50", "--seconds", "0.4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert (told["rounds"], told["num_lost"], told["num_applied_wrongly"]) == (3, 0, 0)
    assert told["num_acknowledged"] > 3
    assert told["slowest_ready_s"] < 5
