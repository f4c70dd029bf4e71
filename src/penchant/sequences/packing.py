"""The border between a log in NumPy and the model in torch: histories, packed."""

from __future__ import annotations

import torch

from penchant.events.arrays import LogArrays
from penchant.packed import PackedEvents


def pack(log: LogArrays, device: torch.device | str = "cpu") -> PackedEvents:
    """Return histories as packed events on a device; all items must be known.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.arange(3)
    >>> log = LogArrays(rows, rows, rows, rows, rows, offsets=np.array([0, 2, 3]))
    >>> pack(log).lengths.tolist()
    [2, 1]
    """
    return PackedEvents(
        item_index=torch.as_tensor(log.item_index, dtype=torch.int64, device=device),
        event_type=torch.as_tensor(log.event_type, dtype=torch.int64, device=device),
        value=torch.as_tensor(log.value, dtype=torch.float32, device=device),
        time_ms=torch.as_tensor(log.time_ms, dtype=torch.int64, device=device),
        context=torch.zeros((log.num_events, 0), dtype=torch.int64, device=device),
        offsets=torch.as_tensor(log.offsets, dtype=torch.int64, device=device),
    )
