"""`penchant evaluate`: a model beside its baselines, and how often the test part was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.options import DataOption, JsonOption, ObjectiveOption
from penchant.cli.output import Output
from penchant.cli.progress import Progress
from penchant.cli.writing import write_json
from penchant.errors import MissingFileError, UsageError

if TYPE_CHECKING:
    from penchant.evaluation import Report


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run, from `penchant train`.")],
    on: Annotated[str, typer.Option("--on", metavar="test|validation", help="The part.")] = "test",
    at_k: Annotated[
        list[int] | None, typer.Option("--k", "-k", metavar="N", help="Lengths of lists; 10.")
    ] = None,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Leave items that were seen in the lists.")
    ] = False,
    candidates: Annotated[
        str,
        typer.Option(
            metavar="all|warm|cold",
            help="Items to rank, and whose targets: all, those with training events, or without.",
        ),
    ] = "all",
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...",
            help="Stand beside the model: popular, recent_popular, markov, lagged_markov, "
            "mean_text, random; the usual ones by default.",
        ),
    ] = None,
    objective: ObjectiveOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank a model beside its baselines.

    Every target of the part is ranked among all items, or with --candidates among some; intervals
    are over users. Each look at the test part is counted in the run. RUN/metrics.json keeps the
    figures.
    """
    if on not in ("test", "validation"):
        raise UsageError(f"--on must be test or validation but is {on}.", "Say --on validation.")
    out = Output(as_json)
    kinds = [kind.strip() for kind in baselines.split(",")] if baselines else None
    report, kept = evaluate_run(
        run, on, at_k or [10], include_seen, data, objective, candidates, kinds
    )
    out.line(report.render())
    if on == "test":
        out.line(f"This was look {kept['test_looks']} at the test part of this run.")
    out.line(f"Kept in {run / 'metrics.json'}")
    out.document(kept)


def evaluate_run(
    run: Path,
    on: str = "test",
    ks: Sequence[int] = (10,),
    include_seen: bool = False,
    data: Path | None = None,
    objective: str | None = None,
    candidates: str = "all",
    kinds: Sequence[str] | None = None,
) -> tuple[Report, dict[str, Any]]:
    """Evaluate a run; return the report, and the document that is kept of it in the run."""
    if not (run / "run.json").is_file():
        raise MissingFileError(
            f"{run} is no run: there is no {run / 'run.json'}.",
            "Name what was given to penchant train --out; a bundle alone cannot be evaluated.",
        )
    from penchant.recommender import Recommender
    from penchant.training import Run

    rec = Recommender.load(run)
    prepared = rec.data(data)
    with Progress("targets") as progress:
        report = rec.evaluate(
            prepared,
            on=on,
            objective=objective,
            ks=ks,
            candidates=candidates,
            kinds=kinds,
            progress=partial(progress.told, f"evaluating on {on}"),
            **({"exclude_seen": False} if include_seen else {}),  # else as the run was trained for
        )
    looks = Run(run).manifest["test_looks"]
    kept = {**report.to_dict(), "model_version": rec.bundle.id, "test_looks": looks}
    write_json(run / "metrics.json", kept)
    asked = (on, objective, candidates if candidates != "all" else None)
    own = "-".join(part for part in asked if part)  # stays when the other part is evaluated
    write_json(run / f"metrics-{own}.json", kept)
    return report, kept
