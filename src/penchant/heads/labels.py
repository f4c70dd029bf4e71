"""Which events say that their item was taken, for heads that tell how likely that is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class LabelRule(NamedTuple):
    """Which events were taken.

    Those of value at least `least_value`, and of `event_types` where any are named.
    """

    least_value: float | None = None
    event_types: tuple[int, ...] = ()

    def __call__(self, value: Tensor, event_type: Tensor) -> Tensor:
        """Return (M,) 1 where an event was taken and 0 where it was refused.

        An unknown value is no refusal.
        """
        taken = torch.ones_like(value)
        if self.least_value is not None:
            taken = taken * ((value >= self.least_value) | value.isnan())
        if self.event_types:
            taken = taken * torch.isin(
                event_type, torch.tensor(self.event_types, device=value.device)
            )
        return taken
