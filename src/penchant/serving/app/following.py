"""Which model answers: a document of the store that every worker follows, whoever changes it.

A change is done when all workers that live answer with it. Each of them notes through which
revision of the document it has come, and when, as a source that is read so far.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penchant.bundle import Bundle
from penchant.errors import PenchantError, StaleDocumentError
from penchant.serving.app.metrics import Metrics
from penchant.serving.live import Live
from penchant.stores import Document

_log = logging.getLogger("penchant.http")

MODEL: Final = "model"
WORKERS: Final = "service/workers"
POLL_S: Final = 0.2
BEAT_S: Final = 4.0
SILENT_S: Final = 15.0
"""A worker that was not heard of for so long lives no more."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker says of itself.

    Parameters
    ----------
    revision
        Of the document that it has followed.
    version
        Of the model that it answers with.
    seen_s
        When it was last heard of.
    fault
        Why it could not follow.
    """

    revision: int
    version: str
    seen_s: float
    fault: str = ""


class Follower:
    """Follows the store's choice of a model in one process.

    Parameters
    ----------
    live
        What answers here.
    metrics
        Told which model does.
    """

    def __init__(self, live: Live, metrics: Metrics) -> None:
        self.live = live
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._metrics = metrics
        self._revision = 0
        self._fault = ""
        self._beat_s = 0.0
        self._looking = threading.Lock()
        self._ready: dict[str, Bundle] = {}  # read already, by path
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._go, name="follower", daemon=True)
        metrics.answers_with(live.model_version)

    def begin(self, run: str) -> None:
        """Settle what the service begins with, and follow from now on.

        Notes
        -----
        The run that the command names counts where it is another one than at the last start. Else
        what the model was changed to since then goes on answering.
        """
        with contextlib.suppress(StaleDocumentError):  # another worker was first, with the same
            self._settle(run)
        self.look()
        self.beat()
        self._thread.start()

    def _settle(self, run: str) -> None:
        """Say which model the service begins with, unless it began so before."""
        document, version = self.live.store.get_document(MODEL), self.live.model_version
        if document.content is not None and document.content["started_with"] == version:
            return
        content = {"version": version, "path": str(Path(run).resolve()), "started_with": version}
        self._revision = self.live.store.put_document(
            MODEL,
            content,
            revision=document.revision,
            who="penchant serve",
            time_ms=self.live.now_ms(),
        ).revision

    def look(self) -> None:
        """Answer with the model of the document, where that is another one by now."""
        with self._looking:
            if self.live.store.changes().get(MODEL, 0) <= self._revision:
                return
            document = self.live.store.get_document(MODEL)
            self._fault = self._followed(document)
            self._revision = document.revision
            self.beat()

    def _followed(self, document: Document) -> str:
        """Answer with a model; return why not, where it cannot be read."""
        version, path = document.content["version"], document.content["path"]
        if version == self.live.model_version:
            return ""
        try:
            bundle = self._ready.pop(path, None) or Bundle.load(path)
            self.live.use(bundle)
        except (PenchantError, OSError) as error:
            _log.error("model was not changed", extra={"told": {"version": version}})
            return str(error)
        self._metrics.answers_with(bundle.id)
        _log.info("model was changed", extra={"told": {"version": bundle.id}})
        return "" if bundle.id == version else f"{path} holds {bundle.id} and not {version}."

    def prepare(self, path: str, bundle: Bundle) -> None:
        """Take a bundle that was read already, so that the change to it needs no second reading."""
        self._ready = {path: bundle}

    def beat(self) -> None:
        """Say that this process lives, and how far it has come."""
        store, now_s = self.live.store, time.time()
        mine = [self._revision, self.live.model_version, now_s, self._fault]
        with store.transaction():
            told = _told(store.get_offset(WORKERS))
            alive = {name: each for name, each in told.items() if now_s - each[2] < SILENT_S}
            store.put_offset(WORKERS, json.dumps({**alive, self.name: mine}))
        self._beat_s = time.monotonic()

    def workers(self) -> list[Worker]:
        """Return all workers of the store that live."""
        now_s = time.time()
        found = [Worker(*each) for each in _told(self.live.store.get_offset(WORKERS)).values()]
        return [each for each in found if now_s - each.seen_s < SILENT_S]

    def close(self) -> None:
        """Follow no more, and say so."""
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        with self.live.store.transaction():
            told = _told(self.live.store.get_offset(WORKERS))
            left = {name: each for name, each in told.items() if name != self.name}
            self.live.store.put_offset(WORKERS, json.dumps(left))

    def _go(self) -> None:
        while not self._is_closed.wait(POLL_S):
            try:
                self.look()
                if time.monotonic() - self._beat_s > BEAT_S:
                    self.beat()
            except PenchantError as error:
                _log.error("store cannot be followed", extra={"told": {"error": error.code}})


def _told(offset: str | None) -> Mapping[str, Any]:
    return {} if offset is None else json.loads(offset)
