"""Texts as token ids, end to end; a padded batch is made where a kernel needs one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Token ids of N texts.

    Parameters
    ----------
    ids
        (T,) int32.
    offsets
        (N + 1,) int64, where each text begins; a text in which nothing stands has no tokens.

    Examples
    --------
    >>> rows = TokenRows.from_lists([[7, 8, 9], [], [5]])
    >>> len(rows), rows.lengths.tolist()
    (3, [3, 0, 1])
    >>> ids, mask = rows.padded(torch.tensor([2, 0]), pad_id=0)
    >>> ids.tolist(), mask.tolist()
    ([[5, 0, 0], [7, 8, 9]], [[True, False, False], [True, True, True]])
    """

    ids: Tensor
    offsets: Tensor

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]]) -> TokenRows:
        """Put lists of ids end to end."""
        lengths = torch.tensor([0, *map(len, rows)], dtype=torch.int64)
        ids = [token for row in rows for token in row]
        return cls(torch.tensor(ids, dtype=torch.int32), lengths.cumsum(0))

    @classmethod
    def joined(cls, parts: Sequence[TokenRows]) -> TokenRows:
        """Put rows behind each other."""
        lengths = [part.lengths for part in parts]
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), *lengths]).cumsum(0)
        return cls(torch.cat([torch.empty(0, dtype=torch.int32), *(p.ids for p in parts)]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """(N,) tokens of each text."""
        return self.offsets.diff()

    def padded(self, rows: Tensor, pad_id: int) -> tuple[Tensor, Tensor]:
        """Return (n, L) int64 ids of some texts, padded behind, and which of them are real."""
        rows = rows.to(self.offsets.device)
        starts, lengths = self.offsets[rows], self.lengths[rows]
        longest = max(int(lengths.max()), 1) if len(rows) else 1
        place = torch.arange(longest, device=starts.device)
        mask = place < lengths[:, None]  # (n, L)
        ids = torch.full(mask.shape, pad_id, dtype=torch.int64, device=starts.device)
        ids[mask] = self.ids[(starts[:, None] + place)[mask]].long()
        return ids, mask
