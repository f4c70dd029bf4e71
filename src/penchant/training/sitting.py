"""One sitting of a training: from prepared data to a bundle, or to where it was stopped."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penchant.baselines import SegmentPopular
from penchant.bundle import Bundle
from penchant.config import Config, build_roles
from penchant.events import PreparedData
from penchant.training.adapting import text_cost
from penchant.training.content import item_content
from penchant.training.likeness import choose_likeness
from penchant.training.progress import Reporter, make_reporter
from penchant.training.runs import Run
from penchant.training.setup import check_labels, check_parts, with_choices
from penchant.training.tracking import trackers
from penchant.training.trainer import Trainer
from penchant.training.warm_start import WarmStart


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
    warm_start: str | Path | None = None,
) -> TrainingResult:
    """Train a model and keep everything about it in a directory.

    Parameters
    ----------
    data
        The prepared log.
    config
        All settings; None for those of the run that is resumed, of the model that is started from,
        or else of the recipe `default`.
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
    warm_start
        Directory of a run or bundle whose weights a new training starts from: those of its items
        by their ids, all others as they are.

    Raises
    ------
    OutputExistsError
        When there is a run and neither `resume` nor `overwrite` is said.
    ConfigError
        When the parts do not go together; when all events count as taken, or none, and the loss is
        binary; when the model that is started from has other settings. No run is made then.
    EnvironmentFault
        When the device is not there, or another language model than the source's.
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
        warm = None if run.last.exists() else WarmStart.again(run.manifest)
    else:
        warm = None if warm_start is None else WarmStart.load(warm_start)
        config, choices = _new_config(data, config, warm)
    hears = make_reporter(reporter)
    if choices:
        hears.note(choices)
    like = None if warm is None else warm.text
    content = item_content(data, config, hears.note, like, progress=hears.work)
    if not resume:
        kept: dict[str, Any] = {"overwrite": overwrite, "data_path": data_path}
        run = Run.create(run_dir, data, config, **kept, origin=warm.origin if warm else {})
    trainer = Trainer(data, config, run, hears, content)
    if warm is not None:
        hears.note(warm.give(trainer.model, data))
    _tell_cost(trainer)
    tracker = trackers.get(config.training.tracker)(run.tensorboard, trainer.position.num_steps)
    try:
        reason = trainer.fit(tracker)
        return _finish(trainer, reason)
    finally:
        tracker.close()
        hears.close()


def _new_config(
    data: PreparedData, asked: Config | None, warm: WarmStart | None
) -> tuple[Config, str]:
    """Return the checked configuration of a new training, and a line on what was chosen."""
    if asked is None:
        asked = Config.load() if warm is None else warm.bundle.config
    config, choices = with_choices(data, asked)
    if warm is not None:
        warm.check(config)
    check_parts(data, config)
    check_labels(data, config)
    return config, choices


def _tell_cost(trainer: Trainer) -> None:
    """Say what training a language model will cost, where one is trained and there is some left."""
    if trainer.reason is not None:
        return
    cost = text_cost(trainer.model, trainer.objective, trainer.loader)
    if cost is not None:
        text = trainer.config.text
        trainer.reporter.note(cost.told(text.model, text.adaptation))
        trainer.run.update(text_cost=asdict(cost))


def _finish(trainer: Trainer, reason: str) -> TrainingResult:
    """Save the bundle and sum up."""
    run, position, config = trainer.run, trainer.position, trainer.config
    choose_likeness(trainer.model, trainer.data, config, trainer.reporter.note)
    bundle = Bundle.of(trainer.model, config, trainer.data, trainer.content.text)
    roles = build_roles(config, trainer.data.event_types)
    popular = SegmentPopular.of(trainer.data, roles, config.evaluation.exclude_seen)
    bundle = replace(bundle, first_list=popular)
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
