"""Masked-item training: what is hidden, which targets that leaves, and that a rule is learned."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from penchant.encoders import BertEncoder, Looked
from penchant.heads import DotProductHead
from penchant.interest import Readout, attentions
from penchant.items import BehaviourInput, IdentityItems
from penchant.losses import losses
from penchant.model import InterestModel
from penchant.packed import NO_ELAPSED
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.training.cloze import hide_events
from penchant.training.objective import Objective

from .test_objective import log_of

WIDTH = 16


def build(num_items: int = 11, **settings) -> InterestModel:
    torch.manual_seed(9)
    return InterestModel(
        IdentityItems(num_items, WIDTH),
        BehaviourInput(WIDTH, use_value=False),
        BertEncoder(WIDTH, **{"num_layers": 1, **settings}),
        attentions.build("additive", {}, width=WIDTH),
        Readout(WIDTH, query_time=False),
        DotProductHead(num_items),
    )


def one_batch() -> TrainingBatch:
    histories = [[3, 1, 4, 1, 5, 9, 2], [6], [8, 0, 7, 2]]
    [batch] = TrainingLoader(log_of(histories), 99, 99, seed=0).epoch(0)
    return batch


def hiding(model: InterestModel, rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model hide these rows."""

    def draw(events) -> torch.Tensor:
        return torch.isin(torch.arange(events.num_events), torch.tensor(rows))

    monkeypatch.setattr(model.encoder, "draw", draw)


def test_targets_whose_event_is_shown_are_left_out_and_the_others_weigh_for_them(monkeypatch):
    model, batch = build(), one_batch()
    assert batch.events.lengths.tolist() == [6, 3, 0]
    hiding(model, [2, 7], monkeypatch)
    hidden, looked = hide_events(model, batch)
    # Those after rows 1 and 6 are hidden, 5 and 8 are last, and three come from nothing.
    kept = [row in (1, 6, 5, 8, -1) for row in batch.target_row.tolist()]
    assert sum(kept) == 4 + 3
    assert hidden.target_weight.squeeze(1).tolist() == pytest.approx([one * 12 / 7 for one in kept])
    assert looked.is_hidden is not None
    assert looked.is_hidden.nonzero().squeeze(1).tolist() == [2, 7]


def test_outside_training_and_for_other_encoders_nothing_is_hidden():
    model, batch = build(), one_batch()
    assert hide_events(model.eval(), batch) == (batch, Looked())


def test_a_users_first_event_is_never_hidden_and_others_are_at_the_rate():
    events = one_batch().events
    encoder = BertEncoder(WIDTH, mask_rate=0.3)
    share = torch.stack([encoder.draw(events) for _ in range(2_000)]).double().mean(0)
    assert share[events.offsets[:-2]].tolist() == [0, 0]
    assert share[1:6].numpy() == pytest.approx([0.3] * 5, abs=0.05)


def test_what_is_hidden_does_not_reach_its_own_vector_and_the_rest_does(monkeypatch):
    """H of the row before a hidden event depends on events at both sides, not on the event."""
    model, batch = build(), one_batch()
    table = model.table().detach().requires_grad_()
    hiding(model, [2], monkeypatch)
    _, looked = hide_events(model, batch)
    trace, _ = model(batch.events, None, table, looked)
    assert trace.hidden[[0, 2, 3, 4]].abs().max() == 0
    [grad] = torch.autograd.grad(trace.hidden[1].sin().sum(), table)
    touched = set(grad.abs().amax(1).nonzero().squeeze(1).tolist())
    # Of the history 3 1 (4) 1 5 9.
    assert touched == {3, 1, 5, 9}


def test_histories_beyond_the_window_are_read_in_pieces():
    """A window of 2 cuts 6 events into three, each with an unknown event behind it."""
    model, batch = build(window=2), one_batch()
    none = torch.zeros(batch.events.num_events, dtype=torch.bool)
    trace, _ = model(batch.events, None, None, Looked(is_hidden=none))
    made = trace.hidden.abs().amax(1) > 0
    assert made.nonzero().squeeze(1).tolist() == [1, 3, 5, 7, 8]


def test_what_is_made_behind_the_last_event_is_what_serving_makes():
    model, batch = build(window=9), one_batch()
    none = torch.zeros(batch.events.num_events, dtype=torch.bool)
    trained, _ = model(batch.events, None, None, Looked(is_hidden=none))
    served, _ = model.eval()(batch.events)
    for row in (5, 8):
        torch.testing.assert_close(trained.hidden[row], served.hidden[row], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(trained.attended, served.attended)


def test_only_vectors_that_are_asked_for_are_made_and_memories_are_whole():
    model, batch = build().eval(), one_batch()
    asked = torch.zeros(batch.events.num_events, dtype=torch.bool)
    asked[3] = True
    whole, after = model(batch.events)
    some, also_after = model(batch.events, None, None, Looked(asked))
    torch.testing.assert_close(some.hidden[[3, 5, 8]], whole.hidden[[3, 5, 8]])
    assert some.hidden[[0, 1, 2, 4, 6, 7]].abs().max() == 0
    torch.testing.assert_close(also_after.hidden, after.hidden)
    torch.testing.assert_close(some.attended, whole.attended)


def test_a_known_rule_is_learned():
    """Item i is followed by i + 3 modulo 11."""
    draw = torch.Generator().manual_seed(2)
    histories = []
    for _ in range(40):
        start, length = (
            int(torch.randint(*span, (1,), generator=draw)) for span in ((11,), (9, 17))
        )
        histories.append([(start + 3 * step) % 11 for step in range(length)])
    model = build()
    objective = Objective(losses.build("full_softmax", {}), WIDTH, interest_weight=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    loader = TrainingLoader(log_of(histories), 16, 200, seed=0)
    for epoch in range(25):
        for batch in loader.epoch(epoch):
            optimizer.zero_grad()
            objective(model, batch)[0].total.backward()
            optimizer.step()
    model.eval()
    [batch] = TrainingLoader(log_of([[4, 7, 10, 2, 5, 8]]), 16, 200, seed=0).epoch(0)
    trace, _ = model(batch.events)
    unknown = torch.full((batch.events.num_events,), NO_ELAPSED)
    best = model.scores(model.readout(trace, unknown)).argmax(1)
    assert best.tolist() == batch.target_item[: len(best)].tolist()


def test_the_loss_is_the_mean_over_the_targets_that_are_left(monkeypatch):
    model, batch = build(), one_batch()
    hiding(model, [2, 7], monkeypatch)
    _, looked = hide_events(model, batch)
    trace, _ = model(batch.events, None, None, looked)
    rows = torch.tensor([1, 5, 6, 8])
    unknown = torch.full((len(rows),), NO_ELAPSED)
    warm = model.scores(model.readout(trace.rows(rows), unknown))
    nobody = model.trace_of(model.initial_state(1))
    cold = model.scores(model.readout(nobody, unknown[:1])).expand(3, -1)
    items = torch.tensor([4, 2, 0, 2, 3, 6, 8])  # behind these rows, and the first of each user
    wanted = F.cross_entropy(torch.cat([warm, cold]), items)
    objective = Objective(losses.build("full_softmax", {}), WIDTH, interest_weight=0.0)
    torch.testing.assert_close(objective(model, batch)[0].total, wanted)
