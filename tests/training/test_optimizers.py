import pytest
import torch
from torch import nn

from penchant.config import TrainingSettings
from penchant.training.optimizers import (
    build_optimizer,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
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
