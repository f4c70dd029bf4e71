"""The one place where errors become exit codes, and a command's end is what a script can rely on.

0 done, 1 the input is at fault, 2 usage, 3 surroundings, 70 a fault of ours, 130 interrupted.
Messages go to standard error in at most three lines; with `--json` standard output holds one
document, whatever happens.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from penchant.cli.output import print_document
from penchant.errors import PenchantError
from penchant.stores.urls import blot

DONE, BAD_INPUT, USAGE, SURROUNDINGS, FAULT, INTERRUPTED = 0, 1, 2, 3, 70, 130

# Typer carries click inside or beside it, depending on its version; its own names lead there.
_UsageMistake: Any = typer.BadParameter.__base__
_ClickError: Any = _UsageMistake.__base__


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told about an error."""

    exit_code: int
    code: str
    message: str
    hint: str = ""

    def lines(self) -> list[str]:
        """Return the message and the hint, one line each."""
        told = [f"error: {_one_line(self.message)}"]
        return [*told, _one_line(self.hint)] if self.hint else told

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        return {"error": error}


def failure_of(error: BaseException) -> Failure:
    """Say how an error ends the program.

    Examples
    --------
    >>> failure_of(PermissionError(13, "Permission denied", "runs")).lines()
    ['error: runs: Permission denied.', 'Give another place, or make this one usable.']
    """
    if isinstance(error, PenchantError):
        return Failure(error.exit_code, error.code, error.message, error.hint)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Failure(INTERRUPTED, "interrupted", "Interrupted.")
    if isinstance(error, _ClickError):
        return _usage(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        hint = "Give the path of what exists."
        return Failure(BAD_INPUT, "missing_file", _os_message(error), hint)
    if isinstance(error, OSError) and error.errno is not None:
        hint = "Give another place, or make this one usable."
        return Failure(SURROUNDINGS, "environment", _os_message(error), hint)
    if isinstance(error, MemoryError):
        hint = "Give a smaller batch or a bigger machine."
        return Failure(SURROUNDINGS, "out_of_memory", "There is not enough memory.", hint)
    message = f"{type(error).__name__}: {error}"
    return Failure(FAULT, "fault", f"This is a fault of Penchant, not yours: {blot(message)}")


def _usage(error: Any) -> Failure:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "penchant"
    return Failure(error.exit_code, "usage", error.format_message(), f"Try: {path} --help")


def _os_message(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}."


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def write_report(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Write a report of a fault, here or among the temporary files; `None` where neither can be."""
    import penchant

    now = datetime.datetime.now(datetime.UTC)
    lines = [
        f"penchant {penchant.__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}, {now.isoformat(timespec='seconds')}",
        f"command: penchant {' '.join(arguments)}",
        "",
        *traceback.format_exception(error),
    ]
    name = f"penchant-fault-{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            path = folder / name
            path.write_text(blot("\n".join(lines)), encoding="utf-8")
            return path
    return None


def _tell(failure: Failure, as_json: bool) -> None:
    if as_json:
        print_document(failure.document())
    for line in failure.lines():
        print(line, file=sys.stderr, flush=True)


def _write_anything() -> None:
    """Let a terminal that lacks a letter show another: it is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def _close_output() -> None:
    """Point standard output at nothing: its reader has gone, and Python would complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Stopped(Exception):  # noqa: N818  never leaves this file
    """Carries an error past typer, which would give it an exit code of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Frame(TyperGroup):
    """The group of all commands; its `main` is the way in and the way out."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise _Stopped(error) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,  # noqa: ARG002  whatever the file is called
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002  what typer would do alone is done here
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and leave with its exit code."""
        given = list(sys.argv[1:] if args is None else args)
        _write_anything()
        debug = "--debug" in given
        given = [argument for argument in given if argument != "--debug"]
        try:
            code = super().main(
                given, "penchant", complete_var, False, windows_expand_args, **extra
            )
            sys.stdout.flush()
        except _Stopped as stopped:
            code = self._end(stopped.error, given, debug)
        except BaseException as error:
            code = self._end(error, given, debug)
        sys.exit(code if isinstance(code, int) else DONE)

    def _end(self, error: BaseException, arguments: list[str], debug: bool) -> int:
        if isinstance(error, BrokenPipeError):
            _close_output()
            return DONE
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else DONE
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help itself
            print(error, file=sys.stderr)
            return USAGE
        failure = failure_of(error)
        if failure.exit_code == FAULT:
            path = write_report(error, arguments)
            hint = f"Please report it with the file {path}." if path else "Run with --debug."
            failure = Failure(FAULT, failure.code, failure.message, hint)
        if debug:
            traceback.print_exception(error)
        _tell(failure, "--json" in arguments)
        return failure.exit_code
