"""Logs as lines of JSON, without anything that is about a person.

A request is named by its route, never by its path, which may hold a user's id.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_log = logging.getLogger("penchant.http")


class JsonLines(logging.Formatter):
    """One JSON object for each record; `told` of the record stands beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "process": record.process,
            **getattr(record, "told", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


def log_in_lines(log_requests: bool) -> None:
    """Send what this process logs to standard error, line by line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("penchant", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    logging.getLogger("penchant.live").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True  # it names paths
    _log.setLevel(logging.INFO if log_requests else logging.WARNING)


def log_request(told: dict[str, Any]) -> None:
    """Write the line of a request."""
    if _log.isEnabledFor(logging.INFO):
        _log.info("request", extra={"told": told})
