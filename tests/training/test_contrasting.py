"""What is contrasted: wanted targets with a history, in two views that ask at the same time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from penchant.errors import ConfigError, UsageError
from penchant.losses import FullSoftmax
from penchant.model import Trace
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.training import train
from penchant.training.contrasting import Contrasts
from penchant.training.objective import Objective, trainable, user_loss

from .small import quick_config, small_data
from .test_objective import build, log_of

HISTORIES = [[3, 1, 4, 1, 5, 8, 2], [6], [1, 4, 1, 8]]


def one_batch() -> TrainingBatch:
    [batch] = TrainingLoader(log_of(HISTORIES), 99, 99, seed=0).epoch(0)
    return batch


def items_of(batch: TrainingBatch) -> Trace:
    """Return a trace whose vectors say which event they follow."""
    item = batch.events.item_index.double().unsqueeze(1)
    return Trace(item, item, item[:, :0])


def test_only_wanted_targets_with_a_history_are_drawn_and_no_more_than_is_said() -> None:
    batch = one_batch()
    assert (batch.target_row < 0).sum() == 3
    weight = batch.target_weight.clone()
    weight[1], weight[4] = -1.0, 0.0  # pushed down, and none of the first objective's
    batch = replace(batch, target_weight=weight)
    wanted = {0, 2, 3, 5, 6, 7, 8}
    assert set(Contrasts(num_positions=99)._positions(batch).tolist()) == wanted
    drawn = [Contrasts(num_positions=3)._positions(batch).tolist() for _ in range(40)]
    assert all(len(each) == 3 and each == sorted(each) for each in drawn)
    assert {place for each in drawn for place in each} == wanted


def test_a_view_without_some_events_keeps_those_before_its_targets() -> None:
    batch = one_batch()
    at = torch.tensor([0, 4, 7])
    sizes = set()
    for seed in range(20):
        torch.manual_seed(seed)
        view = Contrasts(view_drop_share=0.6)._second_view(batch, at)
        sizes.add(view.events.num_events)
        before = view.events.item_index[view.target_row[at]]
        assert torch.equal(before, batch.events.item_index[batch.target_row[at]])
        owner, was = view.events.user, batch.events.user
        assert torch.equal(owner[view.target_row[at]], was[batch.target_row[at]])
        assert set(view.events.time_ms.tolist()) <= set(batch.events.time_ms.tolist())
        assert view.events.num_users == batch.events.num_users
        assert (view.target_row[batch.target_row < 0] == -1).all()
    assert min(sizes) < 6 < max(sizes) <= batch.events.num_events == 9


def test_the_sum_is_of_both_contrasts_by_their_weights() -> None:
    batch, given = one_batch(), {}

    def read(batch: TrainingBatch, trace: Trace, at: torch.Tensor) -> torch.Tensor:
        item = trace.hidden[batch.target_row[at]]
        return torch.cat([item, torch.ones_like(item), item.square() / 7], dim=1)

    for weights in ((1.0, 0.0), (0.0, 1.0), (0.3, 2.0)):
        contrasts = Contrasts(*weights, temperature=0.5, num_positions=99)
        value = contrasts(batch, items_of(batch), lambda _: items_of(batch), read)
        given[weights] = value.item()
    assert min(given[1.0, 0.0], given[0.0, 1.0]) > 0
    wanted = 0.3 * given[1.0, 0.0] + 2.0 * given[0.0, 1.0]
    assert given[0.3, 2.0] == pytest.approx(wanted)


def test_a_batch_with_nothing_to_tell_apart_costs_nothing() -> None:
    [batch] = TrainingLoader(log_of([[6], [2]]), 99, 99, seed=0).epoch(0)
    contrasts = Contrasts(1.0, 1.0)
    assert contrasts(batch, items_of(batch), items_of, lambda *_: pytest.fail("read")).item() == 0


def test_two_passes_without_dropout_are_the_same_view() -> None:
    model, objective = build(9).double().eval(), Objective(FullSoftmax(), 8).double()
    plain = objective(model, one_batch())[0]
    objective.contrasts = Contrasts(view_weight=0.5, temperature=1.0)
    seen = []
    objective.contrasts.contrast.two_views = lambda one, other, *_: (  # type: ignore[method-assign]
        seen.append((one, other)) or one.sum()
    )
    torch.manual_seed(1)
    terms = objective(model, one_batch())[0]
    [(one, other)] = seen
    torch.testing.assert_close(one, other)
    assert len(one) == 9
    assert plain.contrast.item() == 0
    torch.testing.assert_close(terms.contrast, 0.5 * one.sum())


def test_contrasts_are_trained_with_and_recorded_and_resumed(tmp_path) -> None:
    data = small_data(60)
    settings = {
        "loss.contrast_weight": 0.1,
        "loss.view_weight": 0.1,
        "loss.view_drop_share": 0.2,
        "loss.contrast_positions": 20,
    }
    config = quick_config(num_epochs=3, learning_rate=0.03).override(settings)
    result = train(data, config, tmp_path / "a", reporter="none")
    assert result.best_value > 0.4
    for record in result.history:
        assert record["contrast_loss"] > 0
        parts = record["sequence_loss"] + 0.1 * record["interest_loss"] + record["contrast_loss"]
        assert record["loss"] == pytest.approx(parts)
    assert result.history[-1]["contrast_loss"] < result.history[0]["contrast_loss"]
    train(data, config.override({"training.num_epochs": 1}), tmp_path / "b", reporter="none")
    resumed = train(data, config, tmp_path / "b", resume=True, reporter="none")
    assert resumed.bundle.id == result.bundle.id


def test_contrasts_have_no_loss_of_one_user() -> None:
    model, objective = build(9), Objective(FullSoftmax(), 8)
    objective.contrasts = Contrasts(contrast_weight=1.0)
    [batch] = TrainingLoader(log_of([[3, 1, 4]]), 99, 99, seed=0).epoch(0)
    with pytest.raises(UsageError, match=r"contrasts are between users\. Set loss\.contrast"):
        user_loss(objective, model, trainable(objective, model), batch)


def test_contrasts_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"but they are -1\.0, 0\.0 and 0\.0"):
        Contrasts(contrast_weight=-1.0)
    with pytest.raises(ConfigError, match=r"but they are 0\.0, 0\.0 and 1\.0"):
        Contrasts(view_drop_share=1.0)
    with pytest.raises(ConfigError, match=r"contrast_positions must be at least 2 but is 1"):
        Contrasts(num_positions=1)
