"""How deep stacks start: what each layer adds is smaller the more layers there are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def start_small(layers: Iterable[nn.Linear], num_layers: int) -> None:
    """Shrink what a block adds, so that the sum over a deep stack starts as in a shallow one."""
    for layer in layers:
        with torch.no_grad():
            layer.weight.mul_((2 * num_layers) ** -0.5)
            layer.bias.zero_()
