"""The examples of docs/serving.md run as they are written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..serving.world import make_bundle
from .test_process import served

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```$", TEXT, re.M | re.S)
FILMS = ("50", "172", "181", "174", "56", "1")


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_example_is_answered(tmp_path):
    for seed, name in enumerate(("first", "second")):
        bundle = make_bundle(seed, items=FILMS)
        bundle.model.float()
        bundle.save(tmp_path / "runs" / name)
    told = ("runs/first", "--store", "sqlite:///s.db", "--models-dir", "runs")
    with served(*told, cwd=tmp_path) as service:
        tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        found = {"PENCHANT": service.address, "PATH": tools, "HOME": str(tmp_path)}
        strict = 'set -euo pipefail\ncurl() { command curl --fail-with-body "$@" && echo; }\n'
        for language, block in BLOCKS:
            command = {"bash": ["bash", "-c", strict + block], "python": ["python", "-c", block]}
            done = subprocess.run(
                command[language], cwd=tmp_path, env=found, text=True,
                capture_output=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, block + done.stdout + done.stderr
            assert done.stdout.strip()


def test_the_table_of_errors_names_every_status_that_is_documented():
    from penchant.serving.app.openapi import statuses
    from penchant.serving.app.routes import ROUTES

    table = TEXT.partition("## Errors")[2].partition("##")[0]
    told = {int(status) for status in re.findall(r"\d{3}", table)}
    assert told == {status for route in ROUTES for status in statuses(route)} | {405, 500}
