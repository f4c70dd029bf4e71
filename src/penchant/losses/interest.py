"""The interest loss: how well the interest representation gives back the history it was made of.

L_int(t) = (1/t) sum over s <= t of CE(i_s | X^_t), which is logsumexp_j(P X^_t · e_j) - P X^_t ·
ē_t with ē_t the running mean of the items' output vectors: one softmax per position instead of t.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penchant.items import Table
from penchant.losses.negatives import draw_uniform
from penchant.losses.partition import log_partition
from penchant.packed import owner_of


class InterestLoss(nn.Module):
    """Cross-entropy of a user's past items under the interest X^, averaged over the past.

    Parameters
    ----------
    width
        Width D.
    num_negatives
        Draws that stand for the catalogue where its table is not written out.

    Notes
    -----
    The past is that of the window in hand: items of windows before it are in X^ but not in ē. Where
    the catalogue is sampled, the share of the past itself, exp(P X^ · ē), joins the sum: what was
    drawn need not hold it, and without it the loss would have no lower end.
    """

    def __init__(self, width: int, num_negatives: int = 512) -> None:
        super().__init__()
        self.num_negatives = num_negatives
        self.project = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.project.weight)

    def forward(self, attended: Tensor, past_mean: Tensor, table: Table, weight: Tensor) -> Tensor:
        """Return the weighted sum over M positions.

        Parameters
        ----------
        attended
            (M, D) X^ at the chosen positions.
        past_mean
            (M, D) ē: mean output vector of the items up to each position.
        table
            (I, D), or its rows by index.
        weight
            (M,).
        """
        query = self.project(attended)
        given_back = (query * past_mean).sum(1)
        keys, offset, hit = self._compared(table, given_back)
        return log_partition(query, keys, offset, weight, hit) - given_back @ weight

    def reference(
        self, attended: Tensor, past_mean: Tensor, table: Table, weight: Tensor
    ) -> Tensor:
        """Return the same sum through all M × I scores."""
        query = self.project(attended)
        given_back = (query * past_mean).sum(1)
        keys, offset, hit = self._compared(table, given_back)
        scores = query @ keys.T + offset
        every = scores if hit is None else torch.cat([hit.unsqueeze(1), scores], dim=1)
        return (every.logsumexp(1) - given_back) @ weight

    def _compared(self, table: Table, given_back: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the items compared, what is added to their scores, and the score of the past."""
        if isinstance(table, Tensor):
            return table, table.new_zeros(len(table)), None
        negatives = draw_uniform(self.num_negatives, len(table), given_back.device)
        offset = (negatives.drawn / negatives.expected).log().to(given_back.dtype)
        return table[negatives.item], offset, given_back


def running_mean(vectors: Tensor, offsets: Tensor) -> Tensor:
    """Return (N, D) the mean of each user's vectors up to and including each row.

    Examples
    --------
    >>> vectors = torch.tensor([[2.0], [4.0], [9.0]])
    >>> running_mean(vectors, torch.tensor([0, 2, 3])).flatten().tolist()
    [2.0, 3.0, 9.0]
    """
    user = owner_of(offsets, vectors.shape[0])
    # Sums run over the whole batch in double: a user's share stays exact after many rows.
    sums = torch.cat([vectors.new_zeros(1, vectors.shape[1]).double(), vectors.double().cumsum(0)])
    row = torch.arange(vectors.shape[0], device=vectors.device)
    count = row - offsets[user] + 1
    return ((sums[1:] - sums[offsets[user]]) / count.unsqueeze(1)).to(vectors.dtype)
