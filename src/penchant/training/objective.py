"""What training minimises, L = L_seq + lambda · L_int over a batch, and its twin for one user.

`Objective` is the fused path. `user_loss` says the same for one user's window with plain
differentiable operations, as a function of the parameters, so that per-user gradients can be taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from penchant.clock import elapsed_between
from penchant.encoders.plain import plain_operations
from penchant.errors import ConfigError
from penchant.heads import LabelRule
from penchant.losses import InterestLoss, Loss, Targets, running_mean
from penchant.model import InterestModel, ModelState, Trace
from penchant.packed import NO_ELAPSED, NO_TIME
from penchant.sequences.loader import TrainingBatch


class LossTerms(NamedTuple):
    """Scalars: `total` is minimised, `sequence` and `interest` are means over their positions."""

    total: Tensor
    sequence: Tensor
    interest: Tensor


class Objective(nn.Module):
    """The two losses over a packed batch.

    Parameters
    ----------
    loss
        The sequence loss, of the event that comes next.
    width
        Width D of the model.
    interest_weight
        lambda >= 0; with 0 the interest loss is not computed.
    interest_share
        Share of the positions, besides each window's last, at which the interest loss is computed.
    nominal_targets
        Targets of a full batch: a smaller batch counts less by that measure.
    labels
        Which targets were taken, for the binary loss.

    Raises
    ------
    ConfigError
        When a weight or a share is out of range.
    """

    def __init__(
        self,
        loss: Loss,
        width: int,
        interest_weight: float = 0.1,
        interest_share: float = 0.1,
        nominal_targets: int = 0,
        labels: LabelRule = LabelRule(),
    ) -> None:
        super().__init__()
        if interest_weight < 0 or not 0 <= interest_share <= 1:
            raise ConfigError(
                "interest_weight must not be negative and interest_share must lie in 0..1, "
                f"but they are {interest_weight} and {interest_share}.",
                "Mend them in the [loss] section.",
            )
        self.loss = loss
        self.interest_loss = InterestLoss(width)
        self.interest_weight = interest_weight
        self.interest_share = interest_share
        self.nominal_targets = nominal_targets
        self.labels = labels

    def forward(
        self, model: InterestModel, batch: TrainingBatch, state: ModelState | None = None
    ) -> tuple[LossTerms, ModelState]:
        """Return the losses of a batch and the users' memories after it (attached to the graph).

        `state` is what the batch before left for the first `num_users` of its users, detached; None
        starts anew.
        """
        table = model.table()
        trace, after = model(batch.events, state, table)
        vectors, targets = self._queries(model, batch, trace)
        sequence = self.loss(vectors, table, model.head, targets)
        interest = sequence.new_zeros(())
        if self.interest_weight > 0 and len(batch.target_item):
            interest = self.interest_loss(*self._interest_inputs(batch, trace, table))
        fill = min(len(targets.item) / self.nominal_targets, 1.0) if self.nominal_targets else 1.0
        total = (sequence + self.interest_weight * interest) * fill
        return LossTerms(total, sequence, interest), after

    def _queries(
        self, model: InterestModel, batch: TrainingBatch, trace: Trace
    ) -> tuple[Tensor, Targets]:
        """Return the interest vectors before each target, and the targets; first events last."""
        elapsed_ms = elapsed_between(batch.events.time_ms, batch.target_time_ms)
        vectors = model.readout(trace, elapsed_ms, batch.target_time_ms)
        starts = batch.first_item >= 0
        first = batch.first_item[starts]
        cold = self._cold(model, batch.first_time_ms[starts])
        item = torch.cat([batch.target_item, first])
        label = torch.cat(
            [
                self.labels(batch.target_value, batch.target_type),
                self.labels(batch.first_value[starts], batch.first_type[starts]),
            ]
        )
        weight = vectors.new_full((len(item),), 1 / max(len(item), 1))
        return torch.cat([vectors, cold.expand(len(first), -1)]), Targets(item, label, weight)

    def _cold(self, model: InterestModel, at_ms: Tensor) -> Tensor:
        """Return (F, D) or, where the time of asking is not looked at, (1, D) without history."""
        nobody = model.trace_of(model.initial_state(1))
        asked = at_ms if model.readout_layers.query_calendar else at_ms.new_full((1,), NO_TIME)
        rows = torch.zeros_like(asked)
        return model.readout(nobody.rows(rows), torch.full_like(asked, NO_ELAPSED), asked)

    def _interest_inputs(
        self, batch: TrainingBatch, trace: Trace, table: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the interest loss reads at the chosen positions."""
        at = self._interest_positions(batch)
        past = running_mean(table[batch.events.item_index], batch.events.offsets)
        weight = trace.attended.new_full((len(at),), 1 / len(at))
        return trace.attended[at], past[at], table, weight

    def _interest_positions(self, batch: TrainingBatch) -> Tensor:
        """Return each window's last position and a random share of the others."""
        num_rows = len(batch.target_item)
        chosen = torch.rand(num_rows) < self.interest_share
        chosen = chosen.to(batch.target_item.device)
        chosen[batch.events.offsets[1:][batch.events.lengths > 0] - 1] = True
        return chosen.nonzero().squeeze(1)


def user_loss(
    objective: Objective,
    model: InterestModel,
    parameters: Mapping[str, Tensor],
    window: TrainingBatch,
) -> Tensor:
    """Return the loss of one user's window as a pure function of the parameters.

    Parameters
    ----------
    objective, model
        Give the form; their own parameters are not read.
    parameters
        `model.*` and `objective.*`, as `trainable(objective, model)` names them.
    window
        A batch of one user.

    Notes
    -----
    Plain operations that can be differentiated any number of times; memory O(M · I). The interest
    loss is taken at every position with `interest_share` 1 and at the last with 0.

    Relations
    ---------
    Equals `Objective.forward` on the same window when dropout is off and `interest_share` is 0 or
    1.
    """
    pair = _Pair(objective, model)
    with plain_operations():
        return functional_call(pair, dict(parameters), (window,))


def trainable(objective: Objective, model: InterestModel) -> dict[str, Tensor]:
    """Return the parameters of both by name."""
    return dict(_Pair(objective, model).named_parameters())


class _Pair(nn.Module):
    """Model and objective as one module, so that one mapping names the parameters of both."""

    def __init__(self, objective: Objective, model: InterestModel) -> None:
        super().__init__()
        self.objective = objective
        self.model = model

    def forward(self, window: TrainingBatch) -> Tensor:
        assert window.events.num_users == 1, "user_loss takes one user's window"
        objective, model = self.objective, self.model
        table = model.table()
        trace, _ = model(window.events, None, table)
        vectors, targets = objective._queries(model, window, trace)
        total = objective.loss.reference(vectors, table, model.head, targets)
        if objective.interest_weight > 0 and len(window.target_item):
            inputs = objective._interest_inputs(window, trace, table)
            interest = objective.interest_loss.reference(*inputs)
            total = total + objective.interest_weight * interest
        return total
