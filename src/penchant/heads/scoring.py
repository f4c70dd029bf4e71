"""Heads: how an interest vector scores items.

`dot` compares it with the item table; `binary` also says how likely one given item is taken. The
item vectors themselves belong to `items`; a head owns only what an item adds on its own, its bias,
and how both sides are seen before they are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.registry import Registry

LEAST_SQUARE = 1e-4
"""Added to squared lengths: a vector of zeros has no direction, and a gradient that stays small."""


LEAST_TEMPERATURE = 0.01
"""Where a temperature that is learned stops."""


class Rows(Protocol):
    """Vectors of items by index: a table, or what stands for one."""

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Return (n, D) the vectors of items (n,)."""


class Head(nn.Module):
    """Scores r · e_i + b_i, in the forms that training and serving need.

    Parameters
    ----------
    num_items
        Items I that training compares.

    Notes
    -----
    Items that come later stand behind these, and have the mean of all biases for theirs.

    Both sides are seen through the head before they are compared: an interest vector r (D,) as K
    `interests`, an item vector as a `key`. A list is ranked by the best of the K scores; training
    compares the one that was `asked` for, given what came next.
    """

    kind: str
    num_interests = 1
    is_product = True
    """Whether `compare` is a product of matrices plus bias, which has kernels of its own."""
    cells = 1
    """Numbers that are held for one score while `compare` makes it."""
    normalised = False
    """Whether interests and keys have unit length, but for a temperature."""
    refresh: Callable[[Tensor, Tensor], None] | None = None
    """Brings biases up to date before they are taken by index, where they may lag behind.

    Biases taken so get gradients of their own alone.
    """

    def __init__(self, num_items: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_items))

    def forward(self, vectors: Tensor, table: Tensor) -> Tensor:
        """Return (M, I) scores of all items.

        For interest vectors (M, D), or for their `interests` (M, K, E) where those are at hand.
        """
        interests = self.interests(vectors) if vectors.dim() == 2 else vectors
        keys = self.keys(table)
        biases = self.biases(len(keys))
        best = self.compare(interests[:, 0], keys, biases)  # (M, I)
        for place in range(1, interests.shape[1]):
            best = torch.maximum(best, self.compare(interests[:, place], keys, biases))
        return best

    def interests(self, vectors: Tensor) -> Tensor:
        """Return (M, K, E) what items are compared with, from interest vectors (M, D)."""
        return vectors.unsqueeze(1)

    def keys(self, rows: Tensor) -> Tensor:
        """Return (n, E) items as they are compared, from their vectors (n, D)."""
        return rows

    def asked(self, vectors: Tensor, keys: Tensor) -> Tensor:
        """Return (M, E) the interest nearest to the key (M, E) of what came next.

        That is what training compares.
        """
        interests = self.interests(vectors)
        if interests.shape[1] == 1:
            return interests.squeeze(1)
        nearest = (interests @ keys.detach().unsqueeze(2)).argmax(1, keepdim=True)  # (M, 1, 1)
        return interests.gather(1, nearest.expand(-1, 1, interests.shape[2])).squeeze(1)

    def compare(self, asked: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """Return (M, n) scores of interests (M, E) and keys (n, E) with biases (n,)."""
        return torch.addmm(bias, asked, keys.T)

    def compare_one(self, asked: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """Return (M,) scores of interests (M, E), each with one key (M, E) and bias (M,)."""
        return (asked * keys).sum(1) + bias

    def biases(self, num_items: int) -> Tensor:
        """Return (num_items,) biases, those of items that came after training included."""
        num_later = num_items - len(self.bias)
        assert num_later >= 0, "items may be added behind those that were trained, none taken away"
        if num_later == 0:
            return self.bias
        return torch.cat([self.bias, self.bias.mean().expand(num_later)])

    def bias_of(self, items: Tensor) -> Tensor:
        """Return (n,) the biases of items."""
        if self.refresh is not None:
            self.refresh(self.bias, items)
            return torch.gather(self.bias, 0, items, sparse_grad=True)
        return self.bias[items]

    def score_of(self, vectors: Tensor, table: Rows, items: Tensor) -> Tensor:
        """Return (M,) the score of one item (M,) per vector: `forward(...)[m, items[m]]`."""
        keys = self.keys(table[items])
        is_later = len(items) > 0 and int(items.max()) >= len(self.bias)
        bias = self.biases(int(items.max()) + 1)[items] if is_later else self.bias_of(items)
        return self.compare_one(self.asked(vectors, keys), keys, bias)


heads: Registry[Head] = Registry("heads")


class Scale(nn.Module):
    """How vectors are scaled before they are compared.

    Parameters
    ----------
    normalised
        Whether both sides are given unit length, so that scores are cosines.
    temperature
        What scores are divided by.
    learn_temperature
        Whether that is where the temperature starts, and is learned from there.

    Raises
    ------
    ConfigError
        When the temperature is not above 0, or is to be learned of vectors that have a length.

    Notes
    -----
    A learned temperature is kept at `LEAST_TEMPERATURE` or above, where it would go to nothing
    once the training part is known by heart.
    """

    def __init__(self, normalised: bool, temperature: float, learn_temperature: bool) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(
                f"head.temperature must be above 0 but is {temperature}.",
                "Set it to 1, or to about 0.05 where head.normalised is on.",
            )
        if learn_temperature and not normalised:
            raise ConfigError(
                "head.learn_temperature needs head.normalised: vectors that have a length of their "
                "own learn what they are divided by.",
                "Set head.normalised=true, or head.learn_temperature=false.",
            )
        self.normalised = normalised
        self.temperature = temperature
        start = torch.tensor(math.log(temperature))
        self.log_temperature = nn.Parameter(start) if learn_temperature else None

    def interests(self, vectors: Tensor) -> Tensor:
        """Return vectors (..., D) as they are compared."""
        vectors = unit(vectors) if self.normalised else vectors
        if self.log_temperature is not None:
            return vectors / self.log_temperature.exp().clamp(min=LEAST_TEMPERATURE)
        return vectors if self.temperature == 1 else vectors / self.temperature

    def keys(self, rows: Tensor) -> Tensor:
        """Return item vectors (n, D) as they are compared."""
        return unit(rows) if self.normalised else rows


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (..., D) at unit length; those near 0 are shorter.

    Examples
    --------
    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]).double()).round(decimals=4).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    return vectors * (vectors.square().sum(-1, keepdim=True) + LEAST_SQUARE).rsqrt()


@heads.register("dot")
class DotProductHead(Head):
    """A distribution over all items: softmax of r · e_i + b_i.

    Parameters
    ----------
    num_items
        Items I in the catalogue.
    normalised
        Whether both vectors are given unit length, so that r · e_i is a cosine.
    temperature
        What r · e_i is divided by: about 0.05 for cosines.
    learn_temperature
        Whether the temperature is learned, from there on.

    References
    ----------
    J. Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for
    generative recommendations", 2024, section 4.1.1, for unit length with a temperature of 0.05.
    A. Radford et al., "Learning transferable visual models from natural language supervision",
    2021, section 2.5, for one that is learned.
    """

    def __init__(
        self,
        num_items: int,
        normalised: bool = False,
        temperature: float = 1.0,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__(num_items)
        self.scale = Scale(normalised, temperature, learn_temperature)
        self.normalised = normalised

    def interests(self, vectors: Tensor) -> Tensor:
        """Return (M, 1, D) the vectors, scaled."""
        return self.scale.interests(vectors).unsqueeze(1)

    def keys(self, rows: Tensor) -> Tensor:
        """Return (n, D) the item vectors, at unit length if they are `normalised`."""
        return self.scale.keys(rows)


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

    def logit_of(self, vectors: Tensor, table: Rows, items: Tensor) -> Tensor:
        """Return (M,) the log-odds of one item (M,) per vector."""
        return self.log_scale.exp() * self.score_of(vectors, table, items) + self.offset
