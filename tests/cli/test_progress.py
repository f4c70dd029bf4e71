from penchant.cli import progress
from penchant.cli.progress import BYTES, Progress


def test_plain_lines_come_now_and_then(capsys, monkeypatch):
    now = iter([0.0, 4.0, 10.5, 11.0, 21.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with Progress("users") as shown:
        for num_done in (1, 2, 3_000, 4_000, 5_000):
            shown.told("recommending", num_done, 6_000)
    assert capsys.readouterr().err.splitlines() == [
        "recommending: 3,000 of 6,000 users",
        "recommending: 5,000 of 6,000 users",
    ]


def test_bytes_are_told_in_megabytes(capsys, monkeypatch):
    now = iter([0.0, 10.5])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with Progress(BYTES) as shown:
        shown.told("ml.zip", 1, None)
        shown.told("ml.zip", 2_500_000, None)
    assert capsys.readouterr().err == "ml.zip: 2.5 MB\n"


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    for unit in ("users", BYTES):
        with Progress(unit) as shown:
            shown.told("working", 1, 2)
            shown.told("working", 2, 2)
        assert shown._bar.tasks[0].completed == 2
