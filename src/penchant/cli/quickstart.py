"""`penchant quickstart`: from a public log to a model, its figures, and a list that moves.

What stands already is used again, so that a second run goes on where the first one stopped.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.evaluating import evaluate_run
from penchant.cli.lists import list_rows, titles_of
from penchant.cli.options import JsonOption, OverwriteOption
from penchant.cli.output import Output
from penchant.cli.progress import BYTES, Progress
from penchant.errors import OutputExistsError, TrainingInterrupted

if TYPE_CHECKING:
    from penchant.events import PreparedData
    from penchant.recommender import Recommender
    from penchant.serving import Event

SHOWN_METRICS = ("ndcg@10", "hit@10")
NUM_MORE = 3
"""Events that are shown moving the list."""


def quickstart(
    dataset: Annotated[str, typer.Option(metavar="NAME", help="See `penchant datasets`.")] = (
        "ml-100k"
    ),
    to: Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run.")] = Path(
        "runs/quickstart"
    ),
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the log and the prepared data.")
    ] = Path("data"),
    mirror: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Folder or address that holds the owner's files."),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """See a public log become a live recommender.

    Fetches, validates, prepares, trains, evaluates, and lets a user's list move with three events.
    """
    out = Output(as_json)
    started = time.monotonic()
    _fetch(out, dataset, data_dir / dataset, mirror)
    data, data_path = _prepare(out, data_dir / dataset, data_dir / f"{dataset}-prepared")
    _train(out, data, data_path, to, overwrite)
    figures = _evaluate(out, to)
    from penchant.recommender import Recommender

    rec = Recommender.load(to)
    shown = _show_live(out, rec, data)
    out.heading(f"Done in {time.monotonic() - started:.0f} s. Try next:")
    first, second = shown["history"][-2:]
    for command in (
        f"penchant recommend {to} --history {first} --history {second} -k 5",
        f"penchant similar {to} --item {second}",
        f"penchant describe {to}",
    ):
        out.line(f"  {command}")
    out.document({"run": to, "data": data_path, "evaluation": figures, "live": shown})


def _fetch(out: Output, dataset: str, path: Path, mirror: str | None) -> None:
    from penchant.events.fetching import fetch

    out.heading(f"1/5 Fetch {dataset}")
    if (path / "dataset.json").is_file():
        out.line(f"{path} is here already.")
        return
    with Progress(BYTES) as progress:
        fetched = fetch(dataset, path, mirror=mirror, progress=progress.told)
    out.line(f"From {fetched.source}, into {path}.")
    out.line(f"Licence: {fetched.dataset.licence} ({fetched.dataset.page})")


def _prepare(out: Output, log_path: Path, path: Path) -> tuple[PreparedData, Path]:
    from penchant.events import EventLog, PreparedData
    from penchant.events.prepared import MARKER

    out.heading("2/5 Look at it, and prepare it")
    if (path / MARKER).is_file():
        data = PreparedData.load(path)
    else:
        users = log_path / "users.parquet"
        log = EventLog.read(
            log_path / "events.parquet",
            items=log_path / "items.parquet",
            users=users if users.exists() else None,
        )
        for finding in log.validate().faults:
            out.line(f"{finding.severity}: {finding.count:,} × {finding.message}")
        data = log.prepare()
        data.save(path)
    for line in data.summary_text().splitlines():
        out.line(line)
    return data, path


def _train(out: Output, data: PreparedData, data_path: Path, to: Path, overwrite: bool) -> None:
    from penchant.config import Config
    from penchant.training import Run, train

    out.heading("3/5 Train")
    has_run = (to / "run.json").is_file() and not overwrite
    if has_run and Run(to).manifest["data"]["fingerprint"] != data.fingerprint:
        raise OutputExistsError(
            f"{to} was trained on other data than {data_path}.",
            "Choose another --out, or say --overwrite.",
        )
    if has_run and Run(to).manifest["state"] == "done":
        out.line(f"{to} is trained already; --overwrite trains anew.")
        return
    try:
        train(
            data,
            None if has_run else Config.load("quickstart"),
            to,
            resume=has_run,
            overwrite=overwrite,
            data_path=data_path.resolve(),
        )
    except TrainingInterrupted as interrupt:
        command = f"penchant quickstart --out {to}"
        raise TrainingInterrupted(interrupt.message, f"Go on with: {command}") from interrupt


def _evaluate(out: Output, run: Path) -> dict[str, Any]:
    out.heading("4/5 Evaluate on what came after")
    figures = _kept_figures(run) or evaluate_run(run)[1]
    told = figures["protocol"]
    out.line(
        f"{figures['num_targets']:,} events of {figures['num_users']:,} users, each ranked among "
        f"{told['num_items']:,} items before it happened; seen items filtered, ties count against"
    )
    out.table(["", *SHOWN_METRICS], figure_rows(figures))
    out.line("in brackets: 95 % intervals over users")
    for name, difference in figures["differences"].items():
        out.line(f"model − {name}: {_cell(difference['ndcg@10'], '+')} ndcg@10")
    return figures


def _kept_figures(run: Path) -> dict[str, Any] | None:
    """Return what an earlier look at the test part found, if it was at the present bundle."""
    from penchant.training import Run

    path = run / "metrics-test.json"
    if not path.is_file():
        return None
    figures = json.loads(path.read_text(encoding="utf-8"))
    is_present = figures.get("model_version") == Run(run).manifest["bundle"]
    return figures if is_present and set(SHOWN_METRICS) <= set(figures["metrics"]) else None


def figure_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return a row per ranker, the model first: its figures with their intervals."""
    rankers = {"model": figures["metrics"], **figures["baselines"]}
    return [
        [name, *(_cell(found[metric]) for metric in SHOWN_METRICS)]
        for name, found in rankers.items()
    ]


def _cell(figure: dict[str, Any], sign: str = "") -> str:
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None:
        return "–"
    if low is None or high is None:
        return f"{value:{sign}.4f}"
    return f"{value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"


def _show_live(out: Output, rec: Recommender, data: PreparedData) -> dict[str, Any]:
    """Let a real user's list move, and return what was shown."""
    user_id, events = someone(data)
    past, more = events[:-NUM_MORE], events[-NUM_MORE:]
    titles = titles_of(rec)
    out.heading(f"5/5 Ten recommendations for user {user_id}, after {len(past)} events")
    last = ", ".join(_title(event.item_id, titles) for event in past[-3:])
    out.line(f"The last of them: {last}")
    history = [asdict(event) for event in past]
    [items], _ = rec.lists_for_histories([history], k=10, at=more[0].timestamp)
    out.table(*list_rows(items, titles))
    before, after, times_ms = replay(rec, past, more)
    out.heading(f"Live: the same user takes {NUM_MORE} more, as they really did")
    for event, time_ms in zip(more, times_ms, strict=True):
        out.line(f"+ {_title(event.item_id, titles)}  ({time_ms:.1f} ms to take it and list anew)")
    rows = [
        [rank, _title(old, titles), ("  " if new in before else "+ ") + _title(new, titles)]
        for rank, (old, new) in enumerate(zip_longest(before, after, fillvalue=""), start=1)
    ]
    out.table(["rank", "before", "after (+ is new in the list)"], rows)
    return {
        "user_id": user_id,
        "history": [event.item_id for event in past],
        "items": [item.to_dict() for item in items],
        "events": [event.item_id for event in more],
        "before": before,
        "after": after,
        "times_ms": times_ms,
    }


def someone(data: PreparedData) -> tuple[str, list[Event]]:
    """Return the user with the most test events among those of fewer than 200 events, and them.

    Events of items that the model does not know are left out.
    """
    import numpy as np

    from penchant.events import Part
    from penchant.serving import Event

    log = data.log
    known = log.where(log.item_index >= 0)
    num_test = np.bincount(known.user[known.part == Part.TEST], minlength=log.num_users)
    suits = (known.lengths > NUM_MORE + 1) & (known.lengths < 200)
    user = int(np.argmax(np.where(suits, num_test, -1)))
    user_id, own = data.users.id(user), known.users(np.array([user]))
    columns = (own.item_index, own.time_ms, own.event_type, own.value)
    return user_id, [
        Event(
            user_id=user_id,
            item_id=data.items.id(int(item)),
            timestamp=time_ms / 1000 if data.has_times else float(place),
            event_type=data.event_types[kind],
            value=None if np.isnan(value) else float(value),
        )
        for place, (item, time_ms, kind, value) in enumerate(zip(*columns, strict=True))
    ]


def replay(
    rec: Recommender, past: list[Event], more: list[Event]
) -> tuple[list[str], list[str], list[float]]:
    """Return the lists before and after some events, and the milliseconds that each took."""
    from penchant.serving import Live, time_ms_of

    now = time_ms_of(past[-1].timestamp) / 1000
    times_ms: list[float] = []
    with Live(rec, clock=lambda: now) as live:
        live.observe(past)
        user_id = past[0].user_id
        before = after = live.recommend(user_id, at=more[0].timestamp).item_ids
        for event in more:
            now = time_ms_of(event.timestamp) / 1000
            start = time.perf_counter()
            live.observe(event)
            after = live.recommend(user_id).item_ids
            times_ms.append(1000 * (time.perf_counter() - start))
    return before, after, times_ms


def _title(item_id: str, titles: dict[str, str]) -> str:
    return titles.get(item_id, item_id)
