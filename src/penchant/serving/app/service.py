"""All that one process of the service holds, from its start to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from penchant.serving.app.following import Follower
from penchant.serving.app.keys import LOCAL, Key, KeyFile
from penchant.serving.app.metrics import Metrics
from penchant.serving.app.pool import Pool
from penchant.serving.app.rates import Rates
from penchant.serving.app.refusals import RefusedError
from penchant.serving.app.served import ServedLists
from penchant.serving.app.settings import ServeSettings
from penchant.serving.live import Live
from penchant.stores import open_store

BEARER = "bearer "


class Service:
    """The engine and what stands around it.

    Parameters
    ----------
    settings
        How it runs.
    clock
        Gives the present in epoch seconds.
    """

    def __init__(self, settings: ServeSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._keys = None if settings.api_keys is None else KeyFile(settings.api_keys)
        self._rates = Rates(settings.rate_limit, settings.num_workers)
        self.metrics = Metrics()
        store = open_store(settings.store)
        try:
            self.live = Live(Path(settings.run), store, clock=clock, first_list=settings.first_list)
        except BaseException:
            store.close()
            raise
        self.pool = Pool(settings.num_threads, settings.most_pending, self.metrics)
        self.served = ServedLists(store)
        self.follower = Follower(self.live, self.metrics)

    def start(self) -> None:
        """Begin."""
        self.follower.begin(self.settings.run)
        self.served.start()

    def close(self) -> None:
        """End what was taken up, write what waits, and let go of the store."""
        self.pool.close()
        self.served.close()
        self.follower.close()
        self.metrics.close()
        self.live.store.close()

    def admit(self, headers: Mapping[bytes, bytes], role: str) -> Key:
        """Return who asks.

        Raises
        ------
        RefusedError
            When a key is missing or nobody's (401), may not do this (403), or asks too often (429).
        """
        key = self._who(headers)
        if not key.may(role):
            raise RefusedError(
                403,
                "forbidden",
                f'This needs a key with the role "{role}", and this one has "{key.role}".',
            )
        self._rates.take(key)
        return key

    def _who(self, headers: Mapping[bytes, bytes]) -> Key:
        if self._keys is None:
            return LOCAL
        told = headers.get(b"x-api-key", b"").decode("latin-1")
        bearer = headers.get(b"authorization", b"").decode("latin-1")
        if not told and bearer.lower().startswith(BEARER):
            told = bearer[len(BEARER) :].strip()
        key = self._keys.find(told) if told else None
        if key is None:
            raise RefusedError(
                401,
                "unauthorised",
                "An API key is needed, and none is known that was given."
                if told
                else "An API key is needed, and none was given.",
                "Send the header X-API-Key.",
                {"WWW-Authenticate": "X-API-Key"},
            )
        return key
