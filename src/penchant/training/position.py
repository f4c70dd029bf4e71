"""How far a training has come: all counters that a checkpoint keeps, fit for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from penchant.training.stopping import EarlyStopping


@dataclass
class EpochSums:
    """Sums over the part of an epoch that is done.

    Parameters
    ----------
    num_targets
        Targets of the steps made.
    sequence, interest, contrast
        Losses times their targets.
    gradient_norm
        Sum over steps, before clipping.
    num_steps
        Steps made.
    train_s
        Seconds spent, those of earlier sittings included.
    """

    num_targets: int = 0
    sequence: float = 0.0
    interest: float = 0.0
    gradient_norm: float = 0.0
    num_steps: int = 0
    train_s: float = 0.0
    contrast: float = 0.0

    def add(self, num_targets: int, figures: dict[str, float]) -> None:
        """Add a step."""
        self.num_targets += num_targets
        self.sequence += num_targets * figures["sequence_loss"]
        self.interest += num_targets * figures["interest_loss"]
        self.contrast += num_targets * figures.get("contrast_loss", 0.0)
        self.gradient_norm += figures["gradient_norm"]
        self.num_steps += 1

    @property
    def sequence_loss(self) -> float:
        """Mean over targets."""
        return self.sequence / max(self.num_targets, 1)

    @property
    def interest_loss(self) -> float:
        """Mean over targets."""
        return self.interest / max(self.num_targets, 1)

    @property
    def contrast_loss(self) -> float:
        """Mean over targets."""
        return self.contrast / max(self.num_targets, 1)


@dataclass
class Position:
    """Where a training stands.

    Parameters
    ----------
    stopping
        The best epoch so far.
    num_epochs
        Epochs that are done.
    num_steps
        Optimizer steps made.
    epoch
        Sums over the epoch under way.
    history
        One record per epoch that is done.
    total_s
        Seconds of all epochs that are done, validation included.
    """

    stopping: EarlyStopping
    num_epochs: int = 0
    num_steps: int = 0
    epoch: EpochSums = field(default_factory=EpochSums)
    history: list[dict[str, Any]] = field(default_factory=list)
    total_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what `restored` reads."""
        return {**vars(self), "epoch": asdict(self.epoch), "stopping": self.stopping.to_dict()}

    def restored(self, kept: dict[str, Any]) -> Position:
        """Return the position that was kept, under the settings of stopping of this one."""
        stopping = self.stopping.restored(kept["stopping"])
        return Position(**{**kept, "stopping": stopping, "epoch": EpochSums(**kept["epoch"])})
