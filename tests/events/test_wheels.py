"""A wheel is brought as a file, with the bytes told while they come."""

import subprocess
import time
from pathlib import Path

import pytest

from penchant.errors import EnvironmentFault
from penchant.events import wheels
from penchant.events.downloading import checksum_of
from penchant.events.wheels import download_wheel


def stand_in(num_bytes: int, pause_s: float = 0.0):
    """Return what stands in for pip: it writes a part, then the wheel."""

    def run(command, *, env, timeout, **_):
        (Path(env["TMPDIR"]) / "part").write_bytes(b"x" * (num_bytes - 1))
        time.sleep(pause_s)
        into = Path(command[command.index("--dest") + 1])
        (into / "example-1.0-py3-none-any.whl").write_bytes(b"x" * num_bytes)
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def test_the_bytes_are_told_while_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", stand_in(1000, pause_s=1.3))
    (tmp_path / "same").write_bytes(b"x" * 1000)
    checksum = checksum_of(tmp_path / "same", "sha256:")
    told: list[tuple] = []
    found = download_wheel(
        "example==1.0", tmp_path, checksum=checksum, progress=lambda *parts: told.append(parts),
        num_bytes=1000,
    )  # fmt: skip
    assert found.name == "example-1.0-py3-none-any.whl"
    assert told == [("example==1.0", 999, 1000), ("example==1.0", 1000, 1000)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [found.name, "same"]


def test_a_pip_that_says_nothing_is_still_an_error(tmp_path, monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "")
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(EnvironmentFault, match="pip cannot download it: it says nothing"):
        download_wheel("example==1.0", tmp_path, checksum="sha256:0")
