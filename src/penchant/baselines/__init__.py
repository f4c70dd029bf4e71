"""Rankers that are counted, not trained, under the same protocol as the model."""

from penchant.baselines.base import Baseline, baselines, fit_baselines
from penchant.baselines.markov import LaggedMarkov, Markov
from penchant.baselines.mean_text import MeanText
from penchant.baselines.popular import Popular, RecentPopular
from penchant.baselines.segment_popular import SegmentPopular

__all__ = [
    "Baseline",
    "LaggedMarkov",
    "Markov",
    "MeanText",
    "Popular",
    "RecentPopular",
    "SegmentPopular",
    "baselines",
    "fit_baselines",
]
