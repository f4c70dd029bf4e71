"""Ctrl-C and termination as a flag that the loop looks at between two steps.

So an interrupt never falls into the middle of a step or of writing a checkpoint. A second one ends
the process at once.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class InterruptFlag:
    """Set by SIGINT or SIGTERM while the block runs; outside the main thread nothing is caught.

    Examples
    --------
    >>> import os
    >>> with InterruptFlag() as flag:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     flag.is_set
    True
    """

    def __init__(self) -> None:
        self.is_set = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> InterruptFlag:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _catch(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True
