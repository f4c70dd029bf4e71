"""The interest model as a ranker: each history is folded once, whole, and read at every target.

Equal to what a live engine does one event at a time; that is a law with a test, not an aim of this
file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from penchant.clock import elapsed_between
from penchant.encoders import Looked
from penchant.items import Profiles
from penchant.model import InterestModel, ModelState, Trace
from penchant.packed import NO_TIME
from penchant.sequences.packing import pack
from penchant.sequences.roles import EventRoles
from penchant.sequences.targets import TargetBlock


class ModelRanker:
    """Scores all items for a block of targets with a model.

    Parameters
    ----------
    model
        The model; it is moved to the device and read in evaluation mode.
    query_time
        Tell the model the time of each target. Off for a model whose readout does not look at it.
        Legitimate where the time of asking is known, as when serving.
    device
        Where to compute; the model's own device when None.
    roles
        Which events are history; all when left out.
    objective
        What is asked for where the model has several objectives; the first when empty.
    profiles
        Attributes of the data's users, for a model that reads them; unknown when left out.
    new_item_bonus
        Added to the scores of items that came after training, as `Live` does.

    Raises
    ------
    UsageError
        When the model has no such objective.

    Notes
    -----
    Items that are not in the vocabulary and events that are no history leave no trace in a memory,
    offline as live.
    """

    def __init__(
        self,
        model: InterestModel,
        query_time: bool = True,
        device: torch.device | str | None = None,
        roles: EventRoles = EventRoles(),
        objective: str = "",
        profiles: Profiles | None = None,
        new_item_bonus: float = 0.0,
    ) -> None:
        self.model = model if device is None else model.to(device)
        self.query_time = query_time and model.readout_of(objective).depends_on_time
        self.roles = roles
        self.objective = objective
        self.profiles = profiles
        self.new_item_bonus = new_item_bonus

    def score(self, block: TargetBlock) -> np.ndarray:
        """Return (M, I) scores from one `forward` over the block's histories.

        In the model's precision, float32 at least.
        """
        with self.reading():
            vectors, table = self.interest_before(block)
            scores = self.model.scores(vectors, table)  # (M, I)
            if self.new_item_bonus:
                scores[:, self.model.items.num_trained :] += self.new_item_bonus
        return scores.to(torch.promote_types(scores.dtype, torch.float32)).cpu().numpy()

    def interest_before(self, block: TargetBlock) -> tuple[Tensor, Tensor]:
        """Return (M, D) the interest before each target, and the (I, D) table it is held against.

        To be called, and what it gives to be used, while `reading`.
        """
        known = (block.log.item_index >= 0) & self.roles.is_history(block.log.event_type)
        known &= _stands_before_a_target(block)
        row_before, has_history = _last_known_rows(block, known)
        table = self.model.table()
        events = pack(block.log.where(known), table.device)
        place = np.cumsum(known)[row_before] - 1  # row among the known events
        is_asked = np.zeros(events.num_events, dtype=bool)
        is_asked[place[has_history]] = True
        looked = Looked(torch.as_tensor(is_asked, device=table.device))
        begin = self._begin(block, table.device)
        trace, _ = self.model.forward(
            events, begin if self.model.profile.is_read else None, table, looked
        )
        asked = self._trace_at(trace, self.model.trace_of(begin), place, has_history, block.owner)
        before_ms = np.where(has_history, block.log.time_ms[row_before], NO_TIME)
        at_ms = block.times_ms if self.query_time else np.full(len(block.rows), NO_TIME)
        before, at = (torch.as_tensor(times, device=table.device) for times in (before_ms, at_ms))
        elapsed_ms = elapsed_between(before, at)
        return self.model.readout(asked, elapsed_ms, at, self.objective), table

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Switch dropout and gradients off, and dropout back to what it was."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.train(was_training)

    def _begin(self, block: TargetBlock, device: torch.device) -> ModelState:
        """Return the memories of the block's users before any event."""
        if self.profiles is None:
            return self.model.initial_state(len(block.users))
        profiles = self.profiles.of_users(torch.as_tensor(block.users, device=device))
        return self.model.initial_state(len(block.users), profiles)

    def _trace_at(
        self,
        trace: Trace,
        starts: Trace,
        place: np.ndarray,
        has_history: np.ndarray,
        owner: np.ndarray,
    ) -> Trace:
        """Return (M, …) what memories show before each target, where they start without history."""
        rows = torch.as_tensor(np.where(has_history, len(starts.hidden) + place, owner))
        rows = rows.to(starts.hidden.device)
        return Trace(*(torch.cat([s, t])[rows] for s, t in zip(starts, trace, strict=True)))


def _stands_before_a_target(block: TargetBlock) -> np.ndarray:
    """Return (N,) whether some target of its user comes after each row."""
    last = np.full(block.log.num_users, -1)
    np.maximum.at(last, block.owner, block.rows)
    return np.arange(block.log.num_events) < last[block.log.user]


def _last_known_rows(block: TargetBlock, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (M,) the last row before each target that is folded, and whether there is one."""
    newest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    row = np.where(block.rows > 0, newest[block.rows - 1], -1)
    has_history = row >= block.starts
    return np.where(has_history, row, 0), has_history
