"""One sitting of a training: from prepared data to a bundle, or to where it was stopped."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.bundle import Bundle
from penchant.config import Config
from penchant.events import PreparedData
from penchant.training.content import item_content
from penchant.training.progress import Reporter, make_reporter
from penchant.training.runs import Run
from penchant.training.setup import check_labels, check_parts, with_choices
from penchant.training.tracking import trackers
from penchant.training.trainer import Trainer


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to.

    Parameters
    ----------
    run
        Its directory.
    bundle
        The best model with all that it needs, as saved in the run.
    reason
        Why it ended: `patience`, `num_epochs` or `max_minutes`.
    metric, best_value, best_epoch
        What the best epoch was chosen by; no value where there is no validation part.
    history
        One record per epoch.
    num_steps
        Steps of the optimizer.
    total_s
        Seconds of all sittings.
    targets_per_s
        Targets trained on per second, all epochs together.
    peak_memory_mb
        Most memory that the process has held; 0 where the system does not tell.
    """

    run: Run
    bundle: Bundle
    reason: str
    metric: str
    best_value: float | None
    best_epoch: int
    history: tuple[dict[str, Any], ...]
    num_steps: int
    total_s: float
    targets_per_s: float
    peak_memory_mb: float


def train(
    data: PreparedData,
    config: Config | None,
    run_dir: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    data_path: str | Path | None = None,
    reporter: str | Reporter = "auto",
) -> TrainingResult:
    """Train a model and keep everything about it in a directory.

    Parameters
    ----------
    data
        The prepared log.
    config
        All settings; None for those of the recipe `default`, or of the run that is resumed.
    run_dir
        Directory of the run.
    resume
        Go on where the run stands.
    overwrite
        Replace a run that is there.
    data_path
        Where the data lies, recorded in the run.
    reporter
        `auto`, `bar`, `plain`, `none`, or an object that hears of the progress.

    Raises
    ------
    OutputExistsError
        When there is a run and neither `resume` nor `overwrite` is said.
    ConfigError
        When the parts do not go together; when all events count as taken, or none, and the loss is
        binary. No run is made then.
    EnvironmentFault
        When the device is not there.
    TrainingInterrupted
        When the process is asked to stop.
    TrainingDivergedError
        When a loss is no finite number.

    Notes
    -----
    On one machine with the same number of threads a resumed training equals an unbroken one, bit
    for bit, on the processor.
    """
    if resume:
        wanted = None if config is None else with_choices(data, config)[0]
        run, before = Run.resume(run_dir, data, wanted)
        config, choices = with_choices(data, before)
    else:
        config, choices = with_choices(data, Config.load() if config is None else config)
        check_parts(data, config)
        check_labels(data, config)
    hears = make_reporter(reporter)
    if choices:
        hears.note(choices)
    content = item_content(data, config, hears.note)
    if not resume:
        run = Run.create(run_dir, data, config, overwrite=overwrite, data_path=data_path)
    trainer = Trainer(data, config, run, hears, content)
    tracker = trackers.get(config.training.tracker)(run.tensorboard, trainer.position.num_steps)
    try:
        reason = trainer.fit(tracker)
        return _finish(trainer, reason)
    finally:
        tracker.close()
        hears.close()


def _finish(trainer: Trainer, reason: str) -> TrainingResult:
    """Save the bundle and sum up."""
    run, position, config = trainer.run, trainer.position, trainer.config
    bundle = Bundle.of(trainer.model.cpu(), config, trainer.data, trainer.content.text)
    bundle.save(run.bundle, overwrite=True)
    train_s = sum(record["train_s"] for record in position.history)
    num_targets = sum(record["num_targets"] for record in position.history)
    kept = position.stopping.to_dict()
    result = TrainingResult(
        run=run,
        bundle=bundle,
        reason=reason,
        metric=config.training.metric,
        best_value=kept["best_value"],
        best_epoch=kept["best_epoch"],
        history=tuple(position.history),
        num_steps=position.num_steps,
        total_s=position.total_s,
        targets_per_s=num_targets / max(train_s, 1e-9),
        peak_memory_mb=_peak_memory_mb(),
    )
    run.update(
        state="done",
        reason=reason,
        bundle=bundle.id,
        targets_per_s=round(result.targets_per_s),
        peak_memory_mb=round(result.peak_memory_mb),
    )
    trainer.reporter.note(
        f"done ({reason}): best epoch {result.best_epoch}, {result.targets_per_s:,.0f} targets/s, "
        f"peak memory {result.peak_memory_mb:,.0f} MB, bundle {bundle.id} in {run.bundle}"
    )
    return result


def _peak_memory_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
