"""Losses: how the next event and the past judge an interest."""

from penchant.losses.base import Loss, Targets, losses
from penchant.losses.binary import BinaryLoss
from penchant.losses.interest import InterestLoss, running_mean
from penchant.losses.partition import log_partition
from penchant.losses.softmax import FullSoftmax

__all__ = [
    "BinaryLoss",
    "FullSoftmax",
    "InterestLoss",
    "Loss",
    "Targets",
    "log_partition",
    "losses",
    "running_mean",
]
