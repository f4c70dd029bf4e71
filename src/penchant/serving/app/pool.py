"""Threads in which the engine works, so that the event loop never waits; a bounded number waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from penchant.serving.app.metrics import Metrics
from penchant.serving.app.refusals import busy

NUM_ASIDE = 4
"""Threads for what must be answered when all others are taken, or what takes long."""
Result = TypeVar("Result")


class Pool:
    """Takes up work until too much is waiting.

    Parameters
    ----------
    num_threads
        That work at once.
    most_pending
        That work or wait; what comes then is refused.
    metrics
        Told how much is pending, and how long it waits.
    """

    def __init__(self, num_threads: int, most_pending: int, metrics: Metrics) -> None:
        self._threads = ThreadPoolExecutor(num_threads, "engine")
        self._aside = ThreadPoolExecutor(NUM_ASIDE, "aside")
        self._most_pending = most_pending
        self._metrics = metrics
        self.num_pending = 0

    async def run(self, work: Callable[[], Result], aside: bool = False) -> Result:
        """Do work in a thread.

        Raises
        ------
        RefusedError
            When too much is pending.
        """
        if aside:
            return await asyncio.get_running_loop().run_in_executor(self._aside, work)
        if self.num_pending >= self._most_pending:
            raise busy(f"{self.num_pending} requests are pending in this process.")
        asked_s = time.perf_counter()

        def timed() -> Result:
            self._metrics.stage("wait", time.perf_counter() - asked_s)
            return work()

        self._count(1)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, timed)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.num_pending += change
        self._metrics.pending.set(self.num_pending)

    def close(self) -> None:
        """Let what was taken up end, and take up nothing more."""
        self._threads.shutdown(wait=True)
        self._aside.shutdown(wait=True)
