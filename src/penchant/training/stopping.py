"""When a training stops: after so many epochs without a better value on the validation part."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class EarlyStopping:
    """The best epoch so far.

    Parameters
    ----------
    patience
        Epochs without a better value after which the training is over.
    lower_is_better
        Whether the value is a loss.
    best_epoch
        The best epoch, counted from 1; 0 before there is any.
    best_value
        Its value; None before there is one that is a number.

    Examples
    --------
    >>> stopping = EarlyStopping(patience=2)
    >>> for epoch, value in enumerate([0.1, 0.3, 0.2, 0.3], start=1):
    ...     stopping = stopping.see(epoch, value)
    >>> stopping.best_epoch, stopping.is_over(4)
    (2, True)
    """

    patience: int
    lower_is_better: bool = False
    best_epoch: int = 0
    best_value: float | None = None

    def see(self, epoch: int, value: float) -> EarlyStopping:
        """Return the state after an epoch; an equal or undefined value is no improvement."""
        if self.best_epoch == 0 or self._is_better(value):
            best = value if math.isfinite(value) else None
            return replace(self, best_epoch=epoch, best_value=best)
        return self

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.best_value is None:
            return True
        return value < self.best_value if self.lower_is_better else value > self.best_value

    def is_over(self, epoch: int) -> bool:
        """Return whether patience has run out after an epoch."""
        return epoch - self.best_epoch >= self.patience

    def to_dict(self) -> dict[str, Any]:
        """Return what `restored` reads, fit for JSON; the settings are no part of it."""
        return {"best_epoch": self.best_epoch, "best_value": self.best_value}

    def restored(self, kept: dict[str, Any]) -> EarlyStopping:
        """Return the state that was kept, under these settings, which may be others."""
        return replace(self, best_epoch=kept["best_epoch"], best_value=kept["best_value"])
