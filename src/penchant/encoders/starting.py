"""How deep stacks start: what each layer adds is small, and so is what they make together."""

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


def last_norm(width: int) -> nn.LayerNorm:
    """Return the norm behind a stack, whose vectors start at a length of about 1.

    Scores start near zero that way: at a length of sqrt(D) a vector would above all name its own
    item.
    """
    norm = nn.LayerNorm(width)
    nn.init.constant_(norm.weight, width**-0.5)
    return norm
