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
    best_epoch
        The best epoch, counted from 1; 0 before there is any.
    best_value
        Its value; a higher one is better.

    Examples
    --------
    >>> stopping = EarlyStopping(patience=2)
    >>> for epoch, value in enumerate([0.1, 0.3, 0.2, 0.3], start=1):
    ...     stopping = stopping.see(epoch, value)
    >>> stopping.best_epoch, stopping.is_over(4)
    (2, True)
    """

    patience: int
    best_epoch: int = 0
    best_value: float = -math.inf

    def see(self, epoch: int, value: float) -> EarlyStopping:
        """Return the state after an epoch; an equal or undefined value is no improvement."""
        if value > self.best_value or self.best_epoch == 0:
            value = -math.inf if math.isnan(value) else value
            return replace(self, best_epoch=epoch, best_value=value)
        return self

    def is_over(self, epoch: int) -> bool:
        """Return whether patience has run out after an epoch."""
        return epoch - self.best_epoch >= self.patience

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, fit for JSON; patience is a setting and not part of it."""
        value = self.best_value if math.isfinite(self.best_value) else None
        return {"best_epoch": self.best_epoch, "best_value": value}

    @classmethod
    def from_dict(cls, kept: dict[str, Any], patience: int) -> EarlyStopping:
        """Return the state that was kept, under a patience that may be another one."""
        value = -math.inf if kept["best_value"] is None else kept["best_value"]
        return cls(patience, kept["best_epoch"], value)
