"""What was put comes back bit for bit, whoever else writes at the same time."""

import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest

from penchant.errors import CorruptBundleError, EnvironmentFault
from penchant.texts import VectorCache
from penchant.texts import cache as module

WRITER = """
import sys
import numpy as np
from penchant.texts import VectorCache

path, name, num_rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(num_rounds):
    with VectorCache(path) as cache:
        own = [f"{name} {number} {place}" for place in range(20)]
        shared = [f"shared {number} {place}" for place in range(20)]
        rows = np.full((40, 3), number, np.float32)
        cache.put("f", 128, own + shared, rows)
        assert len(cache.get("f", 128, own + shared)) == 40
"""


def rows_of(num_rows, width=5):
    return np.random.default_rng(7).normal(size=(num_rows, width)).astype(np.float32)


@pytest.fixture
def kept(tmp_path):
    with VectorCache(tmp_path / "deep" / "texts.sqlite") as cache:
        yield cache


def test_vectors_come_back_bit_for_bit(kept):
    texts = [f"text {number}" for number in range(1203)]
    vectors = rows_of(1203) * 1e-20
    kept.put("f", 128, texts, vectors)
    found = kept.get("f", 128, ["absent", *texts[::-1], texts[0]], width=5)
    assert sorted(found) == list(range(1, 1205))
    np.testing.assert_array_equal([found[place] for place in range(1, 1204)], vectors[::-1])
    np.testing.assert_array_equal(found[1204], vectors[0])
    assert len(kept) == 1203


def test_another_model_or_length_finds_nothing(kept):
    kept.put("f", 128, ["soap"], rows_of(1))
    assert kept.get("g", 128, ["soap"]) == {}
    assert kept.get("f", 64, ["soap"]) == {}
    assert list(kept.get("f", 128, ["soap"])) == [0]


def test_nothing_is_made_by_asking(tmp_path):
    cache = VectorCache(tmp_path / "texts.sqlite")
    assert cache.get("f", 128, ["soap"]) == {}
    assert len(cache) == 0
    assert not cache.path.exists()


def test_a_text_keeps_its_first_vector(kept):
    first, second = rows_of(2)
    kept.put("f", 1, ["soap"], first[None])
    kept.put("f", 1, ["soap"], second[None])
    np.testing.assert_array_equal(kept.get("f", 1, ["soap"])[0], first)


def test_it_lies_in_the_cache_folder_unless_told(cache):
    assert VectorCache().path == cache / "texts.sqlite"


def test_two_processes_write_at_once(tmp_path):
    path = tmp_path / "new" / "texts.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    running = [subprocess.Popen([*command, name, "8"]) for name in ("one", "two")]
    assert [process.wait(60) for process in running] == [0, 0]
    with VectorCache(path) as cache:
        assert len(cache) == (2 + 1) * 8 * 20


def test_making_the_file_waits_for_another_that_makes_it(tmp_path):
    class Contended(sqlite3.Connection):
        num_refused = 0

        def execute(self, statement, *values):
            if "journal_mode" in statement and self.num_refused < 2:
                self.num_refused += 1
                raise sqlite3.OperationalError("database is locked")
            return super().execute(statement, *values)

    path = tmp_path / "texts.sqlite"
    connection = sqlite3.connect(path, isolation_level=None, factory=Contended)
    module._make(connection)
    connection.close()
    assert connection.num_refused == 2
    with VectorCache(path) as cache:
        cache.put("f", 1, ["soap"], rows_of(1))


def test_threads_share_an_object(kept):
    def write(name):
        for number in range(10):
            kept.put("f", 1, [f"{name} {number}"], rows_of(1))
            kept.get("f", 1, [f"{name} {number}"])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 40


def test_a_file_that_is_no_cache_is_named(tmp_path):
    path = tmp_path / "texts.sqlite"
    path.write_bytes(b"title,price\n" * 1000)
    with pytest.raises(CorruptBundleError, match=r"texts\.sqlite is no whole cache") as caught:
        VectorCache(path).get("f", 1, ["soap"])
    assert "Delete it" in caught.value.hint


def test_a_file_damaged_in_its_middle_is_named(kept):
    kept.put("f", 1, [f"text {number}" for number in range(500)], rows_of(500, 300))
    kept.close()
    content = bytearray(kept.path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    kept.path.write_bytes(content)
    with pytest.raises(CorruptBundleError, match="is no whole cache"):
        kept.get("f", 1, ["text 7"])


def test_a_vector_of_another_width_is_damage(kept):
    kept.put("f", 1, ["soap"], rows_of(1, width=5))
    with pytest.raises(CorruptBundleError, match="a vector of 20 bytes where 16 must stand"):
        kept.get("f", 1, ["soap"], width=4)


def test_a_newer_format_is_refused_by_number(kept):
    kept.put("f", 1, ["soap"], rows_of(1))
    kept.close()
    with sqlite3.connect(kept.path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(CorruptBundleError, match="it has format 7, and this version reads 1"):
        kept.get("f", 1, ["soap"])


def test_a_file_that_is_held_too_long_is_said(kept, monkeypatch):
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0.05)
    kept.put("f", 1, ["soap"], rows_of(1))
    kept.close()
    other = sqlite3.connect(kept.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(EnvironmentFault, match="cannot be used: database is locked"):
        kept.put("f", 1, ["comb"], rows_of(1))
    other.execute("ROLLBACK")
    other.close()
    kept.put("f", 1, ["comb"], rows_of(1))
    assert len(kept) == 2


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="cannot be made: "):
        VectorCache(tmp_path / "file" / "texts.sqlite").put("f", 1, ["soap"], rows_of(1))
