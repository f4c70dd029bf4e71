"""Full ranking of models and baselines under one protocol, with intervals and a report."""

from penchant.evaluation.binary import BinarySummary, BinaryTargets, binary_targets
from penchant.evaluation.calibration import auc, calibration_error, log_loss
from penchant.evaluation.comparison import checked_part, evaluate, evaluate_model
from penchant.evaluation.intervals import Estimate, bootstrap_mean, paired_difference
from penchant.evaluation.model_ranker import ModelRanker
from penchant.evaluation.over_seeds import SeedsComparison, compare_over_seeds
from penchant.evaluation.ranking import RankedTargets, Ranker, Ranking, rank_targets
from penchant.evaluation.report import Report

__all__ = [
    "BinarySummary",
    "BinaryTargets",
    "Estimate",
    "ModelRanker",
    "RankedTargets",
    "Ranker",
    "Ranking",
    "Report",
    "SeedsComparison",
    "auc",
    "binary_targets",
    "bootstrap_mean",
    "calibration_error",
    "checked_part",
    "compare_over_seeds",
    "evaluate",
    "evaluate_model",
    "log_loss",
    "paired_difference",
    "rank_targets",
]
