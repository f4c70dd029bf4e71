"""Scores of an index are those of a model whose head is a maximum of dot products plus a bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from penchant.encoders import encoders
from penchant.heads import heads
from penchant.indexes import ExactIndex
from penchant.interest import Readout, TextLikeness, attentions
from penchant.items import (
    BehaviourInput,
    IdentityItems,
    ItemContent,
    MixtureItems,
    TextTable,
)
from penchant.model import InterestModel, Query
from penchant.packed import NO_TIME

NUM_ITEMS, WIDTH, NUM_USERS = 61, 8, 9

HEADS = {
    "dot": {},
    "dot of unit length": {"normalised": True, "temperature": 0.05},
    "several": {"num_interests": 3},
    "several of unit length": {"num_interests": 2, "normalised": True, "learn_temperature": True},
    "binary": {},
    "mixture": {},
}


def model_of(name: str, with_texts: bool) -> InterestModel:
    torch.manual_seed(4)
    kind = name.split()[0]
    items = IdentityItems(NUM_ITEMS, WIDTH)
    if with_texts:
        texts, counts = torch.randn(NUM_ITEMS, 5), torch.arange(NUM_ITEMS) % 4
        content = ItemContent(counts, TextTable.fit(texts, counts > 0, "whitening"))
        items = MixtureItems(WIDTH, content)
    model = InterestModel(
        items,
        BehaviourInput(WIDTH, 1),
        encoders.build("gru", {}, width=WIDTH),
        attentions.build("multi_head", {}, width=WIDTH),
        Readout(WIDTH),
        heads.build(kind, HEADS[name], num_items=NUM_ITEMS, width=WIDTH),
        **({"likeness": TextLikeness(0.6, 2, 8, -1)} if with_texts else {}),
    )
    torch.nn.init.normal_(model.head.bias)
    return model.eval()


def state_of(model: InterestModel):
    """Return memories whose numbers are drawn."""
    state = model.initial_state(NUM_USERS)
    texts = torch.randn(state.texts.shape)
    return state._replace(hidden=torch.randn(state.hidden.shape), texts=texts)


def index_of(model: InterestModel, table: torch.Tensor) -> ExactIndex:
    """Return an index of a model's items, as serving would build it."""
    keys = model.head.keys(table[:, : model.width])
    return ExactIndex(
        torch.cat([keys, table[:, model.width :]], 1).numpy(),
        model.head.biases(len(table)).numpy(),
    )


@pytest.mark.parametrize("with_texts", [False, True])
@pytest.mark.parametrize("name", [name for name in HEADS if name != "mixture"])
@torch.inference_mode()
def test_scores_equal_those_of_the_model(name: str, with_texts: bool) -> None:
    model = model_of(name, with_texts)
    assert model.head.is_product
    table = model.table()
    interest = model.read(state_of(model), Query(torch.full((NUM_USERS,), NO_TIME)))
    scores = model.scores(interest.vectors, table).numpy()
    found = index_of(model, table).search(interest.vectors.numpy(), NUM_ITEMS)
    wanted = np.take_along_axis(scores, found.indices, 1)
    assert interest.vectors.shape[1] == model.head.num_interests
    assert np.abs(found.scores - wanted).max() < 2e-6 * np.abs(scores).max()
    assert np.ptp(scores) > 1  # they differ, so that an order is tested
    firsts = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    assert np.array_equal(found.indices[:, :5], firsts)


@torch.inference_mode()
def test_a_mixture_of_logits_is_no_product() -> None:
    """An index gives candidates of such a head only, and it says so."""
    model = model_of("mixture", False)
    assert not model.head.is_product
