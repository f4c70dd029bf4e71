"""Training of masked-item encoders: which events are hidden, and which targets that leaves."""

from __future__ import annotations

from dataclasses import replace

import torch

from penchant.encoders import Looked, MaskedItemEncoder
from penchant.model import InterestModel
from penchant.sequences.loader import TrainingBatch


def hide_events(model: InterestModel, batch: TrainingBatch) -> tuple[TrainingBatch, Looked]:
    """Return a batch with those targets that are filled in, and which events are hidden.

    Notes
    -----
    A target after event t is filled in where event t + 1 is hidden, or t is the last one; those
    predicted from nothing stay. The targets that are left stand for the others: their weights add
    up to the same. A model that reads every event, or is not in training, gets the batch as it is.
    """
    encoder = model.encoder
    if not (model.training and isinstance(encoder, MaskedItemEncoder)):
        return batch, Looked()
    events = batch.events
    is_hidden = encoder.draw(events)
    is_filled = torch.cat([encoder.filled(events.offsets, is_hidden), is_hidden.new_ones(1)])
    kept = batch.target_weight * is_filled[batch.target_row].unsqueeze(1)  # row -1 is the last
    before, after = batch.target_weight.abs().sum(0), kept.abs().sum(0)  # (O,)
    weight = kept * torch.where(after > 0, before / after, 1.0)
    return replace(batch, target_weight=weight), Looked(is_hidden=is_hidden)
