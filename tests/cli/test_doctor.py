import json

import pytest

from penchant.cli import doctor as module

from .conftest import done


def test_doctor_tells_versions_devices_and_space():
    found = json.loads(done("doctor", "--json").stdout)
    assert found["devices"][0] == "cpu"
    assert found["packages"]["torch"]
    assert found["disk"]["total_bytes"] >= found["disk"]["free_bytes"] > 0
    assert "processors" in done("doctor").stdout


def test_what_is_missing_is_said_with_what_installs_it(monkeypatch):
    kept = module.importlib.util.find_spec
    missing = {"pandas", "torch"}
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: None if name in missing else kept(name)
    )
    said = done("doctor").stdout
    assert "not installed: pip install 'penchant[pandas]'" in said
    assert "MISSING" in said
    assert "none: torch is missing" in said


@pytest.mark.parametrize(("size", "told"), [(None, "unknown"), (1_500_000_000, "1.5 GB")])
def test_sizes_are_told_in_gigabytes(size, told):
    assert module._gigabytes(size) == told


def test_the_version_is_shown():
    assert done("--version").stdout.startswith("penchant ")
