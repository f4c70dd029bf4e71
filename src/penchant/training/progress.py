"""What a training says while it runs: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

PLAIN_SECONDS = 30.0
"""Between two plain lines within one epoch."""


class Reporter(Protocol):
    """Hears of everything that happens in a training."""

    def work(self, name: str, num_done: int, num_all: int | None) -> None:
        """Something that comes before the training, such as reading texts, has come so far."""

    def start_epoch(self, epoch: int, num_epochs: int, num_targets: int, num_done: int) -> None:
        """Epoch `epoch` (counted from 1) begins, or goes on behind `num_done` targets."""

    def step(self, num_targets: int, loss: float) -> None:
        """A step over so many targets was made; `loss` is the mean of the epoch so far."""

    def end_epoch(self, record: dict[str, Any]) -> None:
        """An epoch is over; the record is a line of the history."""

    def note(self, text: str) -> None:
        """Something is to be said."""

    def close(self) -> None:
        """The training is over or left."""


class SilentReporter:
    """Says nothing."""

    def work(self, name: str, num_done: int, num_all: int | None) -> None:
        """Say nothing."""

    def start_epoch(self, epoch: int, num_epochs: int, num_targets: int, num_done: int) -> None:
        """Say nothing."""

    def step(self, num_targets: int, loss: float) -> None:
        """Say nothing."""

    def end_epoch(self, record: dict[str, Any]) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


class PlainReporter:
    """Prints a line per epoch, and one every half minute within it.

    Parameters
    ----------
    stream
        Where to; standard error when left out.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._working_on = ""

    def work(self, name: str, num_done: int, num_all: int | None) -> None:
        """Print a line when the last one is long ago."""
        now = time.monotonic()
        if name != self._working_on:
            self._working_on, self._num_before = name, num_done
            self._started = self._said = now
        elif now - self._said >= PLAIN_SECONDS and num_all:
            self._said = now
            rate = max(num_done - self._num_before, 1) / (now - self._started)
            self.note(
                f"{name}: {num_done:,} of {num_all:,}  {rate:,.0f}/s  "
                f"{clock((num_all - num_done) / rate)} left"
            )

    def start_epoch(self, epoch: int, num_epochs: int, num_targets: int, num_done: int) -> None:
        """Remember where the epoch stands."""
        self._epoch, self._num_epochs = epoch, num_epochs
        self._num_targets, self._num_done, self._num_before = num_targets, num_done, num_done
        self._started = self._said = time.monotonic()

    def step(self, num_targets: int, loss: float) -> None:
        """Print a line when the last one is long ago."""
        self._num_done += num_targets
        now = time.monotonic()
        if now - self._said >= PLAIN_SECONDS:
            self._said = now
            rate = (self._num_done - self._num_before) / (now - self._started)
            left = max(self._num_targets - self._num_done, 0) / rate
            self.note(
                f"epoch {self._epoch}/{self._num_epochs}  "
                f"{self._num_done / self._num_targets:4.0%}  loss {loss:.4f}  "
                f"{rate:,.0f} targets/s  {clock(left)} left in this epoch"
            )

    def end_epoch(self, record: dict[str, Any]) -> None:
        """Print the epoch's figures."""
        left = (self._num_epochs - self._epoch) * (time.monotonic() - self._started)
        self.note(f"{line(record, self._num_epochs)}  at most {clock(left)} left")

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._stream or sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is held back."""


class BarReporter:
    """Draws a bar for the epoch under way and prints a line per epoch above it.

    Parameters
    ----------
    console
        Where to; standard error when left out.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[num_epochs]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._num_epochs = 0
        self._task: Any = None
        self._before = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )

    def work(self, name: str, num_done: int, num_all: int | None) -> None:
        """Draw a bar that goes away when it is full."""
        self._before.start()
        if not self._before.tasks or self._before.tasks[-1].description != name:
            self._before.add_task(name, total=num_all)
        self._before.update(self._before.tasks[-1].id, completed=num_done, total=num_all)
        if num_done == num_all:
            self._before.stop()

    def start_epoch(self, epoch: int, num_epochs: int, num_targets: int, num_done: int) -> None:
        """Begin a new bar."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._num_epochs = num_epochs
        self._progress.start()
        self._task = self._progress.add_task(
            "", total=num_targets, epoch=epoch, num_epochs=num_epochs, loss=float("nan")
        )
        self._progress.update(self._task, completed=num_done)

    def step(self, num_targets: int, loss: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, advance=num_targets, loss=loss)

    def end_epoch(self, record: dict[str, Any]) -> None:
        """Print the epoch's figures above the bar."""
        self.note(line(record, self._num_epochs))

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bars away."""
        self._before.stop()
        self._progress.stop()


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} targets/s")


def make_reporter(kind: str | Reporter = "auto") -> Reporter:
    """Return `bar`, `plain`, `none`; `auto` is a bar where standard error is a terminal."""
    if not isinstance(kind, str):
        return kind
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() else "plain"
    return {"bar": BarReporter, "plain": PlainReporter, "none": SilentReporter}[kind]()


def line(record: dict[str, Any], num_epochs: int) -> str:
    """Return the line of an epoch.

    Examples
    --------
    >>> record = {"epoch": 3, "loss": 6.5, "sequence_loss": 6.1, "interest_loss": 4.0,
    ...           "metric": "ndcg@10", "value": 0.1234, "best_epoch": 2, "best_value": 0.13,
    ...           "targets_per_s": 41000.4, "train_s": 61.0, "validation_s": 4.0}
    >>> line(record, 10).split("  ")[1:3]
    ['loss 6.5000 (sequence 6.1000, interest 4.0000)',
     'validation ndcg@10 0.1234 (best 0.1300 at 2)']
    """
    value, best = record["value"], record["best_value"]
    validation = (
        ""
        if value is None
        else f"  validation {record['metric']} {value:.4f} "
        f"(best {best if best is None else format(best, '.4f')} at {record['best_epoch']})"
    )
    return (
        f"epoch {record['epoch']}/{num_epochs}  loss {record['loss']:.4f} "
        f"(sequence {record['sequence_loss']:.4f}, interest {record['interest_loss']:.4f})"
        f"{validation}  {record['targets_per_s']:,.0f} targets/s  "
        f"{clock(record['train_s'])} + {clock(record['validation_s'])}"
    )


def clock(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds.

    Examples
    --------
    >>> clock(59.6), clock(3 * 3600 + 65)
    ('1:00', '3:01:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
