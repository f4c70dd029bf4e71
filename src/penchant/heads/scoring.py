"""Heads: how an interest vector scores items.

`dot` compares it with the item table; `binary` also says how likely one given item is taken. The
item vectors themselves belong to `items`; a head owns only what an item adds on its own, its bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penchant.registry import Registry


class Head(nn.Module):
    """Scores r · e_i + b_i.

    Parameters
    ----------
    num_items
        Items I in the catalogue.
    """

    kind: str

    def __init__(self, num_items: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_items))

    def forward(self, vectors: Tensor, table: Tensor) -> Tensor:
        """Return (M, I) scores of all items for interest vectors (M, D)."""
        return torch.addmm(self.bias, vectors, table.T)

    def score_of(self, vectors: Tensor, table: Tensor, items: Tensor) -> Tensor:
        """Return (M,) the score of one item (M,) per vector: `forward(...)[m, items[m]]`."""
        return (vectors * table[items]).sum(1) + self.bias[items]


heads: Registry[Head] = Registry("heads")


@heads.register("dot")
class DotProductHead(Head):
    """A distribution over all items: softmax of r · e_i + b_i."""


@heads.register("binary")
class BinaryHead(Head):
    """The probability that a given item is taken: sigmoid(scale · (r · e_i + b_i) + offset).

    For targets that are clicks or likes among events that may also be refusals. Items are ranked by
    the same score.
    """

    def __init__(self, num_items: int) -> None:
        super().__init__(num_items)
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.offset = nn.Parameter(torch.zeros(()))

    def logit_of(self, vectors: Tensor, table: Tensor, items: Tensor) -> Tensor:
        """Return (M,) the log-odds of one item (M,) per vector."""
        return self.log_scale.exp() * self.score_of(vectors, table, items) + self.offset
