"""Reads event logs and prepares them: columns, cleaning, vocabulary, splits, features."""

from penchant.events.arrays import NO_TIME, UNKNOWN_ITEM, LogArrays, Part
from penchant.events.cleaning import CleaningOptions, StepRecord, clean, k_core
from penchant.events.columns import EventFrame, ReadRecord, event_frame
from penchant.events.draft import ReadOptions
from penchant.events.features import FeatureEncoder, ItemFeatures
from penchant.events.findings import Finding, ValidationReport
from penchant.events.holding_out import HoldOut
from penchant.events.item_graph import GraphNames, ItemGraph, ItemNeighbours
from penchant.events.log import EventLog, validate_log
from penchant.events.prepared import PreparedData
from penchant.events.preparing import prepare
from penchant.events.splits import Split, parse_split
from penchant.events.vocabulary import Vocabulary

__all__ = [
    "NO_TIME",
    "UNKNOWN_ITEM",
    "CleaningOptions",
    "EventFrame",
    "EventLog",
    "FeatureEncoder",
    "Finding",
    "GraphNames",
    "HoldOut",
    "ItemFeatures",
    "ItemGraph",
    "ItemNeighbours",
    "LogArrays",
    "Part",
    "PreparedData",
    "ReadOptions",
    "ReadRecord",
    "Split",
    "StepRecord",
    "ValidationReport",
    "Vocabulary",
    "clean",
    "event_frame",
    "k_core",
    "parse_split",
    "prepare",
    "validate_log",
]
