import errno
import json
import os
import signal
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from penchant.cli import app
from penchant.cli.frame import Failure, Frame, failure_of
from penchant.errors import (
    EnvironmentFault,
    InputError,
    MissingExtraError,
    MissingFileError,
    UsageError,
)

toy = typer.Typer(cls=Frame, name="penchant", rich_markup_mode=None)

ERRORS = {
    "input": InputError("events.csv: line 3 has 4 fields,\nnot 3.", "Mend the line."),
    "file": MissingFileError("There is no file events.csv."),
    "usage": UsageError("--out is needed.", "Give --out."),
    "network": EnvironmentFault("The network cannot be reached.", "Give a mirror."),
    "extra": MissingExtraError("pandas is not installed.", "pip install 'penchant[pandas]'"),
    "disk": OSError(errno.ENOSPC, "No space left on device", "runs/x"),
    "missing": FileNotFoundError(errno.ENOENT, "No such file or directory", "gone.toml"),
    "memory": MemoryError(),
    "fault": ZeroDivisionError("at postgresql://ann:s3cret@db/x"),
    "interrupt": KeyboardInterrupt(),
}


@toy.command()
def fail(kind: str, as_json: bool = typer.Option(False, "--json")) -> None:
    raise ERRORS[kind]


@toy.command()
def work(number: int = 1) -> None:
    print("done", number)


def run(*arguments: str):
    return CliRunner().invoke(toy, list(arguments))


@pytest.mark.parametrize(
    ("kind", "exit_code", "said"),
    [
        ("input", 1, ["error: events.csv: line 3 has 4 fields, not 3.", "Mend the line."]),
        ("file", 1, ["error: There is no file events.csv."]),
        ("usage", 2, ["error: --out is needed.", "Give --out."]),
        ("network", 3, ["error: The network cannot be reached.", "Give a mirror."]),
        ("extra", 3, ["error: pandas is not installed.", "pip install 'penchant[pandas]'"]),
        ("disk", 3, ["error: runs/x: No space left on device.",
                     "Give another place, or make this one usable."]),
        ("missing", 1, ["error: gone.toml: No such file or directory.",
                        "Give the path of what exists."]),
        ("memory", 3, ["error: There is not enough memory.",
                       "Give a smaller batch or a bigger machine."]),
        ("interrupt", 130, ["error: Interrupted."]),
    ],
)  # fmt: skip
def test_every_error_has_its_exit_code_and_its_lines(kind, exit_code, said):
    result = run("fail", kind)
    assert result.exit_code == exit_code
    assert result.stderr.splitlines() == said
    assert result.stdout == ""


def test_with_json_standard_output_is_one_document():
    result = run("fail", "input", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "schema": 1,
        "error": {
            "code": "bad_input",
            "message": "events.csv: line 3 has 4 fields,\nnot 3.",
            "hint": "Mend the line.",
        },
    }
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["work", "--nmber", "2"], "--nmber"),
        (["work", "--number", "two"], "--NUMBER"),
        (["wrok"], "wrok"),
        (["fail"], "KIND"),
    ],
)
def test_usage_errors_exit_with_two_and_name_the_help(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert said in lines[0].upper() + lines[0]
    assert lines[-1].startswith("Try: penchant")
    assert lines[-1].endswith("--help")


def test_usage_errors_are_documents_too():
    result = run("fail", "--json", "--what")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "usage"


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_a_group_alone_shows_its_help(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(" ".join(["Usage: penchant", *arguments]))
    assert len(result.stderr.splitlines()) > 5


def test_a_fault_leaves_a_report_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("fail", "fault")
    assert result.exit_code == 70
    assert "Traceback" not in result.output
    [report] = tmp_path.glob("penchant-fault-*.txt")
    first, second = result.stderr.splitlines()
    assert first.startswith("error: This is a fault of Penchant, not yours: ZeroDivisionError")
    assert second == f"Please report it with the file {report}."
    text = report.read_text()
    assert "Traceback" in text
    assert "command: penchant fail fault" in text
    assert "s3cret" not in text + result.output


def test_a_report_goes_to_the_temporary_files_where_the_folder_is_gone(tmp_path, monkeypatch):
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(elsewhere))
    monkeypatch.setattr("pathlib.Path.cwd", lambda: tmp_path / "gone")
    assert run("fail", "fault").exit_code == 70
    assert len(list(elsewhere.glob("penchant-fault-*.txt"))) == 1


@pytest.mark.parametrize("arguments", [["--debug", "fail", "input"], ["fail", "input", "--debug"]])
def test_debug_shows_the_traceback(arguments):
    result = run(*arguments)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_success_exits_with_zero():
    result = run("work", "--number", "3")
    assert (result.exit_code, result.stdout) == (0, "done 3\n")


def test_an_abort_counts_as_interrupted():
    assert failure_of(typer.Abort()) == Failure(130, "interrupted", "Interrupted.")


SCRIPT = """
import sys, time, typer
from penchant.cli.frame import Frame
app = typer.Typer(cls=Frame)

@app.command()
def count() -> None:
    for number in range(10**6):
        print(number)

@app.command()
def sleep() -> None:
    print("asleep", flush=True)
    time.sleep(30)

app()
"""


@pytest.mark.parametrize("command", ["words", "document"])
def test_an_output_without_the_letters_is_no_fault(command):
    code = SCRIPT.replace("app()\n", "") + (
        "from penchant.cli.output import Output\n"
        "@app.command()\n"
        "def words() -> None: print('a − ü \\ud800')\n"
        "@app.command()\n"
        "def document() -> None: Output(True).document({'id': 'ü'})\n"
        "app()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=True,
    )
    wanted = {"words": b"a ? ? ?\n", "document": b'{"schema": 1, "id": "\\u00fc"}\n'}
    assert done.stdout.replace(b"\r", b"") == wanted[command]


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "count"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_control_c_exits_with_130():
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "sleep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"asleep\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode().splitlines() == ["error: Interrupted."]
