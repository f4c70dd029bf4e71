"""Several objectives, weights, negatives and values: each as written plainly, and no more work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from penchant.encoders import encoders
from penchant.events.arrays import LogArrays
from penchant.heads import DotProductHead
from penchant.interest import Readout, ValueReadout, attentions
from penchant.items import BehaviourInput, IdentityItems
from penchant.losses import losses
from penchant.model import InterestModel, Query
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.sequences.packing import pack
from penchant.sequences.roles import EventRoles
from penchant.training.objective import Objective, Term

from ..decoders import small_settings
from .small import check_fused_equals_plain

WIDTH, NUM_ITEMS = 8, 9
VIEW, BUY, SKIP = 0, 1, 2
CLICKS_AND_BUYS = EventRoles(
    history_types=(VIEW, BUY), target_weights=((2.0, 1.0, -0.5), (0.0, 1.0, -0.5))
)
TERMS = (Term("click", 1.0, 0.75), Term("buy", 3.0, 0.25))


def log_of(types: list[int], seed: int = 4) -> LogArrays:
    """Return one user's events, an hour and a bit apart."""
    draw = np.random.default_rng(seed)
    size = len(types)
    return LogArrays(
        draw.integers(0, NUM_ITEMS, size),
        np.array(types),
        np.where(draw.random(size) < 0.3, np.nan, draw.random(size) * 5).astype(np.float32),
        np.cumsum(draw.integers(1, 9_000_000, size)),
        np.zeros(size, dtype=np.int8),
        np.array([0, size]),
    )


def build(names: tuple[str, ...] = (), value: bool = False, encoder: str = "gru") -> InterestModel:
    """Return a model in float64 in which nothing is zero and time matters everywhere."""
    torch.manual_seed(9)
    readouts = {name: Readout(WIDTH, query_calendar=True) for name in names}
    model = InterestModel(
        IdentityItems(NUM_ITEMS, WIDTH),
        BehaviourInput(WIDTH, 3, use_elapsed=True, use_calendar=True),
        encoders.build(encoder, small_settings(encoder), width=WIDTH),
        attentions.build("multi_head", {"num_heads": 2}, width=WIDTH),
        readouts or Readout(WIDTH, query_calendar=True),
        DotProductHead(NUM_ITEMS),
        ValueReadout(WIDTH) if value else None,
    ).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


def objective_of(terms: tuple[Term, ...] = (Term(),), weight: float = 0.0) -> Objective:
    loss = losses.build("full_softmax", {})
    return Objective(loss, WIDTH, weight, 1.0, terms=terms, value_weight=0.7).double()


def batch_of(log: LogArrays, roles: EventRoles) -> TrainingBatch:
    [batch] = TrainingLoader(log, 99, 99, seed=0, roles=roles).epoch(0)
    return batch


MIXED = log_of([SKIP, VIEW, BUY, SKIP, VIEW, VIEW, BUY, BUY, SKIP, VIEW])


@pytest.mark.parametrize("encoder", list(encoders))
@pytest.mark.parametrize("value", [False, True])
def test_the_fused_objective_equals_the_plain_loss_of_one_user(encoder: str, value: bool) -> None:
    model, objective = build(("click", "buy"), value, encoder), objective_of(TERMS, 0.3)
    batch = batch_of(MIXED, CLICKS_AND_BUYS)
    check_fused_equals_plain(objective, model, batch)


def test_each_term_is_the_sum_over_its_targets_by_their_expected_number() -> None:
    """Written out: every event is asked about from the events before it that are history."""
    model = build(("click", "buy"))
    found = objective_of(TERMS)(model, batch_of(MIXED, CLICKS_AND_BUYS))[0].sequence
    weight = CLICKS_AND_BUYS.weights(MIXED)
    wanted, num_targets = torch.zeros((), dtype=torch.float64), int((weight != 0).any(1).sum())
    for place, term in enumerate(TERMS):
        for row in range(MIXED.num_events):
            scores = before(model, MIXED, row, term.name).log_softmax(0)
            own = scores[MIXED.item_index[row]]
            loss = -own if weight[row, place] > 0 else -torch.log1p(-own.exp())
            wanted = wanted + term.weight / (term.share * num_targets) * abs(weight[row, place]) * (
                loss if weight[row, place] else 0.0
            )
    torch.testing.assert_close(found, wanted)


def before(model: InterestModel, log: LogArrays, row: int, name: str) -> torch.Tensor:
    """Return (I,) scores just before a row, read from the history before it, step by step."""
    state = model.initial_state(1)
    for earlier in range(row):
        if log.event_type[earlier] in (VIEW, BUY):
            state = model.step(pack(log.take(np.array([earlier]), np.array([0, 1]))), state)
    interest = model.read(state, Query(torch.as_tensor(log.time_ms[[row]]), name))
    return model.scores(interest.vectors[:, 0])[0]


def test_the_error_of_the_value_is_added_for_targets_that_carry_one() -> None:
    roles = EventRoles(target_weights=((1.0, 1.0, 0.0),))
    model = build(value=True)
    model.value.fit(torch.tensor([1.0, 3.0]))
    batch = batch_of(MIXED, roles)
    found = objective_of()(model, batch)[0].sequence
    value, model.value = model.value, None
    plain = objective_of()(model, batch)[0].sequence
    vectors = objective_of()._vectors(
        model, batch, model(batch.events)[0], torch.arange(batch.num_targets), ""
    )
    expected = value(vectors, model.table()[batch.target_item])
    known = ~batch.target_value.isnan()
    error = (expected - batch.target_value)[known] ** 2 / 1.0  # mean 2, spread 1
    torch.testing.assert_close(found - plain, 0.7 * error.sum() / batch.num_targets)
    assert 0 < known.sum() < len(known)


def test_what_is_no_target_reaches_no_softmax(monkeypatch) -> None:
    model, objective = build(("click", "buy")), objective_of(TERMS)
    seen = []
    forward = objective.loss.forward
    monkeypatch.setattr(
        objective.loss, "forward", lambda *given: (seen.append(len(given[0])), forward(*given))[1]
    )
    objective(model, batch_of(MIXED, CLICKS_AND_BUYS))
    assert seen == [4 + 3, 3]  # views and buys, buys


def test_a_batch_without_targets_carries_memories_on_and_teaches_nothing() -> None:
    roles = EventRoles(target_weights=((0.0, 1.0, 0.0),))
    log = log_of([VIEW] * 12 + [BUY])
    batches = list(TrainingLoader(log, 4, 99, seed=0, roles=roles).epoch(0))
    assert [batch.num_targets for batch in batches] == [0, 0, 1]
    model, objective = build(), objective_of()
    terms, state = objective(model, batches[0])
    terms.total.backward()
    assert terms.total.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert state.num_events.tolist() == [4]


def test_readouts_of_other_objectives_are_not_moved_by_what_is_not_theirs() -> None:
    model = build(("click", "buy"))
    roles = replace(CLICKS_AND_BUYS, target_weights=((2.0, 1.0, 0.0), (0.0, 1.0, 0.0)))
    batch = batch_of(log_of([VIEW, VIEW, VIEW]), roles)
    objective_of((Term("click"), Term("buy")))(model, batch)[0].total.backward()
    assert model.readout_layers.join.weight.grad.any()
    assert model.other_readouts[0].join.weight.grad is None


def test_one_unnamed_objective_is_a_model_with_the_usual_names() -> None:
    names = [name for name, _ in build().named_parameters()]
    assert not any("other_readouts" in name or name.startswith("value") for name in names)
    several = [name for name, _ in build(("click", "buy")).named_parameters()]
    assert set(names) < set(several)
    assert {name.split(".")[0] for name in set(several) - set(names)} == {"other_readouts"}


@pytest.mark.parametrize(("weight", "falls"), [(-1.0, True), (1.0, False)])
def test_refused_items_come_down_where_taken_ones_rise(weight: float, falls: bool) -> None:
    log = log_of([VIEW, SKIP, VIEW, SKIP, VIEW, SKIP])
    log.item_index[:] = [1, 5, 2, 5, 1, 5]
    batch = batch_of(log, EventRoles((VIEW,), target_weights=((1.0, 0.0, weight),)))
    model = build()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # all items about alike
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        objective_of()(model, batch)[0].total.backward()
        optimizer.step()
    share = F.softmax(before(model, log, 5, ""), 0)[5].item()
    assert (share < 1 / NUM_ITEMS / 3) if falls else (share > 3 / NUM_ITEMS)
