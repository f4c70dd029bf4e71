"""Histories cut into windows that step: each event stands in one window, at a fixed place.

A window holds up to W events of a user. The first one starts with the history; when it is full, the
next starts half a window later, so that an event sees between W / 2 and W events, itself included.
Where an event stands depends on its number in the history alone, which is why what was made of a
window's first events need not be made again for those that follow.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from penchant.packed import offsets_of, owner_of


class Windows(NamedTuple):
    """Windows end to end, those that are needed for some rows of packed events.

    `source` (S,) the packed row in each row of the windows; `offsets` (V + 1,); `rows` (R,) the
    packed rows whose hidden vectors are wanted, ascending; `place` (R,) where they stand among
    `source`.
    """

    source: Tensor
    offsets: Tensor
    rows: Tensor
    place: Tensor


def stepping_windows(offsets: Tensor, window: int, asked: Tensor | None = None) -> Windows:
    """Return the windows of packed histories.

    Parameters
    ----------
    offsets
        (B + 1,), at least one event in all. Each history starts a window.
    window
        Events W of a window, two or more.
    asked
        (N,) bool, the events whose hidden vectors are wanted; all when None.

    Examples
    --------
    Of seven events in windows of four, three of which follow the first window:

    >>> found = stepping_windows(torch.tensor([0, 7]), 4)
    >>> found.source.tolist(), found.offsets.tolist()
    ([0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6], [0, 4, 8, 11])
    >>> found.place.tolist()
    [0, 1, 2, 3, 6, 7, 10]
    """
    num_rows = int(offsets[-1])
    every = torch.arange(num_rows, device=offsets.device)
    rows = every if asked is None else every[asked]
    user = owner_of(offsets, num_rows)[rows]
    start = offsets[user] + first_seen(rows - offsets[user], window)  # (R,) of its window
    first, of_window, counts = torch.unique_consecutive(
        start, return_inverse=True, return_counts=True
    )
    last = rows[counts.cumsum(0) - 1]
    ends = offsets_of(last + 1 - first)
    owner = owner_of(ends, int(ends[-1]))
    row = torch.arange(len(owner), device=offsets.device)
    return Windows(
        source=first[owner] + row - ends[owner],
        offsets=ends,
        rows=rows,
        place=ends[of_window] + rows - first[of_window],
    )


def first_seen(number: Tensor, window: int) -> Tensor:
    """Return the number in its history of the first event that each event sees.

    Examples
    --------
    >>> first_seen(torch.tensor([0, 3, 4, 5, 6]), 4).tolist()
    [0, 0, 2, 2, 4]
    """
    step = window // 2
    missing = (number - window + 1).clamp(min=0)
    return (missing + step - 1) // step * step
