"""Heads score one item as they score all, and rank by what training compares."""

from __future__ import annotations

import pytest
import torch

import penchant.heads.mixture as mixture
from penchant.errors import ConfigError
from penchant.heads import (
    DotProductHead,
    Head,
    MixtureHead,
    SeveralInterestsHead,
    heads,
    unit,
)
from penchant.testing import LawBroken, check_head

SETTINGS = {
    "binary": {},
    "dot": {"normalised": True, "temperature": 0.3},
    "mixture": {"num_components": 3, "component_width": 2},
    "several": {"num_interests": 3, "normalised": True, "temperature": 0.5},
}


def build(kind: str, num_items: int = 9, width: int = 5) -> Head:
    torch.manual_seed(7)
    head = heads.build(kind, SETTINGS[kind], num_items=num_items, width=width).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def random_vectors(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("kind", list(heads))
def test_every_head_obeys_its_laws(kind: str) -> None:
    check_head(build(kind), width=5, num_items=9)


@pytest.mark.parametrize("kind", ["dot", "several"])
def test_a_learned_temperature_obeys_the_laws(kind: str) -> None:
    settings = {"normalised": True, "temperature": 0.3, "learn_temperature": True}
    check_head(heads.build(kind, settings, num_items=9, width=5), width=5, num_items=9)


def test_a_temperature_starts_where_it_is_set_and_is_learned_from_there() -> None:
    """Of unit vectors (0.6, 0.8) and (1, 0): 0.6 / T. With T = exp(t), by t: -0.6 / T."""
    fixed = DotProductHead(1, normalised=True, temperature=0.2).double()
    learned = DotProductHead(1, True, 0.2, learn_temperature=True).double()
    vectors, table = torch.tensor([[30.0, 40.0]]).double(), torch.tensor([[70.0, 0.0]]).double()
    score = learned(vectors, table)
    assert score.item() == pytest.approx(0.6 / 0.2, rel=1e-6)
    assert fixed(vectors, table).item() == pytest.approx(score.item(), rel=1e-6)
    score.sum().backward()
    assert learned.scale.log_temperature.grad.item() == pytest.approx(-0.6 / 0.2, rel=1e-6)
    assert [name for name, _ in fixed.named_parameters()] == ["bias"]
    with torch.no_grad():
        learned.scale.log_temperature.fill_(-9.0)
    assert learned(vectors, table).item() == pytest.approx(0.6 / 0.01, rel=1e-5)


def test_a_temperature_of_vectors_with_a_length_is_not_learned() -> None:
    with pytest.raises(ConfigError, match=r"head\.learn_temperature needs head\.normalised"):
        DotProductHead(9, learn_temperature=True)


class ShiftsOneItem(DotProductHead):
    def compare_one(self, asked, keys, bias):
        return super().compare_one(asked, keys.roll(1, dims=0), bias)


class MixesUsers(DotProductHead):
    def forward(self, vectors, table):
        return super().forward(vectors - vectors.mean(0), table)


class ScalesInterestsTwice(DotProductHead):
    def forward(self, vectors, table):
        interests = self.interests(vectors) if vectors.dim() == 2 else self.scale.interests(vectors)
        return super().forward(interests, table)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (ShiftsOneItem(9), "ShiftsOneItem: scores of one item and all differ by"),
        (MixesUsers(9), "differ by"),
        (ScalesInterestsTwice(9, temperature=0.5), "interests at hand and vectors differ by"),
    ],
    ids=["shifted", "mixed", "scaled twice"],
)
def test_the_laws_of_heads_catch_what_was_planted(head: Head, told: str) -> None:
    with pytest.raises(LawBroken, match=told):
        check_head(head, width=5, num_items=9)


@pytest.mark.parametrize("kind", list(heads))
def test_biases_by_index_may_have_a_gradient_of_those_rows_alone(kind: str) -> None:
    head = build(kind)
    head.refresh = lambda parameter, rows: None
    head.bias_of(torch.tensor([4, 1, 4])).sum().backward()
    assert head.bias.grad is not None
    assert head.bias.grad.is_sparse
    assert head.bias.grad.to_dense().tolist() == [0, 1, 0, 0, 2, 0, 0, 0, 0]


def test_a_normalised_score_is_a_cosine_over_the_temperature() -> None:
    head = DotProductHead(2, normalised=True, temperature=0.1)
    scores = head(torch.tensor([[300.0, 400.0]]), torch.tensor([[0.0, 2_000.0], [500.0, 0.0]]))
    torch.testing.assert_close(scores, torch.tensor([[4 / 5 / 0.1, 3 / 5 / 0.1]]))


def test_a_temperature_alone_divides_the_product() -> None:
    head = DotProductHead(1, temperature=4.0)
    assert head(torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0, 2.0]])).item() == (10 + 6) / 4


def test_a_vector_of_zeros_has_no_direction_and_a_finite_gradient() -> None:
    zeros = torch.zeros(1, 3, requires_grad=True)
    unit(zeros).sum().backward()
    assert zeros.grad is not None
    assert zeros.grad.abs().max() <= 100


def test_several_interests_rank_an_item_by_the_nearest() -> None:
    head = SeveralInterestsHead(3, width=2, num_interests=2)
    with torch.no_grad():
        head.parts.weight.copy_(torch.tensor([[1.0, 0], [0, 0], [0, 0], [0, 1.0]]))
        head.bias.copy_(torch.tensor([0.5, 0.0, 0.0]))
    table = torch.tensor([[2.0, 0], [0, 7.0], [1.0, 1.0]])
    scores = head(torch.tensor([[3.0, 4.0]]), table)  # interests (3, 0) and (0, 4)
    assert scores.tolist() == [[3 * 2 + 0.5, 4 * 7, max(3 * 1, 4 * 1)]]
    chosen = head.asked(torch.tensor([[3.0, 4.0], [3.0, 4.0]]), table[:2])
    assert chosen.tolist() == [[3.0, 0.0], [0.0, 4.0]]


def test_interests_start_apart() -> None:
    interests = SeveralInterestsHead(3, width=8, num_interests=4).interests(torch.ones(1, 8))[0]
    assert torch.pdist(interests).min() > 0.1


@pytest.mark.parametrize("component_width", [0, 5])
def test_a_fresh_mixture_equals_the_dot_product(component_width: int) -> None:
    vectors, table = random_vectors(4, 6), random_vectors(11, 6).flip(0)
    head = MixtureHead(11, 6, num_components=3, component_width=component_width).double()
    found, wanted = head(vectors, table), vectors @ table.T
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)  # maps made in float32


def test_a_mixture_weighs_its_components_by_user_and_item() -> None:
    head = MixtureHead(2, 2, num_components=2, component_width=1)
    with torch.no_grad():
        head.user_parts.weight.copy_(torch.eye(2))
        head.item_parts.weight.copy_(torch.eye(2))
        head.user_gate.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        head.item_gate.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 0.5]]))
        head.logit_gate.weight.copy_(torch.tensor([[0.0, 0.0], [0.25, 0.0]]))
        head.bias.copy_(torch.tensor([0.0, 0.75]))
    scores = head(torch.tensor([[3.0, 2.0]]), torch.tensor([[1.0, 4.0], [2.0, 6.0]]))
    logits = torch.tensor([[3.0 * 1, 2.0 * 4], [3.0 * 2, 2.0 * 6]])
    said = torch.tensor([[3.0, 0.5 * 4 + 0.25 * 3], [3.0, 0.5 * 6 + 0.25 * 6]])
    wanted = 2 * (said.softmax(1) * logits).sum(1) + torch.tensor([0.0, 0.75])
    torch.testing.assert_close(scores[0], wanted)


def test_a_mixture_scores_in_blocks_what_it_scores_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    head, vectors, table = build("mixture"), random_vectors(7, 5), random_vectors(9, 5).flip(0)
    whole = head(vectors, table)
    monkeypatch.setattr(mixture, "BLOCK_CELLS", 2 * 9 * 3)
    torch.testing.assert_close(head(vectors, table), whole)


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"head\.temperature must be above 0 but is 0\.0"):
        DotProductHead(3, temperature=0.0)
    with pytest.raises(ConfigError, match=r"head\.num_interests must be at least 1 but is 0"):
        SeveralInterestsHead(3, 2, num_interests=0)
    with pytest.raises(ConfigError, match=r"but they are 0 and -1"):
        MixtureHead(3, 2, num_components=0, component_width=-1)


@pytest.mark.parametrize("kind", SETTINGS)
def test_items_that_come_after_training_have_the_mean_bias(kind):
    head = build(kind, num_items=3, width=4)
    with torch.no_grad():
        head.bias.copy_(torch.tensor([0.5, -2.0, 0.0]))
    vectors, table = torch.randn(2, 4).double(), torch.randn(5, 4).double()
    scores = head(vectors, table)
    assert scores.shape == (2, 5)
    torch.testing.assert_close(scores[:, :3], head(vectors, table[:3]))
    first = head(vectors, table[[3, 1, 2]]) - head.bias[0] + head.bias.mean()
    torch.testing.assert_close(scores[:, 3], first[:, 0])
    items = torch.tensor([4, 1])
    torch.testing.assert_close(head.score_of(vectors, table, items), scores[[0, 1], items])
