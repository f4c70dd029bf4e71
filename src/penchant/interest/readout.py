"""From what the memory holds to the interest asked for: r = fuse([X^ ; H], query).

The attended vector and the hidden vector are concatenated, joined, and pass fully connected layers
that may see when is asked: how long after the last event, at which hour, on which weekday.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.clock import Calendar, ElapsedTime
from penchant.dropout import dropout
from penchant.errors import ConfigError
from penchant.packed import NO_TIME


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
    query_calendar
        Whether it depends on hour of the day and weekday (UTC) of the asking.
    dropout_rate
        Dropout on the concatenation and inside the layers.

    Raises
    ------
    ConfigError
        When the calendar is to be read and there are no layers to read it.

    Notes
    -----
    The join starts as the hidden vector alone and the layers start as nothing, so that training
    begins from the plain sequence model. Time is read by the layers: without them it says nothing.
    """

    def __init__(
        self,
        width: int,
        hidden_factor: int = 2,
        query_time: bool = True,
        query_calendar: bool = False,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if query_calendar and not hidden_factor:
            raise ConfigError(
                "readout.query_calendar needs layers that read it but readout.hidden_factor is 0.",
                "Set readout.hidden_factor=2, or readout.query_calendar=false.",
            )
        self.query_time = query_time
        self.query_calendar = query_calendar
        self.dropout_rate = dropout_rate
        self.join = nn.Linear(2 * width, width)
        with torch.no_grad():
            self.join.weight.copy_(torch.cat([torch.zeros(width, width), torch.eye(width)], dim=1))
            self.join.bias.zero_()
        self.elapsed = ElapsedTime(2 * width) if query_time else None
        self.calendar = Calendar(2 * width) if query_calendar else None
        self.norm = nn.LayerNorm(2 * width)
        self.widen = nn.Linear(2 * width, hidden_factor * width) if hidden_factor else None
        self.narrow = nn.Linear(hidden_factor * width, width) if hidden_factor else None
        if self.narrow is not None:
            nn.init.zeros_(self.narrow.weight)
            nn.init.zeros_(self.narrow.bias)

    @property
    def depends_on_time(self) -> bool:
        """Whether another time of asking gives another interest."""
        return self.widen is not None and (self.query_time or self.query_calendar)

    def forward(
        self, attended: Tensor, hidden: Tensor, elapsed_ms: Tensor, at_ms: Tensor | None = None
    ) -> Tensor:
        """Return (M, D) interest vectors.

        Parameters
        ----------
        attended, hidden
            (M, D) X^ and H.
        elapsed_ms
            (M,) int64 time from the last event to the asking, `NO_ELAPSED` where unknown; not
            looked at when `query_time` is off.
        at_ms
            (M,) int64 time of asking, `NO_TIME` where unknown, as all are when left out; not looked
            at when `query_calendar` is off.
        """
        both = torch.cat([attended, hidden], dim=1)  # (M, 2 D)
        both = dropout(both, self.dropout_rate, self.training)
        joined = self.join(both)
        if self.widen is None or self.narrow is None:
            return joined
        inner = self.norm(both)
        if self.elapsed is not None:
            inner = inner + self.elapsed(elapsed_ms)
        if self.calendar is not None:
            at_ms = torch.full_like(elapsed_ms, NO_TIME) if at_ms is None else at_ms
            inner = inner + self.calendar(at_ms)
        inner = dropout(F.gelu(self.widen(inner)), self.dropout_rate, self.training)
        return joined + self.narrow(inner)
