"""Losses in blocks equal losses written out, and hold no events × items."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from penchant.errors import ConfigError
from penchant.heads import DotProductHead, Head, heads
from penchant.items import IdentityItems, ItemRows
from penchant.losses import (
    FullSoftmax,
    InterestLoss,
    Loss,
    Negatives,
    SampledSoftmax,
    Targets,
    VectorRegression,
    blocks,
    log_partition,
    losses,
    partition,
    running_mean,
)
from penchant.packed import offsets_of
from penchant.testing import check_loss, judging

COUNTS = torch.tensor([3.0, 9, 1, 4, 7, 2, 11, 5, 1, 8, 6, 2, 10, 3, 5, 1, 7, 4, 2])
CASES = [
    ("full_softmax", {}),
    ("full_softmax", {"label_smoothing": 0.1}),
    ("sampled_softmax", {"num_negatives": 12}),
    ("sampled_softmax", {"num_negatives": 40, "label_smoothing": 0.2}),
    ("sampled_softmax", {"negatives": "in_batch", "num_negatives": 500}),
    ("sampled_softmax", {"negatives": "in_batch", "num_negatives": 9, "correction": 0.4}),
    ("sampled_softmax", {"negatives": "mixed", "num_negatives": 15, "in_batch_share": 0.3}),
    ("sampled_softmax", {"negatives": "mixed", "num_negatives": 15, "label_smoothing": 0.2}),
    ("sampled_softmax", {"num_negatives": 12, "mask_above": 0.3}),
    ("sampled_softmax", {"negatives": "mixed", "num_negatives": 15, "mask_above": 0.7}),
    ("gbce", {"num_negatives": 8}),
    ("bce", {"num_negatives": 8}),
    ("bpr", {"num_negatives": 8}),
]
HEADS = [
    ("dot", {}),
    ("dot", {"normalised": True, "temperature": 0.2}),
    ("dot", {"normalised": True, "temperature": 0.2, "learn_temperature": True}),
    ("several", {"num_interests": 3}),
    ("mixture", {"num_components": 3}),
    ("binary", {}),
]


def build(kind: str, settings: dict[str, Any]) -> Loss:
    return losses.build(kind, settings, num_items=19, item_counts=COUNTS)


def head_of(kind: str, settings: dict[str, Any]) -> Head:
    return heads.build(kind, settings, num_items=19, width=5)


@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_loss_obeys_its_laws_under_every_head(
    case: tuple[str, dict[str, Any]],
    head: tuple[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "NUM_DRAWS", 600)
    check_loss(build(*case), head_of(*head), width=5, num_items=19)


@pytest.mark.parametrize("most", [1, 40, 700])
@pytest.mark.parametrize("head", [HEADS[1], HEADS[4]], ids=str)
@pytest.mark.parametrize("case", [CASES[1], CASES[7], CASES[8], CASES[10], CASES[12]], ids=str)
def test_the_laws_hold_whatever_the_size_of_blocks(
    case: tuple[str, dict[str, Any]],
    head: tuple[str, dict[str, Any]],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TILE_SCORES", "UNCUT_SCORES", "HELD_SCORES"):
        monkeypatch.setattr(partition, name, most)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", most)
    monkeypatch.setattr(judging, "NUM_DRAWS", 100)
    check_loss(build(*case), head_of(*head), width=5, num_items=19)


@pytest.mark.parametrize("spread_weight", [0.0, 1.5])
@pytest.mark.parametrize("head", ["dot", "several"])
def test_regression_obeys_the_laws_under_heads_of_unit_length(
    head: str, spread_weight: float
) -> None:
    loss = build("regression", {"spread_weight": spread_weight})
    check_loss(loss, head_of(head, {"normalised": True}), width=5, num_items=19)


def test_binary_loss_obeys_its_laws() -> None:
    check_loss(build("binary", {}), head_of("binary", {}), width=5, num_items=19)


def test_every_member_is_held_to_the_laws() -> None:
    assert {kind for kind, _ in CASES} | {"binary", "regression"} == set(losses)


@pytest.mark.parametrize("case", CASES[2:], ids=str)
def test_rows_by_index_give_what_the_whole_table_gives(case: tuple[str, dict[str, Any]]) -> None:
    items, head, loss = IdentityItems(19, 5), head_of("dot", {}), build(*case)
    draw = torch.Generator().manual_seed(8)
    vectors = torch.randn(11, 5, generator=draw)
    targets = Targets(torch.arange(11) * 5 % 19, torch.ones(11), torch.rand(11, generator=draw))
    found = []
    for table in (items.table(), ItemRows(items)):
        torch.manual_seed(3)
        value = loss(vectors, table, head, targets)
        found.append((value, *torch.autograd.grad(value, (items.vectors.weight, head.bias))))
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right)


def test_a_uniform_model_pays_the_logarithm_of_the_catalogue() -> None:
    vectors, table = torch.zeros(3, 4), torch.randn(8, 4)
    targets = Targets(torch.tensor([0, 5, 2]), torch.ones(3), torch.tensor([1.0, 2.0, 0.5]))
    loss = FullSoftmax()(vectors, table, DotProductHead(8), targets)
    assert loss.item() == pytest.approx((1 + 2 + 0.5) * torch.tensor(8.0).log().item())


def test_the_partition_never_holds_targets_times_items() -> None:
    held = []
    original = torch.Tensor.new_empty
    queries, table = torch.randn(5_000, 2), torch.randn(3_000, 2)
    torch.Tensor.new_empty = lambda self, *size: held.append(size) or original(self, *size)  # type: ignore[assignment,func-returns-value]
    try:
        log_partition(queries, table, torch.zeros(3_000), torch.ones(5_000))
    finally:
        torch.Tensor.new_empty = original  # type: ignore[method-assign]
    assert held == [(partition.BLOCK_ROWS * 3_000,)]


def test_a_catalogue_too_large_for_a_block_of_many_rows_gets_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition, "HELD_SCORES", 100)
    rows, tiles = partition._tiling(torch.zeros(50, 2), torch.zeros(30, 2))
    assert (rows, tiles) == (3, [slice(0, 30)])


@pytest.mark.parametrize("spread", [1.0, 40.0])
def test_scores_far_apart_keep_a_hit_of_its_own_and_an_item_left_out(spread: float) -> None:
    draw = torch.Generator().manual_seed(4)
    queries, keys = torch.randn(7, 3, generator=draw) * spread, torch.randn(11, 3, generator=draw)
    bias, weight, hit = (torch.randn(size, generator=draw) for size in (11, 7, 7))
    left_out = torch.tensor([-1, 4, 0, 10, -1, 4, 2])
    leaves = [each.double().requires_grad_() for each in (queries, keys, bias, hit)]
    queries, keys, bias, hit = leaves
    scores = queries @ keys.T + bias
    kept = torch.arange(11) != left_out[:, None]
    every = torch.cat([hit[:, None], scores.masked_fill(~kept, -torch.inf)], dim=1)
    wanted = every.logsumexp(1) @ weight.double()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TILE_SCORES", "UNCUT_SCORES"):
            patch.setattr(partition, name, 14)
        found = log_partition(queries, keys, bias, weight.double(), hit, left_out)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)
    pairs = zip(
        torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True
    )
    for left, right in pairs:
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


def test_the_interest_loss_equals_the_double_sum_over_the_past() -> None:
    draw = torch.Generator().manual_seed(6)
    lengths, items = [4, 1, 3], torch.tensor([2, 0, 2, 5, 1, 4, 4, 0])
    table = torch.randn(6, 3, generator=draw, dtype=torch.float64)
    attended = torch.randn(8, 3, generator=draw, dtype=torch.float64)
    loss = InterestLoss(3).double()
    torch.nn.init.normal_(loss.project.weight)
    scores = (loss.project(attended) @ table.T).log_softmax(1)
    wanted, start = torch.zeros(()), 0
    for length in lengths:
        for row in range(start, start + length):
            past = items[start : row + 1]
            wanted = wanted - sum(scores[row, item] for item in past) / len(past)
        start += length
    past_mean = running_mean(table[items], offsets_of(torch.tensor(lengths)))
    weight = torch.ones(8, dtype=torch.float64)
    for form in (loss, loss.reference):
        assert form(attended, past_mean, table, weight).item() == pytest.approx(
            wanted.item(), abs=1e-9
        )


def test_the_binary_loss_refuses_a_head_without_probabilities() -> None:
    targets = Targets(torch.tensor([0]), torch.ones(1), torch.ones(1))
    with pytest.raises(ConfigError, match=r'needs a head with probabilities but the head is "dot"'):
        losses.build("binary", {})(torch.zeros(1, 2), torch.zeros(3, 2), DotProductHead(3), targets)


def test_the_interest_loss_of_sampled_rows_is_that_of_all_and_the_past_when_all_are_drawn() -> None:
    items, loss = IdentityItems(7, 3).double(), InterestLoss(3, num_negatives=7).double()
    attended, past = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(5)).double()
    weight = torch.tensor([0.5, 1.0, 0.25, 2.0], dtype=torch.float64)
    scores = torch.cat([(attended * past).sum(1, keepdim=True), attended @ items.table().T], dim=1)
    wanted = weight @ (scores.logsumexp(1) - scores[:, 0])
    for form in (loss, loss.reference):
        found = form(attended, past, ItemRows(items), weight)
        assert found.item() == pytest.approx(wanted.item(), abs=1e-9)


def test_label_smoothing_spreads_a_share_of_the_target() -> None:
    table, head = torch.tensor([[1.0], [3.0]]), DotProductHead(2)
    targets = Targets(torch.tensor([1]), torch.ones(1), torch.ones(1))
    found = FullSoftmax(label_smoothing=0.2)(torch.tensor([[2.0]]), table, head, targets)
    log_sum = torch.tensor([2.0, 6.0]).logsumexp(0)
    assert found.item() == pytest.approx((0.9 * (log_sum - 6) + 0.1 * (log_sum - 2)).item())


def test_what_came_next_is_never_its_own_negative() -> None:
    """Two targets that are each other's only rivals, however often the batch holds them."""
    loss = SampledSoftmax(torch.tensor([1.0, 1.0]), "in_batch", num_negatives=50)
    targets = Targets(torch.tensor([0, 0, 1, 0]), torch.ones(4), torch.tensor([0.0, 0, 1, 0]))
    vectors, table = torch.ones(4, 1), torch.tensor([[4.0], [1.0]])
    found = loss(vectors, table, DotProductHead(2), targets)
    rival = (
        4.0 + torch.tensor(3.0).log() - torch.tensor(4 * 1 / 2).log()
    )  # drawn 3 times, 2 expected
    assert found.item() == pytest.approx(torch.logaddexp(torch.tensor(1.0), rival).item() - 1.0)


def test_without_correction_negatives_keep_their_scores() -> None:
    loss = SampledSoftmax(torch.tensor([1.0, 97.0, 2.0]), num_negatives=3, correction=0.0)
    targets = Targets(torch.tensor([2]), torch.ones(1), torch.ones(1))
    found = loss(torch.ones(1, 1), torch.tensor([[1.0], [2.0], [3.0]]), DotProductHead(3), targets)
    assert found.item() == pytest.approx(torch.tensor([1.0, 2, 3]).logsumexp(0).item() - 3.0)


ALIKE = torch.tensor([[1.0, 0.0], [3.0, 0.3], [3.0, 0.6], [0.0, -2.0], [-5.0, 0.1]])
"""Cosines with the first: 1, 10/sqrt(101) = .995, 5/sqrt(26) = .981, 0 and nearly -1."""


@pytest.mark.parametrize("form", ["against", "against_plainly"])
def test_negatives_that_are_like_what_came_next_do_not_count_for_it(form: str) -> None:
    """Of r = (2, 1): 2 for the target; 6.3 is left out, 6.6 and -2 and -9.9 count."""
    loss = SampledSoftmax(torch.ones(5), num_negatives=5, mask_above=0.99)
    table = ALIKE.clone().requires_grad_()
    targets = Targets(torch.tensor([0]), torch.ones(1), torch.ones(1))
    every = Negatives.once(torch.arange(5))
    vectors = torch.tensor([[2.0, 1.0]])
    found = getattr(loss, form)(every, vectors, table, DotProductHead(5), targets)
    rest = sum(math.exp(score) for score in (2.0, 6.6, -2.0, -9.9))
    assert found.item() == pytest.approx(math.log(rest) - 2.0, rel=1e-5)
    found.backward()
    assert table.grad is not None
    assert table.grad.abs().amax(1).gt(0).tolist() == [True, False, True, True, True]


def test_a_negative_counts_for_the_targets_that_it_is_not_like() -> None:
    loss = SampledSoftmax(torch.ones(5), num_negatives=5, mask_above=0.99)
    vectors, weight = torch.tensor([[2.0, 1.0], [0.5, -1.0]]), torch.tensor([1.0, 3.0])
    targets = Targets(torch.tensor([0, 3]), torch.ones(2), weight)
    every = Negatives.once(torch.arange(5))
    found = loss.against(every, vectors, ALIKE, DotProductHead(5), targets)
    scores = vectors @ ALIKE.T
    first = scores[0, [0, 2, 3, 4]].logsumexp(0) - scores[0, 0]
    second = scores[1].logsumexp(0) - scores[1, 3]
    assert found.item() == pytest.approx((first + 3 * second).item(), rel=1e-5)


@pytest.mark.parametrize("head", HEADS[:5], ids=str)
def test_a_mask_that_nothing_exceeds_changes_nothing(head: tuple[str, dict[str, Any]]) -> None:
    draw = torch.Generator().manual_seed(8)
    vectors, table = (torch.randn(size, 5, generator=draw) for size in (11, 19))
    targets = Targets(torch.arange(11) * 5 % 19, torch.ones(11), torch.rand(11, generator=draw))
    found = []
    for mask_above in (0.0, 0.9999):
        torch.manual_seed(3)
        settings = {"num_negatives": 12, "mask_above": mask_above}
        chosen = head_of(*head)
        torch.manual_seed(3)
        found.append(build("sampled_softmax", settings)(vectors, table, chosen, targets).item())
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_a_mask_and_smoothing_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"exclude each other but are 0\.99 and 0\.1"):
        SampledSoftmax(torch.ones(5), mask_above=0.99, label_smoothing=0.1)
    with pytest.raises(ConfigError, match=r"loss\.mask_above must lie in 0\.\.1 but is 1\.5"):
        SampledSoftmax(torch.ones(5), mask_above=1.5)


def test_gbce_weighs_what_came_next_by_the_share_of_negatives_that_are_drawn() -> None:
    loss = losses.build("gbce", {"num_negatives": 1, "t": 0.75}, num_items=5)
    negatives = Negatives.once(torch.tensor([3]))
    table = torch.tensor([[0.0], [1.0], [0.0], [-2.0], [0.0]])
    targets = Targets(torch.tensor([1]), torch.ones(1), torch.ones(1))
    found = loss.against(negatives, torch.ones(1, 1), table, DotProductHead(5), targets)
    a = 1 / 4
    beta = a * (0.75 * (1 - 1 / a) + 1 / a)
    wanted = beta * math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2))
    assert found.item() == pytest.approx(wanted)


def test_gbce_starts_where_what_comes_next_and_negatives_are_in_balance() -> None:
    loss, head = losses.build("gbce", {"num_negatives": 3}, num_items=13), DotProductHead(13)
    loss.start(head)
    assert len(set(head.bias.tolist())) == 1
    table = torch.zeros(13, 2)
    targets = Targets(torch.tensor([4, 9]), torch.ones(2), torch.ones(2))
    value = loss.against(
        Negatives.once(torch.tensor([1, 2, 7])), torch.ones(2, 2), table, head, targets
    )
    [gradient] = torch.autograd.grad(value, head.bias)
    assert gradient.sum().item() == pytest.approx(0, abs=1e-6)


def test_regression_keeps_items_apart_and_pulls_none_towards_the_interest() -> None:
    head = DotProductHead(3, normalised=True)
    table = torch.tensor([[1.0, 0.1], [1.0, -0.1], [0.0, 0.0]], requires_grad=True)
    vectors = torch.tensor([[0.0, 5.0], [3.0, 0.0]], requires_grad=True)
    targets = Targets(torch.tensor([0, 1]), torch.ones(2), torch.full((2,), 0.5))
    for weight, moves in ((0.0, False), (1.0, True)):
        loss = VectorRegression(spread_weight=weight)(vectors, table, head, targets)
        [gradient] = torch.autograd.grad(loss, table, allow_unused=True)
        assert (gradient is not None) == moves
    assert gradient[0, 1] < 0 < gradient[1, 1]  # a step against it takes both from the common line


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        ("sampled_softmax", {"negatives": "popular"}, r'loss\.negatives has no value "popular"'),
        ("sampled_softmax", {"num_negatives": 0}, r"num_negatives must be at least 1 but is 0"),
        (
            "sampled_softmax",
            {"correction": 1.5},
            r"correction must lie in 0\.\.1 but is 1\.5",
        ),
        (
            "full_softmax",
            {"label_smoothing": -0.5},
            r"must lie in 0\.\.1 but is -0\.5",
        ),
        ("bpr", {"num_negatives": -3}, r"num_negatives must be at least 1 but is -3"),
        ("gbce", {"t": 2.0}, r"loss\.t must lie in 0\.\.1 but is 2\.0"),
        ("regression", {"spread_weight": -1.0}, r"spread_weight must not be negative but is -1\.0"),
    ],
)
def test_settings_out_of_range_are_refused(kind: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(kind, settings)


def test_regression_refuses_a_head_whose_ranking_it_does_not_train() -> None:
    targets = Targets(torch.tensor([0]), torch.ones(1), torch.ones(1))
    with pytest.raises(ConfigError, match=r'compares directions, but head "dot" does not'):
        VectorRegression()(torch.zeros(1, 2), torch.zeros(3, 2), DotProductHead(3), targets)
