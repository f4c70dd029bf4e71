import subprocess
import sys

import pytest

from penchant.errors import InputError, MissingExtraError
from penchant.stores import InProcessStore, SqliteStore, blot, open_store


def test_memory_is_opened_by_its_address():
    assert isinstance(open_store("memory://"), InProcessStore)


def test_a_file_is_opened_by_a_relative_or_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    with open_store("sqlite:///rel.db"), open_store(f"sqlite:///{tmp_path}/deep/abs.db") as store:
        assert isinstance(store, SqliteStore)
        assert store.url == f"sqlite:///{tmp_path}/deep/abs.db"
    assert (tmp_path / "rel.db").is_file()
    assert (tmp_path / "deep" / "abs.db").is_file()


@pytest.mark.parametrize("address", ["", "memory", "memory://x", "mysql://host/db"])
def test_an_unknown_address_is_refused(address):
    with pytest.raises(InputError, match=r"must look like sqlite:///penchant.db but .* was given"):
        open_store(address)


@pytest.mark.parametrize(
    "address", ["sqlite://", "sqlite:///", "sqlite://a.db", "sqlite:///:memory:"]
)
def test_an_address_without_a_file_is_refused(address):
    with pytest.raises(InputError, match=r"sqlite:///rel.db or sqlite:////abs.db but is") as caught:
        open_store(address)
    assert "for no file at all use memory://" in caught.value.hint


@pytest.mark.parametrize("address", ["redis://cache", "postgresql+psycopg://ann:s3cret@db/x"])
def test_a_store_to_come_is_named_without_its_password(address):
    with pytest.raises(MissingExtraError, match=r"holds no (redis|postgresql) store") as caught:
        open_store(address)
    assert "s3cret" not in str(caught.value)


def test_passwords_are_blotted_out_wherever_they_stand():
    text = "redis://:p/w@cache:6379 and postgresql://ann:s3cret@db/x and sqlite:///plain.db"
    assert (
        blot(text) == "redis://:***@cache:6379 and postgresql://ann:***@db/x and sqlite:///plain.db"
    )


def test_stores_never_import_torch():
    code = "import sys, penchant.stores; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
