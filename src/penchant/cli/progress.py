"""Progress as a person sees it: bars with rate and time left on a terminal, plain lines elsewhere.

All of it goes to standard error. A download is counted in bytes, everything else in things.
"""

from __future__ import annotations

import sys
import time
from typing import Any

EVERY_S = 10.0
"""Seconds between two plain lines about one thing."""

BYTES = "bytes"


class Progress:
    """Shows how far things have come while the block runs.

    Parameters
    ----------
    unit
        What is counted: `bytes`, or a plural such as `users`.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._said_at: dict[str, float] = {}

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._bar = _bar(self._unit)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def told(self, name: str, num_done: int, num_all: int | None) -> None:
        """Hear how much of a thing is done, and of how much, where that is known."""
        if self._bar is None:
            self._say(name, num_done, num_all)
            return
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=num_all)
        self._bar.update(self._tasks[name], completed=num_done, total=num_all)

    def _say(self, name: str, num_done: int, num_all: int | None) -> None:
        now = time.monotonic()
        if now - self._said_at.setdefault(name, now) >= EVERY_S:
            self._said_at[name] = now
            numbers = [num_done, *([] if num_all is None else [num_all])]
            told = " of ".join(self._told(number) for number in numbers)
            unit = "MB" if self._unit == BYTES else self._unit
            print(f"{name}: {told} {unit}", file=sys.stderr, flush=True)

    def _told(self, number: int) -> str:
        return f"{number / 1e6:.1f}" if self._unit == BYTES else f"{number:,}"


def _bar(unit: str) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import (
        Progress as RichProgress,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{unit}, {task.speed or 0:,.0f}/s")

    counted = [DownloadColumn(), TransferSpeedColumn()]
    if unit != BYTES:
        counted = [MofNCompleteColumn(), RateColumn()]
    columns = [TextColumn("{task.description}"), BarColumn(), *counted, TimeRemainingColumn()]
    return RichProgress(*columns, console=Console(stderr=True), transient=True)
