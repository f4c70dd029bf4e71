"""Reads event logs and prepares them: columns, cleaning, vocabulary, splits, features."""

from penchant.events.arrays import NO_TIME, UNKNOWN_ITEM, LogArrays, Part
from penchant.events.features import FeatureEncoder, ItemFeatures
from penchant.events.prepared import PreparedData
from penchant.events.preparing import prepare
from penchant.events.splits import Split, parse_split
from penchant.events.vocabulary import Vocabulary

__all__ = [
    "NO_TIME",
    "UNKNOWN_ITEM",
    "FeatureEncoder",
    "ItemFeatures",
    "LogArrays",
    "Part",
    "PreparedData",
    "Split",
    "Vocabulary",
    "parse_split",
    "prepare",
]
