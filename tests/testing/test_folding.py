"""The laws hold for every member of every room, and catch every planted fault."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penchant.encoders import RecurrentState, SequenceEncoder, encoders
from penchant.events.features import ItemFeatures
from penchant.heads import DotProductHead
from penchant.interest import Decay, Readout, TextLikeness, attentions
from penchant.items import (
    BehaviourInput,
    IdentityItems,
    ItemContent,
    MixtureItems,
    PrefixProfile,
    ProfileInput,
    Profiles,
    TextTable,
)
from penchant.model import InterestModel
from penchant.packed import PackedVectors
from penchant.testing import LawBroken, check_attention, check_encoder, check_model

from ..decoders import small_settings

WIDTH = 8
SETTINGS = {kind: {"window": 9} for kind in ("transformer", "bert", "language_model")}
"""Windows that are shorter than the histories."""

READOUTS = {
    "join": {"hidden_factor": 0, "query_time": False},
    "layers": {"hidden_factor": 2, "query_time": False},
    "layers and time": {"hidden_factor": 1, "query_time": True},
    "layers and calendar": {"hidden_factor": 1, "query_calendar": True},
}


def shaken(module: nn.Module) -> Any:
    """Give every parameter a value of its own, so that nothing holds because it is zero."""
    draw = torch.Generator().manual_seed(11)
    for parameter in module.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.4)
    return module


def one_user(is_known: bool) -> Any:
    """Return attributes of one user: a category of three, a number, and no bag."""
    return ItemFeatures(
        categorical_names=("job",),
        categorical=np.array([[2]]),
        cardinalities=(3,),
        numeric_names=("age",),
        numeric=np.array([[-0.7]], dtype=np.float32),
        bag_names=(),
        bag_index=np.zeros(0, np.int64),
        bag_offsets=np.zeros(2, np.int64),
        bag_size=0,
        is_known=np.array([is_known]),
    )


def build_encoder(kind: str, num_layers: int) -> SequenceEncoder:
    settings = {"num_layers": num_layers, **SETTINGS.get(kind, {}), **small_settings(kind)}
    return encoders.build(kind, settings, width=WIDTH)


def build_model(
    encoder: str,
    attention: str,
    readout: str,
    decay: Decay = "both",
    profile: ProfileInput | None = None,
) -> InterestModel:
    return shaken(
        InterestModel(
            IdentityItems(13, WIDTH),
            BehaviourInput(WIDTH, 3, use_elapsed=True, use_calendar=True),
            build_encoder(encoder, 2),
            attentions.build(attention, {"decay": decay}, width=WIDTH),
            Readout(WIDTH, **READOUTS[readout]),
            DotProductHead(13),
            profile=profile,
        )
    )


@pytest.mark.parametrize("readout", list(READOUTS))
@pytest.mark.parametrize("attention", list(attentions))
@pytest.mark.parametrize("encoder", list(encoders))
def test_every_model_obeys_the_laws_of_folding(encoder: str, attention: str, readout: str) -> None:
    check_model(build_model(encoder, attention, readout).double())


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("encoder", list(encoders))
def test_a_model_that_begins_with_attributes_obeys_them(encoder: str, is_known: bool) -> None:
    features = one_user(is_known)
    part = PrefixProfile(WIDTH, features)
    model = build_model(encoder, "multi_head", "layers and time", profile=part).double()
    check_model(model, profiles=Profiles.of(features))


@pytest.mark.parametrize("encoder", list(encoders))
def test_a_model_that_remembers_texts_obeys_them(encoder: str) -> None:
    counts = torch.tensor([2, 1, 0, 4, 3, 0, 1, 1, 5, 2, 0, 1, 1])
    texts = torch.randn(13, 6)
    texts[4] = 0
    content = ItemContent(counts, TextTable.fit(texts, counts > 0, "whitening"))
    model = build_model(encoder, "multi_head", "layers and time")
    model.items = shaken(MixtureItems(WIDTH, content))
    model.likeness = TextLikeness(0.6, 2, 8, -1)
    assert model.initial_state(1).texts.shape == (1, 6)
    check_model(model.double())


@pytest.mark.parametrize("encoder", list(encoders))
def test_a_model_obeys_them_where_events_of_a_type_are_passed_over(encoder: str) -> None:
    model = build_model(encoder, "multi_head", "layers and calendar").double()
    check_model(model, history_types=(0, 2))


def test_a_model_that_reads_what_is_no_history_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model("gru", "multi_head", "layers and calendar").double()
    monkeypatch.setattr("penchant.testing.subjects.map_state", lambda state, _: state)
    with pytest.raises(LawBroken, match="InterestModel: step at row"):
        check_model(model, history_types=(0, 2))


@pytest.mark.parametrize("encoder", list(encoders))
def test_a_model_in_float32_obeys_the_laws_within_the_stated_tolerance(encoder: str) -> None:
    check_model(build_model(encoder, "multi_head", "layers and time"))


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kind", list(encoders))
def test_every_encoder_obeys_the_laws_of_folding(kind: str, num_layers: int) -> None:
    encoder = shaken(build_encoder(kind, num_layers)).double()
    check_encoder(encoder, WIDTH)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_stacks_that_add_obey_the_laws_of_folding(kind: str) -> None:
    encoder = shaken(encoders.build(kind, {"num_layers": 3, "residual": True}, width=WIDTH))
    check_encoder(encoder.double(), WIDTH)


@pytest.mark.parametrize("decay", get_args(Decay))
@pytest.mark.parametrize("kind", list(attentions))
def test_every_attention_obeys_the_laws_of_folding(kind: str, decay: Decay) -> None:
    check_attention(shaken(attentions.build(kind, {"decay": decay}, width=WIDTH)).double(), WIDTH)
    check_attention(shaken(attentions.build(kind, {"decay": decay}, width=WIDTH)), WIDTH)


class Carried(NamedTuple):
    total: Tensor


class SummingEncoder(SequenceEncoder):
    """A lawful encoder, the sum of all vectors so far, on which faults are planted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def initial_state(self, num_users: int) -> Any:
        return Carried(self.scale.new_zeros(num_users, len(self.scale)))

    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        state = self.initial_state(events.num_users) if state is None else state
        outputs, totals = [], []
        for user in range(events.num_users):
            rows = events.x[events.offsets[user] : events.offsets[user + 1]] * self.scale
            sums = state.total[user] + rows.cumsum(0)
            outputs.append(sums)
            totals.append(sums[-1] if len(sums) else state.total[user])
        return torch.cat(outputs), Carried(torch.stack(totals))

    def step(self, events: PackedVectors, state: Any) -> tuple[Tensor, Any]:
        total = state.total + events.x * self.scale
        return total, Carried(total)


class LeakingEncoder(SummingEncoder):
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        hidden, after = super().forward(events, state)
        return hidden + hidden.mean(), after


class ForgetfulEncoder(SummingEncoder):
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        return super().forward(events, None)


class MeddlingEncoder(SummingEncoder):
    def step(self, events: PackedVectors, state: Any) -> tuple[Tensor, Any]:
        state.total.add_(events.x * self.scale)
        return state.total, Carried(state.total.clone())


class GrowingEncoder(SummingEncoder):
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        hidden, after = super().forward(events, state)
        longest = int(events.lengths.max())
        return hidden, Carried(torch.cat([after.total] * max(longest // 8, 1), dim=1))


class PeekingEncoder(SummingEncoder):
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        hidden, after = super().forward(events, state)
        return hidden + events.x.roll(-1, dims=0), after


class ShiftedEncoder(SummingEncoder):
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        hidden, after = super().forward(events, state)
        return hidden - events.x * self.scale, after


class DeafEncoder(SummingEncoder):
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        return super().forward(events.with_x(torch.ones_like(events.x)), state)

    def step(self, events: PackedVectors, state: Any) -> tuple[Tensor, Any]:
        return super().step(events.with_x(torch.ones_like(events.x)), state)


def test_the_encoder_without_a_fault_passes() -> None:
    check_encoder(SummingEncoder(WIDTH).double(), WIDTH)


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (LeakingEncoder, "differs by"),
        (ForgetfulEncoder, "resumed"),
        (MeddlingEncoder, "state given to step"),
        (GrowingEncoder, "shapes"),
        (PeekingEncoder, "differs by"),
        (ShiftedEncoder, "step at row"),
        (DeafEncoder, "changes nothing"),
    ],
)
def test_every_planted_fault_is_caught(faulty: type[SummingEncoder], message: str) -> None:
    with pytest.raises(LawBroken, match=message):
        check_encoder(faulty(WIDTH).double(), WIDTH)


def test_the_recurrent_state_of_a_gru_has_no_cell() -> None:
    state = encoders.build("gru", {"num_layers": 2}, width=WIDTH).initial_state(3)
    assert isinstance(state, RecurrentState)
    assert state.hidden.shape == (3, 2, WIDTH)
    assert state.cell.shape == (3, 2, 0)
