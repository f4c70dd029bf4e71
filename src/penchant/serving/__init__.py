"""Serve a bundle: observe events, keep memories, answer with lists."""

from penchant.serving.events import Event, RejectedError, time_ms_of
from penchant.serving.live import Live
from penchant.serving.ranking import RankedItem, Ranker
from penchant.serving.results import (
    ObserveResult,
    PutItemResult,
    PutUserResult,
    RecommendResult,
    Rejection,
)

__all__ = [
    "Event",
    "Live",
    "ObserveResult",
    "PutItemResult",
    "PutUserResult",
    "RankedItem",
    "Ranker",
    "RecommendResult",
    "RejectedError",
    "Rejection",
    "time_ms_of",
]
