"""A small log, prepared and trained on once, for all tests of the commands."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from penchant.cli import app

NUM_USERS, NUM_ITEMS = 31, 17
QUICK = ("width=8", "training.num_epochs=2", "training.tracker=none", "training.num_threads=1")


def invoke(*arguments: object, input: str | None = None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


def done(*arguments: object, input: str | None = None):
    result = invoke(*arguments, input=input)
    assert result.exit_code == 0, result.output
    return result


def settings(*lines: str) -> list[str]:
    return [part for line in (*QUICK, *lines) for part in ("--set", line)]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    rows = [
        f"u{user},i{(user * 5 + place * 3) % NUM_ITEMS},{1_000 + 700 * place + 13 * user}"
        for user in range(NUM_USERS)
        for place in range(6 + user % 5)
    ]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    titles = [f"i{item},The Title of {item}" for item in range(NUM_ITEMS)]
    (folder / "items.csv").write_text("\n".join(["item_id,title", *titles]) + "\n")
    done(
        "prepare", folder / "events.csv", "--items", folder / "items.csv", "--split",
        "leave-one-out", "--out", folder / "data",
    )  # fmt: skip
    done("train", folder / "data", "--out", folder / "run", "--seed", 3, *settings())
    return folder


@pytest.fixture(scope="session")
def data(made):
    return made / "data"


@pytest.fixture(scope="session")
def run(made):
    return made / "run"


@pytest.fixture
def own_run(run, tmp_path):
    """A copy of the run, for a test that changes it."""
    return shutil.copytree(run, tmp_path / "run")
