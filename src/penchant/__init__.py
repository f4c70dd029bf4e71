"""Penchant turns an event log into a live recommender that changes with every event."""

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = ["Event", "EventLog", "Live", "Recommender", "__version__"]

# Loaded when first asked for, so that `import penchant` stays fast; types stand in __init__.pyi.
_ROOM_OF = {
    "Event": "penchant.serving",
    "EventLog": "penchant.events",
    "Live": "penchant.serving",
    "Recommender": "penchant.recommender",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'penchant' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
