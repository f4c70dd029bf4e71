"""From what the memory holds to the interest asked for: r = fuse([X^ ; H], query).

The attended vector and the hidden vector are concatenated, joined, and pass fully connected layers
that may see how long ago the last event was.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.interest.elapsed import ElapsedTime


class Readout(nn.Module):
    """Fuse the attended vector X^ and the hidden vector H into an interest vector.

    Parameters
    ----------
    width
        Width D.
    hidden_factor
        Width of the fully connected layers, in multiples of D; 0 leaves only the join.
    query_time
        Whether the interest depends on the time since the last event.
    dropout_rate
        Dropout on the concatenation and inside the layers.

    Notes
    -----
    The join starts as the hidden vector alone and the layers start as nothing, so that training
    begins from the plain sequence model.
    """

    def __init__(
        self,
        width: int,
        hidden_factor: int = 2,
        query_time: bool = True,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.query_time = query_time
        self.dropout_rate = dropout_rate
        self.join = nn.Linear(2 * width, width)
        with torch.no_grad():
            self.join.weight.copy_(torch.cat([torch.zeros(width, width), torch.eye(width)], dim=1))
            self.join.bias.zero_()
        self.elapsed = ElapsedTime(2 * width) if query_time else None
        self.norm = nn.LayerNorm(2 * width)
        self.widen = nn.Linear(2 * width, hidden_factor * width) if hidden_factor else None
        self.narrow = nn.Linear(hidden_factor * width, width) if hidden_factor else None
        if self.narrow is not None:
            nn.init.zeros_(self.narrow.weight)
            nn.init.zeros_(self.narrow.bias)

    def forward(self, attended: Tensor, hidden: Tensor, elapsed_ms: Tensor) -> Tensor:
        """Return (M, D) interest vectors.

        Parameters
        ----------
        attended, hidden
            (M, D) X^ and H.
        elapsed_ms
            (M,) int64 time from the last event to the asking, `NO_ELAPSED` where unknown; not
            looked at when `query_time` is off.
        """
        both = torch.cat([attended, hidden], dim=1)  # (M, 2 D)
        both = F.dropout(both, self.dropout_rate, self.training)
        joined = self.join(both)
        if self.widen is None or self.narrow is None:
            return joined
        inner = self.norm(both)
        if self.elapsed is not None:
            inner = inner + self.elapsed(elapsed_ms)
        inner = F.dropout(F.gelu(self.widen(inner)), self.dropout_rate, self.training)
        return joined + self.narrow(inner)
