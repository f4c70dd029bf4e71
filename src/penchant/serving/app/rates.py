"""Rate limits: a bucket of tokens for each key, filled at a steady rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from penchant.serving.app.keys import Key
from penchant.serving.app.refusals import RefusedError


class Rates:
    """Buckets by key; used by the event loop alone.

    Parameters
    ----------
    rate_limit
        Requests a second of a key that has no limit of its own; 0 for none.
    num_workers
        Processes among which a limit is divided: each sees its share of the requests.
    clock
        Seconds that only rise.
    """

    def __init__(
        self,
        rate_limit: float,
        num_workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate_limit = rate_limit
        self._num_workers = num_workers
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: Key) -> None:
        """Take a token; a bucket holds those of one second, and one at least.

        Raises
        ------
        RefusedError
            When there is none: 429, and when there will be one.
        """
        limit = self._rate_limit if key.rate_limit is None else key.rate_limit
        if limit <= 0:
            return
        rate, now = limit / self._num_workers, self._clock()
        most = max(1.0, rate)
        tokens, since = self._buckets.get(key.id, (most, now))
        tokens = min(most, tokens + (now - since) * rate)
        if tokens < 1.0:
            self._buckets[key.id] = tokens, now
            wait = math.ceil((1.0 - tokens) / rate)
            raise RefusedError(
                429,
                "too_many_requests",
                f"This key may ask {limit:g} times a second.",
                f"Wait {wait} s.",
                {"Retry-After": str(wait)},
            )
        self._buckets[key.id] = tokens - 1.0, now
