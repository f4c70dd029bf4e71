"""Figures for Prometheus: rates, latency by stage, events, and which model answers.

Where the environment names a folder (`PROMETHEUS_MULTIPROC_DIR`), the workers of a service share
it, and each of them tells the sums.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from penchant.errors import MissingExtraError
from penchant.serving.results import ObserveResult

try:
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
        multiprocess,
    )
except ImportError as error:
    raise MissingExtraError(
        "Metrics need prometheus-client.", "pip install 'penchant[serve]'"
    ) from error

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
BUCKETS: Final = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 4.0, 15.0)


class Metrics:
    """All figures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        at = self._registry
        self._requests = Counter(
            "penchant_requests", "Requests answered.", ["method", "route", "status"], registry=at
        )
        self._seconds = Histogram(
            "penchant_request_seconds", "From the head of a request to its answer.", ["route"],
            buckets=BUCKETS, registry=at,
        )  # fmt: skip
        self._stages = Histogram(
            "penchant_stage_seconds", "Of a request: wait for a thread, observe, recommend.",
            ["stage"], buckets=BUCKETS, registry=at,
        )  # fmt: skip
        self._events = Counter(
            "penchant_events", "Events by what became of them.", ["outcome"], registry=at
        )
        self._model = Gauge(
            "penchant_model_info", "1 for the model that answers, whose memories are kept.",
            ["version"], multiprocess_mode="livemax", registry=at,
        )  # fmt: skip
        self.pending = Gauge(
            "penchant_pending_requests", "Requests that wait for the engine or are in it.",
            multiprocess_mode="livesum", registry=at,
        )  # fmt: skip
        self._stage_of = {
            name: self._stages.labels(name) for name in ("wait", "observe", "recommend")
        }
        self._version = ""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Count the time of a stage."""
        self._stage_of[name].observe(seconds)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the time that is spent inside."""
        begun_s = time.perf_counter()
        try:
            yield
        finally:
            self.stage(name, time.perf_counter() - begun_s)

    def observed(self, result: ObserveResult) -> None:
        """Count what became of events."""
        for outcome, count in (
            ("accepted", result.accepted),
            ("duplicate", result.duplicates),
            ("rejected", len(result.rejected)),
        ):
            if count:
                self._events.labels(outcome).inc(count)

    def answers_with(self, version: str) -> None:
        """Say which model answers from now on."""
        if self._version:
            self._model.labels(self._version).set(0)
        self._version = version
        self._model.labels(version).set(1)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        gathered = CollectorRegistry()
        multiprocess.MultiProcessCollector(gathered)
        return generate_latest(gathered)

    def close(self) -> None:
        """Take this process out of the figures of those that live."""
        if FOLDER_VARIABLE in os.environ:
            multiprocess.mark_process_dead(os.getpid())
