"""The interest loss: how well the interest representation gives back the history it was made of.

L_int(t) = (1/t) sum over s <= t of CE(i_s | X^_t), which is logsumexp_j(P X^_t · e_j) - P X^_t ·
ē_t with ē_t the running mean of the items' output vectors: one softmax per position instead of t.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penchant.losses.partition import log_partition
from penchant.packed import owner_of


class InterestLoss(nn.Module):
    """Cross-entropy of a user's past items under the interest X^, averaged over the past.

    Parameters
    ----------
    width
        Width D.

    Notes
    -----
    The past is that of the window in hand: items of windows before it are in X^ but not in ē.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.project.weight)

    def forward(self, attended: Tensor, past_mean: Tensor, table: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted sum over M positions.

        Parameters
        ----------
        attended
            (M, D) X^ at the chosen positions.
        past_mean
            (M, D) ē: mean output vector of the items up to each position.
        table
            (I, D).
        weight
            (M,).
        """
        query = self.project(attended)
        given_back = (query * past_mean).sum(1)
        no_bias = table.new_zeros(len(table))
        return log_partition(query, table, no_bias, weight) - given_back @ weight

    def reference(
        self, attended: Tensor, past_mean: Tensor, table: Tensor, weight: Tensor
    ) -> Tensor:
        """Return the same sum through all M × I scores."""
        query = self.project(attended)
        return ((query @ table.T).logsumexp(1) - (query * past_mean).sum(1)) @ weight


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
