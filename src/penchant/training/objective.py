"""What training minimises, L = L_seq + lambda · L_int over a batch, and its twin for one user.

`Objective` is the fused path. `user_loss` says the same for one user's window with plain
differentiable operations, as a function of the parameters, so that per-user gradients can be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from penchant.clock import elapsed_between
from penchant.encoders.plain import plain_operations
from penchant.errors import ConfigError, UsageError
from penchant.heads import Head, LabelRule
from penchant.items import ItemRows, Profiles, Table
from penchant.losses import InterestLoss, Loss, SampledLoss, Targets, running_mean
from penchant.losses.unlikelihood import unlikelihood
from penchant.model import InterestModel, ModelState, Trace
from penchant.packed import NO_ELAPSED, NO_TIME
from penchant.sequences.loader import TrainingBatch
from penchant.training.cloze import hide_events
from penchant.training.contrasting import Contrasts

SequenceLoss = Callable[[Tensor, Table, Head, Targets], Tensor]
"""`forward` or `reference` of a loss."""

ROWS_FROM: Final = 50_000
"""Items above which the table is never written out for a loss that does not read all of it."""


class LossTerms(NamedTuple):
    """Scalars: `total` is minimised; `sequence` is over targets, `interest` over positions.

    `contrast` is what contrasts add, weighted; 0 without them.
    """

    total: Tensor
    sequence: Tensor
    interest: Tensor
    contrast: Tensor


class Term(NamedTuple):
    """One of the things to be predicted.

    `name` as the model has it, `weight` in the sum, and `share` of the training part's targets that
    are its own: with it a batch that holds few of them weighs them no more than one with many.
    """

    name: str = ""
    weight: float = 1.0
    share: float = 1.0


class Objective(nn.Module):
    """The losses over a packed batch.

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
    terms
        What is predicted, in the order of the batch's weights; one thing when left out.
    value_weight
        What the squared error of the value counts, where the model tells values.

    Raises
    ------
    ConfigError
        When a weight or a share is out of range.

    Notes
    -----
    L_seq is the sum over terms of weight / (share · M) times the sum over M targets of what each
    counts times its loss: with one term, the mean over targets. A target that counts less than 0
    adds `unlikelihood`. A target that counts 0 costs nothing. `contrasts` are added where they are
    set. `profiles` are the attributes of the log's users, where a model reads them: a window begins
    with those of its user, wherever in the history it begins.
    """

    contrasts: Contrasts | None
    profiles: Profiles | None

    def __init__(
        self,
        loss: Loss,
        width: int,
        interest_weight: float = 0.1,
        interest_share: float = 0.1,
        nominal_targets: float = 0,
        labels: LabelRule = LabelRule(),
        terms: Sequence[Term] = (Term(),),
        value_weight: float = 1.0,
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
        self.terms = tuple(terms)
        self.value_weight = value_weight
        self.contrasts = None
        self.profiles = None

    def forward(
        self, model: InterestModel, batch: TrainingBatch, state: ModelState | None = None
    ) -> tuple[LossTerms, ModelState]:
        """Return the losses of a batch and the users' memories after it (attached to the graph).

        `state` is what the batch before left for the first `num_users` of its users, detached; None
        starts anew.
        """
        with model.items.reading_once():
            return self._terms(model, batch, state)

    def _terms(
        self, model: InterestModel, batch: TrainingBatch, state: ModelState | None
    ) -> tuple[LossTerms, ModelState]:
        table = self._table(model)
        batch, looked = hide_events(model, batch)
        begin = self._begin(model, batch) if state is None else state
        trace, after = model(batch.events, begin, table, looked)
        starts = _starts(model, begin)
        sequence = self._sequence(model, batch, trace, table, self.loss, starts)
        interest = sequence.new_zeros(())
        if self.interest_weight > 0 and batch.events.num_events:
            interest = self.interest_loss(*self._interest_inputs(batch, trace, table))
        contrast = sequence.new_zeros(())
        if self.contrasts is not None:
            contrast = self.contrasts(
                batch,
                trace,
                lambda events: model(events, begin, table)[0],
                lambda view, shown, at: self._vectors(
                    model, view, shown, at, self.terms[0].name, starts
                ),
            )
        fill = min(batch.num_targets / self.nominal_targets, 1.0) if self.nominal_targets else 1.0
        total = (sequence + self.interest_weight * interest + contrast) * fill
        return LossTerms(total, sequence, interest, contrast), after

    def _begin(self, model: InterestModel, batch: TrainingBatch) -> ModelState | None:
        """Return what attributes say before the users' windows, None where they are not read."""
        if not model.profile.is_read:
            return None
        profiles = None if self.profiles is None else self.profiles.of_users(batch.users)
        return model.initial_state(batch.events.num_users, profiles)

    def _table(self, model: InterestModel) -> Table:
        """Return the vectors of the items that are compared.

        Written out unless few of a large catalogue's are needed.
        """
        is_large = (
            model.num_items > ROWS_FROM
            or isinstance(self.loss, SampledLoss)
            or model.items.is_costly
        )
        num_items = model.items.num_trained
        if is_large and not self.loss.reads_table:
            return ItemRows(model.items, num_items)
        return model.table()[:num_items]

    def _sequence(
        self,
        model: InterestModel,
        batch: TrainingBatch,
        trace: Trace,
        table: Table,
        loss: SequenceLoss,
        starts: Trace | None,
    ) -> Tensor:
        """Return the weighted sum of the terms' losses, by either form of a loss."""
        assert batch.target_weight.shape[1] == len(self.terms), "one weight per target and term"
        found = []
        for place, term in enumerate(self.terms):
            at = batch.target_weight[:, place].nonzero().squeeze(1)  # (M',)
            if len(at) == 0:
                continue
            scale = term.weight / (term.share * batch.num_targets)
            weight = (batch.target_weight[at, place].double() * scale).to(table.dtype)
            vectors = self._vectors(model, batch, trace, at, term.name, starts)
            found.append(self._judged(model, batch, at, vectors, table, weight, loss))
            if place == 0 and model.value is not None:
                counts = (weight > 0) * (scale * self.value_weight)
                item_vectors = table[batch.target_item[at]]
                error = model.value.squared_error(vectors, item_vectors, batch.target_value[at])
                found.append(error @ counts.to(error.dtype))
        # Where a batch holds no target its memories are still carried on, with gradients of 0.
        return sum(found[1:], found[0]) if found else trace.attended.sum() * 0.0

    def _vectors(
        self,
        model: InterestModel,
        batch: TrainingBatch,
        trace: Trace,
        at: Tensor,
        name: str,
        starts: Trace | None = None,
    ) -> Tensor:
        """Return (M', D) the interest before the chosen targets, those from nothing last.

        `starts` is what memories show before any event, where that is not the same for all users.
        """
        row, at_ms = batch.target_row[at], batch.target_time_ms[at]
        warm = row >= 0
        num_warm = int(warm.sum())
        row, warm_ms = row[:num_warm], at_ms[:num_warm]
        elapsed_ms = elapsed_between(batch.events.time_ms[row], warm_ms)
        if num_warm != batch.events.num_events or (row.diff() == 0).any():
            trace = trace.rows(row)
        vectors = model.readout(trace, elapsed_ms, warm_ms, name)
        own = None if starts is None else starts.rows(batch.target_user[at[num_warm:]])
        cold = self._cold(model, at_ms[num_warm:], name, own)
        return torch.cat([vectors, cold.expand(len(at) - num_warm, -1)])

    def _cold(self, model: InterestModel, at_ms: Tensor, name: str, starts: Trace | None) -> Tensor:
        """Return (F, D) or, where all would be the same, (1, D) the interest without history."""
        if starts is not None:
            return model.readout(starts, torch.full_like(at_ms, NO_ELAPSED), at_ms, name)
        nobody = model.trace_of(model.initial_state(1))
        looks = model.readout_of(name).query_calendar
        asked = at_ms if looks else at_ms.new_full((1,), NO_TIME)
        rows = torch.zeros_like(asked)
        return model.readout(nobody.rows(rows), torch.full_like(asked, NO_ELAPSED), asked, name)

    def _judged(
        self,
        model: InterestModel,
        batch: TrainingBatch,
        at: Tensor,
        vectors: Tensor,
        table: Table,
        weight: Tensor,
        loss: SequenceLoss,
    ) -> Tensor:
        """Return the loss of the chosen targets that count, and of those that are pushed down."""
        refused = weight < 0
        if not refused.any():
            return loss(vectors, table, model.head, self._targets(batch, at, weight))
        down, up = refused.nonzero().squeeze(1), (~refused).nonzero().squeeze(1)
        item = batch.target_item[at[down]]
        total = unlikelihood(vectors[down], table, model.head, item, -weight[down])
        if len(up):
            targets = self._targets(batch, at[up], weight[up])
            total = total + loss(vectors[up], table, model.head, targets)
        return total

    def _targets(self, batch: TrainingBatch, at: Tensor, weight: Tensor) -> Targets:
        label = self.labels(batch.target_value[at], batch.target_type[at])
        return Targets(batch.target_item[at], label, weight)

    def _interest_inputs(
        self, batch: TrainingBatch, trace: Trace, table: Table
    ) -> tuple[Tensor, Tensor, Table, Tensor]:
        """Return what the interest loss reads at the chosen positions."""
        at = self._interest_positions(batch)
        past = running_mean(table[batch.events.item_index], batch.events.offsets)
        weight = trace.attended.new_full((len(at),), 1 / len(at))
        return trace.attended[at], past[at], table, weight

    def _interest_positions(self, batch: TrainingBatch) -> Tensor:
        """Return each window's last position and a random share of the others."""
        chosen = torch.rand(batch.events.num_events) < self.interest_share
        chosen = chosen.to(batch.events.item_index.device)
        chosen[batch.events.offsets[1:][batch.events.lengths > 0] - 1] = True
        return chosen.nonzero().squeeze(1)


def _starts(model: InterestModel, begin: ModelState | None) -> Trace | None:
    """Return what memories show before any event, None where it is the same for all users."""
    return model.trace_of(begin) if begin is not None and model.profile.is_read else None


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
    loss is taken at every position with `interest_share` 1 and at the last with 0. Negatives are
    drawn anew, by torch's random state.

    Raises
    ------
    UsageError
        When a user's loss depends on who else is in the batch.

    Relations
    ---------
    Equals `Objective.forward` on the same window when dropout is off, `interest_share` is 0 or 1,
    and the random state is the same.
    """
    if objective.contrasts is not None:
        raise UsageError(
            "The loss of a user must not depend on others, but contrasts are between users.",
            "Set loss.contrast_weight=0 and loss.view_weight=0.",
        )
    if not objective.loss.separates_users:
        raise UsageError(
            f'The loss of a user must not depend on others, but loss "{objective.loss.kind}" as it '
            "is set compares a user with the targets of the batch.",
            "Set loss.negatives=uniform, or loss.spread_weight=0.",
        )
    pair = _Pair(objective, model)
    with plain_operations():
        return functional_call(pair, dict(parameters), (window,))


def trainable(objective: Objective, model: InterestModel) -> dict[str, Tensor]:
    """Return the parameters of both by name; those that are frozen are none."""
    named = _Pair(objective, model).named_parameters()
    return {name: weight for name, weight in named if weight.requires_grad}


class _Pair(nn.Module):
    """Model and objective as one module, so that one mapping names the parameters of both."""

    def __init__(self, objective: Objective, model: InterestModel) -> None:
        super().__init__()
        self.objective = objective
        self.model = model

    def forward(self, window: TrainingBatch) -> Tensor:
        assert window.events.num_users == 1, "user_loss takes one user's window"
        with self.model.items.reading_once(plain=True):
            return self._total(window)

    def _total(self, window: TrainingBatch) -> Tensor:
        objective, model = self.objective, self.model
        table = objective._table(model)
        window, looked = hide_events(model, window)
        begin = objective._begin(model, window)
        trace, _ = model(window.events, begin, table, looked)
        starts, loss = _starts(model, begin), objective.loss.reference
        total = objective._sequence(model, window, trace, table, loss, starts)
        if objective.interest_weight > 0 and window.events.num_events:
            inputs = objective._interest_inputs(window, trace, table)
            interest = objective.interest_loss.reference(*inputs)
            total = total + objective.interest_weight * interest
        return total
