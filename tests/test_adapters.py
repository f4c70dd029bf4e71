"""What is frozen stays out of the state and comes from the base again, if that is the same."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn

from penchant.adapters import (
    adapted,
    bases,
    fingerprint,
    freeze,
    leave_out_frozen,
    trained_parameters,
    trained_share,
    with_lora,
)
from penchant.errors import ConfigError, InputError, MissingExtraError


def base(seed: int = 3) -> nn.ModuleDict:
    """Two layers as a pretrained model would have them: 3 · 5 + 5 and 5 · 2 + 2 numbers."""
    torch.manual_seed(seed)
    return nn.ModuleDict({"first": nn.Linear(3, 5), "second": nn.Linear(5, 2)})


class Holder(nn.Module):
    """A frozen base with a trained layer on top."""

    def __init__(self, seed: int = 3) -> None:
        super().__init__()
        self.base = freeze(base(seed))
        leave_out_frozen(self.base, "folder/of/base")
        torch.manual_seed(seed + 50)
        self.top = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.top(self.base["second"](self.base["first"](x)))


def test_the_state_holds_what_is_trained_and_a_fingerprint() -> None:
    assert list(Holder().state_dict()) == ["base.base_fingerprint", "top.weight", "top.bias"]


def test_a_state_goes_back_onto_the_same_base() -> None:
    x = torch.randn(4, 3)
    one, other = Holder(), Holder()
    with torch.no_grad():
        one.top.weight.copy_(torch.tensor([[0.3, -0.7]]))
    assert not torch.equal(one(x), other(x))
    other.load_state_dict(one.state_dict(), strict=True)
    assert torch.equal(one(x), other(x))


def test_another_base_is_refused_by_both_fingerprints() -> None:
    one, other = Holder(3), Holder(4)
    [mine], [theirs] = ([base.fingerprint for base in bases(holder)] for holder in (one, other))
    assert mine != theirs
    before = other.top.weight.clone()
    with pytest.raises(InputError, match=rf"fingerprint {mine}, .*of folder/of/base have {theirs}"):
        other.load_state_dict(one.state_dict())
    assert torch.equal(other.top.weight, before)


def test_what_was_never_frozen_is_kept_as_ever() -> None:
    module = base()
    leave_out_frozen(module, "anywhere")
    assert list(module.state_dict()) == list(base().state_dict())
    assert bases(module) == []


def test_a_fingerprint_names_numbers_names_and_shapes() -> None:
    weight = torch.tensor([[0.5, 2.0], [1.0, 4.0]])
    marks = [
        fingerprint(weights).tolist()
        for weights in (
            {"a": weight},
            {"b": weight},
            {"a": weight.flatten()},
            {"a": weight + torch.tensor([[0.0, 0.0], [0.0, 1e-6]])},
        )
    ]
    assert len({tuple(mark) for mark in marks}) == 4
    assert (
        fingerprint({"a.base_layer.weight": weight}).tolist()
        == fingerprint({"a.weight": weight}).tolist()
    )


def test_low_rank_additions_start_at_nothing_and_count_by_hand() -> None:
    pytest.importorskip("peft")
    module, x = base(), torch.randn(4, 3)
    plain = module["first"](x)
    with_lora(module, 2, ["first"])
    torch.testing.assert_close(module["first"](x), plain)
    # Of rank 2, beside the 5 × 3 matrix of the first layer: 2 · 3 + 5 · 2 numbers.
    assert trained_parameters(module) == 2 * 3 + 5 * 2
    assert trained_share(module) == (2 * 3 + 5 * 2) / (16 + (3 * 5 + 5) + (5 * 2 + 2))


def test_a_base_has_one_fingerprint_with_additions_and_without() -> None:
    pytest.importorskip("peft")
    marks = []
    for adapt in ("frozen", "lora"):
        module = adapted(base(), adapt, 2)
        leave_out_frozen(module, adapt)
        [found] = bases(module)
        assert found.name == adapt
        # Every linear layer of 3 by 5 and 5 by 2 gets additions of rank 2.
        added = 2 * (3 + 5) + 2 * (5 + 2) if adapt == "lora" else 0
        assert (found.num_trained, found.num_parameters) == (added, added + 20 + 12)
        marks.append(found.fingerprint)
    assert marks[0] == marks[1]
    one, other = (adapted(base(), "lora", 2) for _ in range(2))
    for module in (one, other):
        leave_out_frozen(module, "base")
    assert all("lora" in name or name == "base_fingerprint" for name in one.state_dict())
    for weight in one.parameters():
        if weight.requires_grad:
            nn.init.normal_(weight)
    other.load_state_dict(one.state_dict())
    x = torch.randn(4, 3)
    assert torch.equal(one["first"](x), other["first"](x))


def test_modules_without_memory_take_no_fingerprint() -> None:
    with torch.device("meta"):
        module = freeze(base())
        leave_out_frozen(module, "base")
    assert module.base_fingerprint.is_meta


def test_bad_settings_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'items\.adaptation has no value "lorra".*mean lora'):
        adapted(base(), "lorra", 8, "items")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"encoder\.lora_rank must be 1 or more but is 0"):
        adapted(base(), "lora", 0)


def test_without_peft_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"needs peft\. pip install 'penchant\[text\]'"):
        with_lora(base(), 2)
