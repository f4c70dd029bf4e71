"""Packed rows laid out for attention: users of one length side by side, long histories in blocks.

An event sees itself and the `window` - 1 events of its user before it. Users of equal length make a
dense group without padding; a history longer than the window is cut into blocks that see a few
blocks before them, so that nothing ever grows with the square of its length.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SPARE_ROWS: Final = 24
"""Rows of padding that a group of users may hold.

One more group costs about as much time as these.
"""

LEAST_BLOCK: Final = 16


class Group(NamedTuple):
    """Users with histories of one length, side by side."""

    num_users: int
    length: int


class DenseRows(NamedTuple):
    """Packed rows as dense groups, longest histories first.

    `groups` in order; `source` (N',) the packed row in each dense row, padding repeats a user's
    last; `place` (N,) the dense row of each packed row. Both are None where the order is the same.
    """

    groups: list[Group]
    source: Tensor | None
    place: Tensor | None

    @property
    def sizes(self) -> list[int]:
        """Dense rows of each group."""
        return [group.num_users * group.length for group in self.groups]

    def enter(self, rows: Tensor) -> Tensor:
        """Return packed rows (N, …) as dense rows (N', …)."""
        return rows if self.source is None else rows.index_select(0, self.source)

    def leave(self, rows: Tensor) -> Tensor:
        """Return dense rows as packed rows."""
        return rows if self.place is None else rows.index_select(0, self.place)


def dense_rows(offsets: Tensor, spare: int = SPARE_ROWS) -> DenseRows:
    """Return the layout of packed rows for attention.

    Parameters
    ----------
    offsets
        (B + 1,).
    spare
        Rows of padding that a group may hold; 0 where rows see those after them.

    Examples
    --------
    >>> rows = dense_rows(torch.tensor([0, 40, 40, 82, 182]))
    >>> rows.groups, rows.source is None
    ([Group(num_users=1, length=100), Group(num_users=2, length=42)], False)
    """
    lengths = offsets.diff()
    order = torch.argsort(lengths, descending=True, stable=True)
    order = order[: int((lengths > 0).sum())]
    groups = _groups(lengths[order], spare)
    device = offsets.device
    users, wide = torch.tensor(groups, dtype=torch.int64, device=device).view(-1, 2).unbind(1)
    width = wide.repeat_interleave(users)  # (B',) dense rows of each user
    ends = width.cumsum(0)
    user = torch.arange(len(order), device=device).repeat_interleave(width)
    age = torch.arange(len(user), device=device) - (ends - width)[user]  # (N',)
    own = lengths[order][user]
    source = offsets[order][user] + torch.minimum(age, own - 1)
    if len(source) == offsets[-1] and torch.equal(source, torch.arange(len(source), device=device)):
        return DenseRows(groups, None, None)
    real = (age < own).nonzero().squeeze(1)
    place = torch.empty_like(source[: len(real)])
    place[source[real]] = real
    return DenseRows(groups, source, place)


def _groups(lengths: Tensor, most_spare: int) -> list[Group]:
    """Return groups of users, given their falling lengths."""
    found, counts = torch.unique_consecutive(lengths, return_counts=True)
    groups: list[Group] = []
    spare = 0
    for length, count in zip(found.tolist(), counts.tolist(), strict=True):
        missing = (groups[-1].length - length) * count if groups else 0
        if groups and missing <= spare:
            spare -= missing
            groups[-1] = Group(groups[-1].num_users + count, groups[-1].length)
        else:
            groups.append(Group(count, length))
            spare = most_spare
    return groups


class Band(NamedTuple):
    """How a group of histories of length T is cut: blocks of C queries and the K keys before them.

    One block where the history fits the window. `num_blocks` G · C covers T.
    """

    length: int
    window: int
    num_blocks: int
    num_queries: int
    num_before: int

    @classmethod
    def of(cls, length: int, window: int) -> Band:
        """Return the cut that wastes least.

        Examples
        --------
        >>> Band.of(100, 200)
        Band(length=100, window=200, num_blocks=1, num_queries=100, num_before=0)
        >>> Band.of(1_000, 200)
        Band(length=1000, window=200, num_blocks=20, num_queries=50, num_before=200)
        """
        if length <= window:
            return cls(length, window, 1, length, 0)
        block = max(-(-window // 4), LEAST_BLOCK)
        before = -(-(window - 1) // block) * block
        return cls(length, window, -(-length // block), block, before)

    @property
    def is_whole(self) -> bool:
        """Whether the history fits the window, so that causal is all there is to it."""
        return self.length <= self.window

    def queries(self, rows: Tensor) -> Tensor:
        """Return (G, B, H, C, E) blocks of rows (B, T, H, E)."""
        if self.is_whole:
            return rows.transpose(1, 2).unsqueeze(0)
        missing = self.num_blocks * self.num_queries - self.length
        rows = F.pad(rows, (0, 0, 0, 0, 0, missing))
        return rows.unflatten(1, (self.num_blocks, -1)).permute(1, 0, 3, 2, 4)

    def keys(self, rows: Tensor) -> Tensor:
        """Return (G, B, H, K, E) what each block sees of rows (B, T, H, E)."""
        if self.is_whole:
            return rows.transpose(1, 2).unsqueeze(0)
        missing = self.num_blocks * self.num_queries - self.length
        rows = F.pad(rows, (0, 0, 0, 0, self.num_before, missing))
        seen = rows.unfold(1, self.num_before + self.num_queries, self.num_queries)
        return seen.permute(1, 0, 2, 4, 3)  # from (B, G, H, E, K)

    def rows(self, blocks: Tensor) -> Tensor:
        """Return (B, T, H, E) rows from blocks of queries (G, B, H, C, E)."""
        if self.is_whole:
            return blocks.squeeze(0).transpose(1, 2)
        return blocks.permute(1, 0, 3, 2, 4).flatten(1, 2)[:, : self.length]

    def distance(self, device: torch.device) -> Tensor:
        """Return (C, K) how many events each key lies before each query; negative when after."""
        query = torch.arange(self.num_queries, device=device).unsqueeze(1) + self.num_before
        return query - torch.arange(self.num_before + self.num_queries, device=device)

    def visible(self, device: torch.device) -> Tensor:
        """Return (G, C, K) which keys each query may see."""
        distance = self.distance(device)
        inside = (distance >= 0) & (distance < self.window)
        key = torch.arange(self.num_before + self.num_queries, device=device) - self.num_before
        start = torch.arange(self.num_blocks, device=device) * self.num_queries
        is_row = key + start.unsqueeze(1) >= 0  # (G, K)
        return inside & is_row.unsqueeze(1)
