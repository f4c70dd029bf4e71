"""The GRU layer with its own backward is torch's GRU, gradients included."""

from __future__ import annotations

import pytest
import torch

from penchant.encoders import encoders
from penchant.encoders.plain import plain_operations
from penchant.packed import PackedVectors, offsets_of


@pytest.mark.parametrize("lengths", [[3, 0, 7, 1, 2], [1], [5, 5], [0, 4]])
@pytest.mark.parametrize(("num_layers", "residual"), [(1, False), (2, False), (2, True)])
def test_own_backward_equals_that_of_torch(
    lengths: list[int], num_layers: int, residual: bool
) -> None:
    torch.manual_seed(8)
    settings = {"num_layers": num_layers, "residual": residual}
    encoder = encoders.build("gru", settings, width=6).double()
    size = sum(lengths)
    x = torch.randn(size, 6, dtype=torch.float64).requires_grad_()
    carried = encoder.initial_state(len(lengths))
    hidden = torch.randn(carried.hidden.shape, dtype=torch.float64).requires_grad_()
    weight = torch.randn(size, 6, dtype=torch.float64)
    events = PackedVectors(
        x, torch.zeros(size).long(), torch.zeros(size).bool(), offsets_of(torch.tensor(lengths))
    )

    def outcome() -> tuple[torch.Tensor, ...]:
        output, state = encoder(events, carried._replace(hidden=hidden))
        loss = (output * weight).sum() + state.hidden.square().sum()
        return output, state.hidden, *torch.autograd.grad(loss, [x, hidden, *encoder.parameters()])

    own = outcome()
    with plain_operations():
        plain = outcome()
    for left, right in zip(own, plain, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)
