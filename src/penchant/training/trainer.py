"""The loop: epochs of steps, validation, and checkpoints that hold all the next number depends on.

That is the position, the weights, the optimizer, the random states and the memories carried from
batch to batch; so a training that is taken up again goes on to the same numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from torch import Tensor

from penchant.config import Config, build_roles
from penchant.encoders import EventWindow, map_state
from penchant.errors import TrainingDivergedError, TrainingInterrupted
from penchant.evaluation.calibration import LOWER_IS_BETTER
from penchant.events import PreparedData
from penchant.items import ItemContent
from penchant.model import InterestModel, ModelState
from penchant.seeds import seed_everything
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.training.checkpoints import Checkpoint
from penchant.training.content import item_content
from penchant.training.devices import choose_device, use_threads
from penchant.training.interrupts import InterruptFlag
from penchant.training.optimizers import (
    build_optimizer,
    clip_gradients,
    keep_rows,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
    settle,
)
from penchant.training.position import EpochSums, Position
from penchant.training.progress import Reporter
from penchant.training.random_states import random_states, restore_random_states
from penchant.training.runs import Run
from penchant.training.setup import batch_events, build_objective, fresh_model, trainable
from penchant.training.stopping import EarlyStopping
from penchant.training.tracking import Tracker
from penchant.training.validation import has_targets, validate

LOG_STEPS = 10
"""Steps between two points on the tracker's curves."""


class Trainer:
    """Fits a model to the training part of a log.

    Parameters
    ----------
    data
        The prepared log.
    config
        All settings.
    run
        Directory of the training; its newest checkpoint is taken up where there is one.
    reporter
        Hears of every step.
    content
        What there is to know about the items, found out here when left out.

    Notes
    -----
    Seeds the global random generators of torch, NumPy and Python.
    """

    def __init__(
        self,
        data: PreparedData,
        config: Config,
        run: Run,
        reporter: Reporter,
        content: ItemContent | None = None,
    ) -> None:
        self.data = data
        self.config = config
        self.run = run
        self.reporter = reporter
        self.content = item_content(data, config) if content is None else content
        settings = config.training
        self.device = choose_device(settings.device)
        use_threads(settings.num_threads)
        seed_everything(settings.seed)
        self.model: InterestModel = fresh_model(data, config, self.content).to(self.device)
        self.objective = build_objective(data, config).to(self.device)
        self.objective.loss.start(self.model.head)
        self.fitted = trainable(self.model, self.objective)
        self.optimizer = build_optimizer(self.fitted, settings, config.text.rate)
        self.loader = TrainingLoader(
            data.log.train,
            settings.window,
            batch_events(data, config),
            settings.seed,
            settings.max_windows,
            settings.drop_time_share,
            build_roles(config, data.event_types),
        )
        self.validates = has_targets(data, config)
        is_loss = settings.metric in LOWER_IS_BETTER
        self.position = Position(EarlyStopping(settings.patience, is_loss))
        self._carried: ModelState | None = None
        if run.last.exists():
            self._restore(Checkpoint.load(run.last))

    @property
    def reason(self) -> str | None:
        """Why it is over: `patience`, `num_epochs` or `max_minutes`; None while it is not."""
        settings, position = self.config.training, self.position
        if (
            self.validates
            and position.num_epochs
            and position.stopping.is_over(position.num_epochs)
        ):
            return "patience"
        if position.num_epochs >= settings.num_epochs:
            return "num_epochs"
        if settings.max_minutes and position.total_s >= 60 * settings.max_minutes:
            return "max_minutes"
        return None

    def fit(self, tracker: Tracker) -> str:
        """Train until it is over, put back the best weights and return the reason.

        Raises
        ------
        TrainingInterrupted
            When the process is asked to stop; a checkpoint of the last step is written first.
        TrainingDivergedError
            When a loss or the gradient is no finite number.
        """
        with InterruptFlag() as flag:
            while self.reason is None:
                for figures in self._epoch():
                    if self.position.num_steps % LOG_STEPS == 0:
                        tracker.log(self.position.num_steps, figures)
                    self._stop_if_asked(flag)
                tracker.log(self.position.num_steps, self._end_epoch())
                self._stop_if_asked(flag)
        best = Checkpoint.load(self.run.best(self.position.stopping.best_epoch))
        self.model.load_state_dict(best.of("model"))
        keep_rows(self.model, None)
        self.model.eval()
        assert self.reason is not None
        return self.reason

    def _epoch(self) -> Iterator[dict[str, float]]:
        """Make the steps that are left of the epoch under way, and yield their figures."""
        settings, position, sums = self.config.training, self.position, self.position.epoch
        number = position.num_epochs
        self.reporter.start_epoch(
            number + 1, settings.num_epochs, self.loader.num_targets, sums.num_targets
        )
        self.fitted.train()
        saved = before = time.monotonic()
        for batch in islice(self.loader.epoch(number), sums.num_steps, None):
            figures = self._step(batch.to(self.device))
            now = time.monotonic()
            sums.train_s, before = sums.train_s + now - before, now
            self.reporter.step(batch.num_targets, sums.sequence_loss)
            if settings.checkpoint_minutes and now - saved >= 60 * settings.checkpoint_minutes:
                self._save()
                saved = now
            yield figures
        settle(self.optimizer)
        sums.train_s += time.monotonic() - before

    def _step(self, batch: TrainingBatch) -> dict[str, float]:
        """Make one step of the optimizer."""
        memories = self._memories_for(batch)
        terms, after = self.objective(self.model, batch, memories)
        self.optimizer.zero_grad(set_to_none=True)
        terms.total.backward()
        most = self.config.training.max_gradient_norm
        norm = clip_gradients(self.fitted.parameters(), most)
        figures = {
            "sequence_loss": float(terms.sequence.detach()),
            "interest_loss": float(terms.interest.detach()),
            **self._contrast_loss(float(terms.contrast.detach())),
            "gradient_norm": float(norm),
            "learning_rate": self._set_learning_rate(),
        }
        self._check(figures)
        self.optimizer.step()
        self._carried = map_state(after, Tensor.detach)
        self.position.num_steps += 1
        self.position.epoch.add(batch.num_targets, figures)
        return figures

    def _memories_for(self, batch: TrainingBatch) -> ModelState | None:
        """Return what the batch before left of the users that go on in this one."""
        if not batch.carries:
            return None
        kept: ModelState = map_state(self._carried, lambda leaf: leaf[: batch.events.num_users])
        if isinstance(kept.encoder, EventWindow):  # a chunk is read without the one before it
            return kept._replace(encoder=kept.encoder.emptied())
        return kept

    def _set_learning_rate(self) -> float:
        settings, position = self.config.training, self.position
        in_epoch = position.epoch.num_targets / self.loader.num_targets
        share_done = (position.num_epochs + in_epoch) / settings.num_epochs
        rate = learning_rate(settings, position.num_steps, share_done)
        set_learning_rate(self.optimizer, rate)
        return rate

    def _check(self, figures: dict[str, float]) -> None:
        """See that a step may be made: what is no number never reaches the weights."""
        for name, value in figures.items():
            if not math.isfinite(value):
                position = self.position
                self.run.update(state="diverged")
                kept = self.run.last if self.run.last.exists() else "none yet"
                raise TrainingDivergedError(
                    f"{name} must be a finite number but is {value} at step "
                    f"{position.num_steps + 1} (epoch {position.num_epochs + 1}, batch "
                    f"{position.epoch.num_steps + 1}). Last good checkpoint: {kept}.",
                    "Go on with --resume --set training.learning_rate=... and a smaller rate.",
                )

    def _end_epoch(self) -> dict[str, float]:
        """Validate, record the epoch and write its checkpoint."""
        position, sums, name = self.position, self.position.epoch, self.config.training.metric
        started = time.monotonic()
        figures = validate(self.model, self.data, self.config) if self.validates else {}
        validation_s = time.monotonic() - started
        position.num_epochs += 1
        if self.validates:
            position.stopping = position.stopping.see(position.num_epochs, figures[name])
            figures = {each: value for each, value in figures.items() if math.isfinite(value)}
        else:
            position.stopping = replace(position.stopping, best_epoch=position.num_epochs)
        position.total_s += sums.train_s + validation_s
        record = {
            "epoch": position.num_epochs,
            "step": position.num_steps,
            "loss": sums.sequence_loss
            + self.objective.interest_weight * sums.interest_loss
            + sums.contrast_loss,
            "sequence_loss": sums.sequence_loss,
            "interest_loss": sums.interest_loss,
            **self._contrast_loss(sums.contrast_loss),
            "gradient_norm": sums.gradient_norm / max(sums.num_steps, 1),
            "metric": name,
            "value": figures.get(name),
            **position.stopping.to_dict(),
            "validation": figures,
            "num_targets": sums.num_targets,
            "targets_per_s": sums.num_targets / max(sums.train_s, 1e-9),
            "train_s": sums.train_s,
            "validation_s": validation_s,
        }
        position.history.append(record)
        position.epoch, self._carried = EpochSums(), None
        self._keep_epoch(record)
        return {
            "epoch/loss": record["loss"],
            "epoch/targets_per_s": record["targets_per_s"],
            **{f"validation/{metric}": value for metric, value in figures.items()},
        }

    def _contrast_loss(self, value: float) -> dict[str, float]:
        """Return a figure of the contrasts, none where there are none."""
        return {} if self.objective.contrasts is None else {"contrast_loss": value}

    def _keep_epoch(self, record: dict[str, Any]) -> None:
        """Write the best weights, then the checkpoint, then what is read by people."""
        position, best = self.position, self.run.best(self.position.stopping.best_epoch)
        if position.stopping.best_epoch == position.num_epochs:
            weights = {f"model.{name}": value for name, value in self.model.state_dict().items()}
            Checkpoint(weights, {"record": record}).save(best)
        self._save()
        for older in best.parent.glob("best-*.safetensors"):
            if older != best:
                older.unlink()
        self.run.write_history(position.history)
        self.run.update(epoch=position.num_epochs, best=position.stopping.to_dict())
        self.reporter.end_epoch(record)

    def _stop_if_asked(self, flag: InterruptFlag) -> None:
        if flag.is_set:
            self._save()
            self.run.update(state="interrupted")
            position = self.position
            raise TrainingInterrupted(
                f"Training was interrupted in epoch {position.num_epochs + 1} after "
                f"{position.num_steps} steps; all of them are kept in {self.run.last}.",
                f"Resume with: penchant train DATA --out {self.run.path} --resume",
            )

    def _save(self) -> None:
        """Write the newest checkpoint."""
        random_tensors, random_plain = random_states()
        owners = {
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "random": random_tensors,
            "carried": {str(i): leaf for i, leaf in enumerate(_leaves(self._carried))},
        }
        tensors = {
            f"{owner}.{name}": tensor
            for owner, named in owners.items()
            for name, tensor in named.items()
        }
        state = {"position": self.position.to_dict(), "random": random_plain}
        Checkpoint(tensors, state).save(self.run.last)

    def _restore(self, kept: Checkpoint) -> None:
        """Go back to where a checkpoint was written."""
        self.model.load_state_dict(kept.of("model"))
        self.objective.load_state_dict(kept.of("objective"))
        restore_optimizer(self.optimizer, kept.of("optimizer"))
        self.position = self.position.restored(kept.state["position"])
        carried = kept.of("carried")
        if carried:
            leaves = iter([carried[str(index)].to(self.device) for index in range(len(carried))])
            self._carried = map_state(self.model.initial_state(1), lambda _: next(leaves))
        restore_random_states(kept.of("random"), kept.state["random"])


def _leaves(state: Any) -> Iterator[Tensor]:
    """Yield the tensors of a state in the order of `map_state`."""
    if isinstance(state, Tensor):
        yield state
    elif state is not None:
        for part in state:
            yield from _leaves(part)
