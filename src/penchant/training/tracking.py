"""Trackers: where the figures of a training are drawn while it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penchant.registry import Registry


class Tracker(ABC):
    """Takes figures by step.

    Parameters
    ----------
    directory
        Where it may write.
    step
        Steps done before; figures of later steps from an earlier sitting are withdrawn.
    """

    kind: str

    @abstractmethod
    def __init__(self, directory: Path, step: int) -> None: ...

    @abstractmethod
    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Record figures by name at a step."""

    @abstractmethod
    def close(self) -> None:
        """Write out what is held back."""


trackers: Registry[Tracker] = Registry("trackers")


@trackers.register("none")
class NoTracker(Tracker):
    """Records nothing."""

    def __init__(self, directory: Path, step: int) -> None:
        pass

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@trackers.register("tensorboard")
class TensorBoardTracker(Tracker):
    """Writes event files for `tensorboard --logdir RUN/tensorboard`."""

    def __init__(self, directory: Path, step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter  # its import takes a second

        purge = step + 1 if directory.exists() else None
        self._writer: Any = SummaryWriter(str(directory), purge_step=purge, flush_secs=30)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Record figures by name at a step."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is held back."""
        self._writer.close()
