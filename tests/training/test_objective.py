"""The fused objective equals the plain loss of one user, and learns a log with a known rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from penchant.encoders import encoders, map_state
from penchant.errors import ConfigError, UsageError
from penchant.events.arrays import LogArrays
from penchant.heads import heads
from penchant.interest import Readout, attentions
from penchant.items import BehaviourInput, IdentityItems
from penchant.losses import Loss, SampledSoftmax, VectorRegression, losses
from penchant.model import InterestModel
from penchant.packed import PackedEvents
from penchant.sequences.loader import TrainingLoader
from penchant.training.objective import LabelRule, Objective, trainable, user_loss

from ..decoders import small_settings
from .small import check_fused_equals_plain


def log_of(histories: list[list[int]]) -> LogArrays:
    items = np.array([item for history in histories for item in history])
    offsets = np.cumsum([0, *map(len, histories)]).astype(np.int64)
    zeros = np.zeros(len(items))
    times = np.arange(len(items)) * 7_000
    return LogArrays(items, zeros, items % 5 + 0.5, times, zeros, offsets)


def build(num_items: int, encoder: str = "gru", head: str = "dot", width: int = 8) -> InterestModel:
    torch.manual_seed(9)
    return InterestModel(
        IdentityItems(num_items, width),
        BehaviourInput(width),
        encoders.build(encoder, small_settings(encoder), width=width),
        attentions.build("multi_head", {"num_heads": 2}, width=width),
        Readout(width),
        heads.build(head, {}, num_items=num_items, width=width),
    )


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("encoder", list(encoders))
def test_the_fused_objective_equals_the_plain_loss_of_one_user(encoder: str, share: float) -> None:
    model = build(9, encoder).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    objective = Objective(losses.build("full_softmax", {}), 8, 0.3, share).double()
    [batch] = TrainingLoader(log_of([[3, 1, 4, 1, 5, 8, 2, 6]]), 99, 99, seed=0).epoch(0)
    check_fused_equals_plain(objective, model, batch)


def test_the_binary_objective_equals_its_plain_twin() -> None:
    model = build(9, head="binary").double()
    objective = Objective(
        losses.build("binary", {}), 8, 0.0, labels=LabelRule(least_value=3.0)
    ).double()
    [batch] = TrainingLoader(log_of([[3, 1, 4, 1, 5, 8]]), 99, 99, seed=0).epoch(0)
    fused = objective(model, batch)[0].total
    plain = user_loss(objective, model, trainable(objective, model), batch)
    torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("head", ["dot", "several", "mixture"])
def test_a_sampled_objective_equals_its_plain_twin_under_the_same_draws(head: str) -> None:
    model = build(9, head=head).double()
    loss = SampledSoftmax(torch.ones(9), num_negatives=5, label_smoothing=0.1)
    objective = Objective(loss, 8, 0.3, 1.0).double()
    [batch] = TrainingLoader(log_of([[3, 1, 4, 1, 5, 8]]), 99, 99, seed=0).epoch(0)
    torch.manual_seed(2)
    fused = objective(model, batch)[0].total
    torch.manual_seed(2)
    plain = user_loss(objective, model, trainable(objective, model), batch)
    torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "loss",
    [SampledSoftmax(torch.ones(9), "in_batch"), VectorRegression()],
    ids=["in batch", "spread"],
)
def test_a_loss_that_looks_at_the_whole_batch_has_no_loss_of_one_user(loss: Loss) -> None:
    model, objective = build(9), Objective(loss, 8)
    [batch] = TrainingLoader(log_of([[3, 1, 4]]), 99, 99, seed=0).epoch(0)
    with pytest.raises(UsageError, match=r"The loss of a user must not depend on others"):
        user_loss(objective, model, trainable(objective, model), batch)


def test_a_loss_that_samples_never_has_the_table_written_out() -> None:
    model = build(9)
    model.items.table = lambda: pytest.fail("the table was written out")  # type: ignore[method-assign]
    model.items.refresh = model.head.refresh = lambda parameter, rows: None
    objective = Objective(SampledSoftmax(torch.ones(9), num_negatives=2), 8)
    [batch] = TrainingLoader(log_of([[3, 1, 4, 1]]), 99, 99, seed=0).epoch(0)
    objective(model, batch)[0].total.backward()
    for parameter in (model.items.vectors.weight, model.head.bias):
        assert parameter.grad is not None
        assert parameter.grad.is_sparse


def test_labels_follow_the_value_and_an_unknown_value_is_no_refusal() -> None:
    value = torch.tensor([4.0, 3.9, float("nan")])
    assert LabelRule(least_value=4.0)(value, torch.zeros(3)).tolist() == [1, 0, 1]
    assert LabelRule(event_types=(2,))(value, torch.tensor([2, 1, 0])).tolist() == [1, 0, 0]


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"interest_share must lie in 0\.\.1, but they are 0\.1 and 2"
    ):
        Objective(losses.build("full_softmax", {}), 8, 0.1, 2)


def test_without_weight_the_interest_loss_is_not_computed() -> None:
    model = build(9)
    objective = Objective(losses.build("full_softmax", {}), 8, interest_weight=0.0)
    [batch] = TrainingLoader(log_of([[3, 1, 4]]), 99, 99, seed=0).epoch(0)
    assert objective(model, batch)[0].interest.item() == 0.0


def test_a_known_rule_is_learned_across_windows_that_carry_the_state() -> None:
    """Item i is followed by i + 3 modulo 11."""
    draw = np.random.default_rng(2)
    histories = []
    for _ in range(40):
        start = int(draw.integers(11))
        histories.append([(start + 3 * step) % 11 for step in range(int(draw.integers(9, 17)))])
    model = build(11, width=16)
    objective = Objective(losses.build("full_softmax", {}), 16, nominal_targets=80)
    loader = TrainingLoader(log_of(histories), window=6, batch_events=80, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for epoch in range(10):
        state = None
        for batch in loader.epoch(epoch):
            carried = None
            if batch.carries:
                users = batch.events.num_users
                carried = map_state(state, lambda leaf, users=users: leaf[:users].detach())
            terms, state = objective(model, batch, carried)
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
    with torch.inference_mode():
        trace, _ = model.eval()(PackedEvents.from_lists([[1, 4, 7, 10, 2]]))
        scores = model.scores(model.readout(trace, torch.full((5,), -1)))
    assert scores.argmax(1).tolist() == [4, 7, 10, 2, 5]
