"""Which positions of a batch are contrasted, and the second view of their histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.losses import Contrast
from penchant.model import Trace
from penchant.packed import PackedEvents
from penchant.sequences.loader import TrainingBatch

Fold = Callable[[PackedEvents], Trace]
"""From events to what memories show after each, from where the batch began."""

Read = Callable[[TrainingBatch, Trace, Tensor], Tensor]
"""From a batch, its trace and some of its targets (A,) to the interest vectors before these."""


class Contrasts(nn.Module):
    """Contrasts between interest vectors at some positions of a packed batch.

    Parameters
    ----------
    contrast_weight
        Weight of the contrast between positions with the same target.
    view_weight
        Weight of the contrast between two views of the histories.
    temperature
        What cosines are divided by.
    num_positions
        Positions drawn from a batch.
    view_drop_share
        Share of the events that the second view leaves out; with 0 dropout alone makes the two
        differ.

    Raises
    ------
    ConfigError
        When a setting is out of its range.

    Notes
    -----
    A second view costs a second pass of the encoder. The positions drawn keep their own last event,
    so that both views are asked at the same time.
    """

    def __init__(
        self,
        contrast_weight: float = 0.0,
        view_weight: float = 0.0,
        temperature: float = 0.1,
        num_positions: int = 512,
        view_drop_share: float = 0.0,
    ) -> None:
        super().__init__()
        if min(contrast_weight, view_weight) < 0 or not 0 <= view_drop_share < 1:
            raise ConfigError(
                "loss.contrast_weight and loss.view_weight must not be negative and "
                "loss.view_drop_share must lie in 0..1, 1 left out, but they are "
                f"{contrast_weight}, {view_weight} and {view_drop_share}.",
                "Mend them in the [loss] section.",
            )
        if num_positions < 2:
            raise ConfigError(
                f"loss.contrast_positions must be at least 2 but is {num_positions}.",
                "Set it to 512.",
            )
        self.contrast = Contrast(temperature)
        self.contrast_weight = contrast_weight
        self.view_weight = view_weight
        self.num_positions = num_positions
        self.view_drop_share = view_drop_share

    def forward(self, batch: TrainingBatch, trace: Trace, fold: Fold, read: Read) -> Tensor:
        """Return the weighted contrasts, each a mean over the positions drawn."""
        at = self._positions(batch)
        if len(at) < 2:
            return trace.attended.sum() * 0.0
        vectors, item = read(batch, trace, at), batch.target_item[at]
        weight = vectors.new_full((len(at),), 1 / len(at))
        total = vectors.new_zeros(())
        if self.contrast_weight:
            same = self.contrast.same_target(vectors, item, weight)
            total = total + self.contrast_weight * same
        if self.view_weight:
            view = self._second_view(batch, at)
            other = read(view, fold(view.events), at)
            total = total + self.view_weight * self.contrast.two_views(vectors, other, item, weight)
        return total

    def _positions(self, batch: TrainingBatch) -> Tensor:
        """Return (A,) rising places of some targets that are wanted and have a history."""
        is_asked = (batch.target_weight[:, 0] > 0) & (batch.target_row >= 0)
        places = is_asked.nonzero().squeeze(1)
        chosen = torch.randperm(len(places))[: self.num_positions].sort().values
        return places[chosen.to(places.device)]

    def _second_view(self, batch: TrainingBatch, at: Tensor) -> TrainingBatch:
        """Return the batch without some of its events; of its targets those at `at` are right."""
        if self.view_drop_share == 0:
            return batch
        events = batch.events
        is_kept = torch.rand(events.num_events) >= self.view_drop_share
        is_kept = is_kept.to(events.offsets.device)
        is_kept[batch.target_row[at]] = True
        after = torch.cat([is_kept.new_zeros(1, dtype=torch.int64), is_kept.cumsum(0)])
        kept = events.select(is_kept.nonzero().squeeze(1), after[events.offsets].diff())
        return replace(batch, events=kept, target_row=after[batch.target_row + 1] - 1)
