"""What an event adds to its item on the way into the encoder.

The kind of behaviour, its value, and when it was.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penchant.clock import Calendar, ElapsedTime
from penchant.dropout import dropout
from penchant.packed import PackedEvents


class BehaviourInput(nn.Module):
    """Vector of an event from the vector of its item: x = e_item + type + value + time.

    Parameters
    ----------
    width
        Width D.
    num_event_types
        Kinds of behaviour in the log.
    use_event_type
        Whether the kind of behaviour counts.
    use_value
        Whether the event's value (a rating, a price, seconds watched) counts.
    use_elapsed
        Whether the time since the user's event before counts.
    use_calendar
        Whether hour of the day and weekday (UTC) count.
    dropout_rate
        Dropout on the vectors.

    Notes
    -----
    What type, value and time add starts at zero. A missing value and an unknown time have vectors
    of their own.
    """

    value_mean: Tensor
    value_scale: Tensor

    def __init__(
        self,
        width: int,
        num_event_types: int = 1,
        use_event_type: bool = True,
        use_value: bool = True,
        use_elapsed: bool = False,
        use_calendar: bool = False,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout_rate = dropout_rate
        typed = use_event_type and num_event_types > 1
        self.types = nn.Embedding(num_event_types, width) if typed else None
        self.value = nn.Linear(2, width, bias=False) if use_value else None
        self.elapsed = ElapsedTime(width) if use_elapsed else None
        self.calendar = Calendar(width) if use_calendar else None
        self.register_buffer("value_mean", torch.tensor(0.0))
        self.register_buffer("value_scale", torch.tensor(1.0))
        for part in (self.types, self.value):
            if part is not None:
                nn.init.zeros_(part.weight)

    def fit_values(self, value: Tensor) -> None:
        """Remember mean and spread of the training part's values (N,).

        Missing ones do not count.
        """
        known = value[~value.isnan()].double()
        if len(known):
            self.value_mean.copy_(known.mean())
            self.value_scale.copy_(known.std(correction=0).clamp(min=1e-6))

    def forward(self, item_vectors: Tensor, events: PackedEvents, elapsed_ms: Tensor) -> Tensor:
        """Return (N, D) vectors of the events, `elapsed_ms` (N,) after the event before each."""
        x = item_vectors
        if self.types is not None:
            x = x + self.types(events.event_type.clamp(0, self.types.num_embeddings - 1))
        if self.value is not None:
            known = ~events.value.isnan()
            scaled = (events.value.nan_to_num() - self.value_mean) / self.value_scale
            pair = torch.stack([scaled.clamp(-10, 10) * known, (~known).to(scaled.dtype)], dim=1)
            x = x + self.value(pair.to(x.dtype))
        if self.elapsed is not None:
            x = x + self.elapsed(elapsed_ms)
        if self.calendar is not None:
            x = x + self.calendar(events.time_ms)
        return dropout(x, self.dropout_rate, self.training)
