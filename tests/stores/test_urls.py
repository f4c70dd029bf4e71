import subprocess
import sys

import pytest

from penchant.errors import InputError, MissingExtraError
from penchant.stores import InProcessStore, blot, open_store


def test_memory_is_opened_by_its_address():
    assert isinstance(open_store("memory://"), InProcessStore)


@pytest.mark.parametrize("address", ["", "memory", "memory://x", "mysql://host/db"])
def test_an_unknown_address_is_refused(address):
    with pytest.raises(InputError, match=r"must look like memory:// but .* was given"):
        open_store(address)


@pytest.mark.parametrize("address", ["sqlite:///a.db", "postgresql+psycopg://ann:s3cret@db/x"])
def test_a_store_to_come_is_named_without_its_password(address):
    with pytest.raises(MissingExtraError, match=r"holds no (sqlite|postgresql) store") as caught:
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
