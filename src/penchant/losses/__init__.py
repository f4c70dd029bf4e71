"""Losses: how the next event and the past judge an interest."""

from penchant.losses.base import Loss, SampledLoss, Targets, losses
from penchant.losses.binary import BinaryLoss
from penchant.losses.choice import LossBySize
from penchant.losses.contrast import Contrast
from penchant.losses.interest import InterestLoss, running_mean
from penchant.losses.negatives import Negatives
from penchant.losses.pairs import CrossEntropy, GeneralisedCrossEntropy, PairLoss, PairwiseRanking
from penchant.losses.partition import log_partition
from penchant.losses.regression import VectorRegression
from penchant.losses.sampled import SampledSoftmax
from penchant.losses.softmax import FullSoftmax

__all__ = [
    "BinaryLoss",
    "Contrast",
    "CrossEntropy",
    "FullSoftmax",
    "GeneralisedCrossEntropy",
    "InterestLoss",
    "Loss",
    "LossBySize",
    "Negatives",
    "PairLoss",
    "PairwiseRanking",
    "SampledLoss",
    "SampledSoftmax",
    "Targets",
    "VectorRegression",
    "log_partition",
    "losses",
    "running_mean",
]
