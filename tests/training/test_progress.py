import io

import pytest
from rich.console import Console

from penchant.training import progress
from penchant.training.progress import BarReporter, PlainReporter, SilentReporter, make_reporter

RECORD = {
    "epoch": 2,
    "loss": 5.25,
    "sequence_loss": 5.0,
    "interest_loss": 2.5,
    "metric": "hit@5",
    "value": 0.25,
    "best_epoch": 1,
    "best_value": 0.5,
    "targets_per_s": 12345.6,
    "train_s": 61.4,
    "validation_s": 3601.0,
}
LINE = (
    "epoch 2/9  loss 5.2500 (sequence 5.0000, interest 2.5000)  "
    "validation hit@5 0.2500 (best 0.5000 at 1)  12,346 targets/s  1:01 + 1:00:01"
)


def test_epoch_without_validation_says_nothing_about_it():
    record = {**RECORD, "value": None, "best_value": None}
    assert "validation" not in progress.line(record, 9)


def test_plain_lines_tell_rate_and_time_left(monkeypatch):
    now = iter([100.0, 110.0, 140.0, 160.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    reporter.start_epoch(2, 9, 1000, 200)
    reporter.step(100, 5.5)
    reporter.step(300, 5.25)
    reporter.end_epoch(RECORD)
    assert stream.getvalue().splitlines() == [
        "epoch 2/9   60%  loss 5.2500  10 targets/s  0:40 left in this epoch",
        f"{LINE}  at most 7:00 left",
    ]


def test_bar_prints_epochs_above_itself():
    stream = io.StringIO()
    reporter = BarReporter(Console(file=stream, force_terminal=True, width=200))
    for epoch in (1, 2):
        reporter.start_epoch(epoch, 9, 1000, 0)
        reporter.step(500, 5.25)
        reporter.end_epoch({**RECORD, "epoch": epoch})
    reporter.close()
    assert LINE in stream.getvalue()
    assert "targets/s" in stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "expected"), [("none", SilentReporter), ("plain", PlainReporter), ("bar", BarReporter)]
)
def test_reporters_are_found_by_name(kind, expected):
    assert isinstance(make_reporter(kind), expected)


def test_without_a_terminal_lines_are_plain(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(make_reporter(), PlainReporter)


def test_plain_lines_tell_how_far_the_work_before_a_training_has_come(monkeypatch):
    now = iter([100.0, 120.0, 140.0, 150.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    for num_done in (1_000, 1_500, 3_000, 3_100):
        reporter.work("minilm", num_done, 9_000)
    # 2,000 in 40 s, and 6,000 to go
    assert stream.getvalue() == "minilm: 3,000 of 9,000  50/s  2:00 left\n"


def test_a_bar_shows_the_work_before_a_training_and_goes_away():
    stream = io.StringIO()
    reporter = BarReporter(Console(file=stream, force_terminal=True, width=90))
    reporter.work("minilm", 40, 90)
    assert reporter._before.tasks[-1].completed == 40
    reporter.work("minilm", 90, 90)
    assert reporter._before.finished
    reporter.close()
    assert "minilm" in stream.getvalue()
