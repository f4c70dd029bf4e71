"""From an interest and an item to the value that the event is expected to have.

Seconds watched, a price, a rating: what `value` is in the log. A small readout beside the one that
says which item comes next.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ValueReadout(nn.Module):
    """Expected value of events from interest vectors and the vectors of their items.

    Parameters
    ----------
    width
        Width D.
    log_value
        Expect the logarithm of 1 + value, for values over several orders of magnitude.

    Notes
    -----
    One hidden layer over [r ; e ; r * e]; its output counts in standard deviations from the mean of
    the training part and starts at 0, so that training begins from the mean.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, log_value: bool = False) -> None:
        super().__init__()
        self.log_value = log_value
        self.widen = nn.Linear(3 * width, width)
        self.narrow = nn.Linear(width, 1)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))

    def fit(self, value: Tensor) -> None:
        """Remember mean and spread of the values (N,) of the training part, missing ones apart."""
        known = self._shown(value[~value.isnan()].double())
        if len(known):
            self.mean.copy_(known.mean())
            self.scale.copy_(known.std(correction=0).clamp(min=1e-6))

    def forward(self, vectors: Tensor, item_vectors: Tensor) -> Tensor:
        """Return (M,) expected values from interest (M, D) and items (M, D)."""
        found = self.standardised(vectors, item_vectors) * self.scale + self.mean
        return torch.expm1(found) if self.log_value else found

    def standardised(self, vectors: Tensor, item_vectors: Tensor) -> Tensor:
        """Return (M,) expected values in standard deviations from the mean."""
        both = torch.cat([vectors, item_vectors, vectors * item_vectors], dim=1)  # (M, 3 D)
        return self.narrow(F.gelu(self.widen(both))).squeeze(1)

    def squared_error(self, vectors: Tensor, item_vectors: Tensor, value: Tensor) -> Tensor:
        """Return (M,) squared errors in squared standard deviations, 0 where there is no value."""
        known = ~value.isnan()
        wanted = (self._shown(value.nan_to_num()) - self.mean) / self.scale
        error = self.standardised(vectors, item_vectors) - wanted.to(vectors.dtype)
        return torch.where(known, error, 0.0).square()

    def _shown(self, value: Tensor) -> Tensor:
        return torch.log1p(value) if self.log_value else value
