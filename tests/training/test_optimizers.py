import pytest
import torch
import torch.nn.functional as F
from torch import nn

from penchant.config import TrainingSettings
from penchant.heads import DotProductHead
from penchant.items import IdentityItems
from penchant.training.optimizers import (
    build_optimizer,
    clip_gradients,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
    settle,
)


def model() -> nn.Module:
    torch.manual_seed(3)
    return nn.ModuleDict(
        {"vectors": nn.Embedding(5, 4), "map": nn.Linear(4, 2), "norm": nn.LayerNorm(4)}
    )


def test_only_matrices_that_are_no_embeddings_decay():
    parts = model()
    decaying, other = build_optimizer(parts, TrainingSettings(weight_decay=0.3)).param_groups
    assert (decaying["weight_decay"], other["weight_decay"]) == (0.3, 0.0)
    assert [id(each) for each in decaying["params"]] == [id(parts["map"].weight)]
    assert len(other["params"]) == 1 + 1 + 2


def test_item_vectors_learn_at_a_multiple_of_the_rate():
    items = IdentityItems(num_items=5, width=4)
    parts = nn.ModuleDict({"of_items": items, "map": nn.Linear(4, 2), "rest": nn.Embedding(3, 4)})
    optimizer = build_optimizer(parts, TrainingSettings(learning_rate=0.1, item_rate=8))
    set_learning_rate(optimizer, 0.01)
    rates = {
        id(parameter): group["lr"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert rates.pop(id(items.vectors.weight)) == pytest.approx(0.08)
    assert len(rates) == 3
    assert set(rates.values()) == {0.01}


@pytest.mark.parametrize("optimizer", ["adamw", "sparse_adamw"])
def test_a_first_step_moves_item_vectors_so_many_times_as_far(optimizer):
    moved = []
    for item_rate in (1.0, 4.0):
        torch.manual_seed(3)
        items = IdentityItems(num_items=5, width=4)
        before = items.vectors.weight.detach().clone()
        settings = TrainingSettings(optimizer=optimizer, item_rate=item_rate, weight_decay=0)
        stepper = build_optimizer(items, settings)
        items(torch.tensor([0, 3])).square().sum().backward()
        stepper.step()
        moved.append((items.vectors.weight - before).detach())
    assert moved[0].abs().max() > 0
    assert moved[1] == pytest.approx(4 * moved[0], abs=1e-7)


def test_warm_up_rises_in_a_line_to_the_peak():
    settings = TrainingSettings(learning_rate=0.3, warmup_steps=3)
    rates = [learning_rate(settings, step, 0.0) for step in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3])


def test_cosine_falls_from_the_peak_to_nothing():
    settings = TrainingSettings(learning_rate=0.4, warmup_steps=0, schedule="cosine")
    rates = [learning_rate(settings, 9, share) for share in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([0.4, 0.4 / 2, 0.0])


def test_restored_optimizer_makes_the_same_next_step():
    def step(parts, optimizer):
        optimizer.zero_grad()
        parts["map"](
            parts["norm"](parts["vectors"](torch.tensor([1, 3])))
        ).square().sum().backward()
        optimizer.step()

    one = model()
    optimizer = build_optimizer(one, TrainingSettings())
    step(one, optimizer)
    other = model()
    other.load_state_dict(one.state_dict())
    again = build_optimizer(other, TrainingSettings())
    kept = {name: each.clone() for name, each in optimizer_tensors(optimizer).items()}
    restore_optimizer(again, kept)
    step(one, optimizer)
    step(other, again)
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def rows_used(parts: nn.Module, index: list[int], sparse: bool) -> None:
    """Leave gradients of the given rows of the embedding, of the map and of the norm."""
    vectors = F.embedding(torch.tensor(index), parts["vectors"].weight, sparse=sparse)
    (parts["map"](parts["norm"](vectors)).square().sum() + vectors.sum(1).exp().sum()).backward()


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.3, "learning_rate": 0.1}])
def test_rows_that_are_all_used_move_as_under_adamw(settings):
    both = []
    for optimizer in ("adamw", "sparse_adamw"):
        parts = model()
        stepper = build_optimizer(parts, TrainingSettings(optimizer=optimizer, **settings))
        for index in ([4, 0, 1, 2, 3, 3], [2, 2, 2, 0, 1, 4, 3], [0, 1, 2, 3, 4]):
            stepper.zero_grad()
            rows_used(parts, index, optimizer == "sparse_adamw")
            stepper.step()
        both.append(parts)
    for mine, theirs in zip(both[0].parameters(), both[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def steps_by_rows(settings: dict, num_steps: int, seed: int) -> list[nn.Embedding]:
    """Return tables after the same steps on few rows each, under AdamW and by rows."""
    tables = []
    for optimizer in ("adamw", "sparse_adamw"):
        table = model()["vectors"]
        parts = nn.ModuleDict({"vectors": table})
        stepper = build_optimizer(parts, TrainingSettings(optimizer=optimizer, **settings))
        draw = torch.Generator().manual_seed(seed)
        for step in range(num_steps):
            for group in stepper.param_groups:
                group["lr"] = 0.05 * (1 + step % 7)
            rows = torch.randint(
                5, (int(torch.randint(1, 3, (1,), generator=draw)),), generator=draw
            )
            weight = torch.randn(len(rows), 4, generator=draw) * 10.0 ** -(step % 3)
            stepper.zero_grad()
            taken = F.embedding(rows, table.weight, sparse=optimizer == "sparse_adamw")
            (taken * weight).sum().backward()
            stepper.step()
        settle(stepper)
        tables.append(table)
    return tables


@pytest.mark.parametrize("num_steps", [1, 2, 30, 400])
def test_rows_used_now_and_then_end_where_adamw_takes_them(num_steps):
    dense, by_rows = steps_by_rows({}, num_steps, seed=num_steps)
    moved = dense.weight - model()["vectors"].weight
    assert moved.abs().max() > 0.04
    torch.testing.assert_close(by_rows.weight, dense.weight, rtol=1e-3, atol=1e-3)


def test_a_row_left_alone_for_long_stands_where_adamw_leaves_it():
    tables = []
    for optimizer in ("adamw", "sparse_adamw"):
        table = model()["vectors"]
        parts = nn.ModuleDict({"vectors": table})
        stepper = build_optimizer(parts, TrainingSettings(optimizer=optimizer, learning_rate=0.01))
        for step in range(600):
            stepper.zero_grad()
            rows = torch.tensor([3, 1] if step in (0, 2) else [1])
            F.embedding(rows, table.weight, sparse=optimizer == "sparse_adamw").sum().backward()
            stepper.step()
        waits = model()["vectors"].weight[3] - table.weight[3]
        settle(stepper)
        moved = model()["vectors"].weight[3] - table.weight[3]
        assert (optimizer == "adamw") == torch.equal(waits, moved)
        tables.append(table.weight)
    torch.testing.assert_close(*tables, rtol=1e-4, atol=1e-5)


def test_rows_are_brought_up_to_date_before_they_are_taken():
    items, head = IdentityItems(5, 4), DotProductHead(5)
    parts = nn.ModuleDict({"catalogue": items, "head": head})
    stepper = build_optimizer(parts, TrainingSettings(optimizer="sparse_adamw", learning_rate=0.1))
    for rows in ([3, 1], [1], [1]):
        stepper.zero_grad()
        index = torch.tensor(rows)
        (items(index).sum() + head.bias_of(index).sum()).backward()
        stepper.step()
    before = items.vectors.weight[3].clone(), head.bias[3].clone()
    taken, bias = items(torch.tensor([3, 3])), head.bias_of(torch.tensor([3]))
    assert (taken < before[0]).all()
    assert bias < before[1]
    assert torch.equal(taken[0], taken[1])
    again = items(torch.tensor([3]))
    assert torch.equal(again[0], taken[0])


def test_a_restored_sparse_optimizer_makes_the_same_next_step():
    one, other = model(), model()
    settings = TrainingSettings(optimizer="sparse_adamw")
    stepper, again = build_optimizer(one, settings), build_optimizer(other, settings)
    rows_used(one, [3, 1, 3], sparse=True)
    stepper.step()
    other.load_state_dict(one.state_dict())
    kept = {name: each.clone() for name, each in optimizer_tensors(stepper).items()}
    restore_optimizer(again, kept)
    for parts, each in ((one, stepper), (other, again)):
        each.zero_grad()
        rows_used(parts, [0, 3], sparse=True)
        each.step()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("most", [0.5, 1e6])
def test_sparse_gradients_are_clipped_as_dense_ones_are(most):
    gradients = []
    for sparse in (False, True):
        parts = model()
        rows_used(parts, [3, 1, 3, 3], sparse)
        norm = clip_gradients(parts.parameters(), most)
        gradient = parts["vectors"].weight.grad
        assert gradient.is_sparse == sparse
        gradients.append((norm, gradient.to_dense(), parts["map"].weight.grad))
    for dense, rows in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, rows)
    assert gradients[1][0] > 0.5


def test_only_parts_that_have_rows_of_items_are_told_of_a_sparse_optimizer():
    parts = nn.ModuleDict({"catalogue": IdentityItems(5, 4), "head": DotProductHead(5)})
    for optimizer, is_sparse in (("sparse_adamw", True), ("adamw", False)):
        build_optimizer(parts, TrainingSettings(optimizer=optimizer))
        assert (parts["catalogue"].refresh is not None) == is_sparse
        assert (parts["head"].refresh is not None) == is_sparse
