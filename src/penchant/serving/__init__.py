"""Serve a bundle: observe events, keep memories, answer with lists; `app` is the same over HTTP."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Loaded when first asked for: messages and settings of the service need no model.
_FILE_OF = {
    "Event": "events",
    "Live": "live",
    "ObserveResult": "results",
    "PutItemResult": "results",
    "PutUserResult": "results",
    "RankedItem": "ranking",
    "Ranker": "ranking",
    "RecommendResult": "results",
    "RejectedError": "events",
    "Rejection": "results",
    "time_ms_of": "events",
}


def __getattr__(name: str) -> Any:
    if name not in _FILE_OF:
        raise AttributeError(f"module 'penchant.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(f"penchant.serving.{_FILE_OF[name]}"), name)
