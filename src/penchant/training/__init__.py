"""Training: the loop, early stopping, checkpoints, resuming and tracking."""

from penchant.training.objective import LabelRule, LossTerms, Objective, user_loss
from penchant.training.progress import BarReporter, PlainReporter, Reporter, SilentReporter
from penchant.training.runs import Run
from penchant.training.setup import build_objective, fresh_model
from penchant.training.sitting import TrainingResult, train
from penchant.training.tracking import Tracker, trackers
from penchant.training.trainer import Trainer
from penchant.training.transferring import transfer, transfer_run

__all__ = [
    "BarReporter",
    "LabelRule",
    "LossTerms",
    "Objective",
    "PlainReporter",
    "Reporter",
    "Run",
    "SilentReporter",
    "Tracker",
    "Trainer",
    "TrainingResult",
    "build_objective",
    "fresh_model",
    "trackers",
    "train",
    "transfer",
    "transfer_run",
    "user_loss",
]
