"""Items by what their texts mean: vectors of a pretrained model, brought to the model's width.

The vectors come from outside. How they are turned is fitted once, on the items of the training
part; a text that comes later is turned in the same way.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import torch
from torch import Tensor, nn

from penchant.adapters import Adapt
from penchant.items.content import ContentSource
from penchant.texts.tokens import TokenRows

Projection = Literal["whitening", "pca", "none"]
TextHead = Literal["linear", "mlp", "none"]

LEAST_SHARE: Final = 1e-3
"""Directions with less than this share of the strongest variance are not blown up by whitening."""


@dataclass(frozen=True)
class TextReading:
    """How a language model reads the texts of I items while it is trained.

    Parameters
    ----------
    tokens
        The texts.
    adapt, lora_rank
        What of it is trained.
    checkpointing
        Whether texts are read again for gradients, in place of holding what was made of them.
    weights
        Trained weights to start from; those of the model itself when left out.
    """

    tokens: TokenRows
    adapt: Adapt
    lora_rank: int = 8
    checkpointing: bool = False
    weights: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TextTable:
    """Vectors of the texts of I items, turned, and how they were.

    Parameters
    ----------
    vectors
        (I, P), zeros where there is no text.
    mean, turn
        (E,) and (E, P): a vector of the language model is centred, then turned.
    model, fingerprint
        The language model, by name and by content.
    reading
        How it is trained, where it is.
    """

    vectors: Tensor
    mean: Tensor
    turn: Tensor
    model: str = ""
    fingerprint: str = ""
    reading: TextReading | None = None

    @classmethod
    def blank(cls, num_items: int, size: int, num_directions: int) -> TextTable:
        """Return the table of items without texts: what a stored one is read into."""
        shapes = (num_items, num_directions), (size,), (size, num_directions)
        vectors, mean, turn = (torch.zeros(shape) for shape in shapes)
        return cls(vectors, mean, turn)

    @classmethod
    def fit(
        cls, text: Tensor, is_fitted_on: Tensor, projection: Projection, width: int = 0
    ) -> TextTable:
        """Fit the turn on some items and turn all.

        Parameters
        ----------
        text
            (I, E) vectors of the language model, zeros where there is no text.
        is_fitted_on
            (I,) bool, items of the training part.
        projection
            `pca` turns to the strongest directions and divides all by one number; `whitening` gives
            each of them unit variance; `none` only centres and scales.
        width
            Directions P kept, the strongest; all E where it is 0.

        Notes
        -----
        The mean square over all numbers of the items fitted on is 1. Time O(I · E^2).

        References
        ----------
        J. Su et al., "Whitening sentence representations for better semantics and faster
        retrieval", 2021.
        """
        exact = text[text.any(1) & is_fitted_on].double()
        mean = exact.mean(0) if len(exact) else exact.new_zeros(text.shape[1])
        centred = exact - mean
        turn = torch.eye(text.shape[1], dtype=torch.float64)
        if projection != "none":
            variance, directions = torch.linalg.eigh(centred.T @ centred / max(len(exact), 1))
            strongest = variance.argsort(descending=True)[: width or None]
            variance, turn = variance[strongest], directions[:, strongest]
            if projection == "whitening":
                least = (LEAST_SHARE * variance[0]).clamp(min=1e-12)
                turn = turn / variance.clamp(min=least).sqrt()
        square = (centred @ turn).square().mean() if len(exact) else centred.new_ones(())
        turn = turn / square.sqrt().clamp(min=1e-12)
        mean, turn = mean.to(text.dtype), turn.to(text.dtype)
        return cls(turned(text, mean, turn), mean, turn)

    def like(self, text: Tensor, own_mean: bool = False) -> TextTable:
        """Return the table of other texts (J, E), turned as these are.

        About the same mean, or with `own_mean` about their own.
        """
        known = text[text.any(1)]
        mean = known.double().mean(0).to(text.dtype) if own_mean and len(known) else self.mean
        return replace(self, vectors=turned(text, mean, self.turn), mean=mean)


def turned(text: Tensor, mean: Tensor, turn: Tensor) -> Tensor:
    """Return (n, P) vectors of texts (n, E), centred and turned; zeros stay zeros."""
    return ((text - mean) @ turn) * text.any(1, keepdim=True)


class TextVectors(ContentSource):
    """Vectors of items from those of their texts, wherever these are from.

    Parameters
    ----------
    table
        The texts of I items.
    width
        Width D.
    head
        `linear` or `mlp`, learned; `none` takes the first D directions as they are.
    """

    mean: Tensor
    turn: Tensor

    def __init__(self, table: TextTable, width: int, head: TextHead = "linear") -> None:
        super().__init__()
        for name in ("mean", "turn"):
            self.register_buffer(name, getattr(table, name))
        self.register_buffer("known", table.vectors.any(1))
        size = table.turn.shape[1]
        self.head: nn.Module = _Shorter(width)
        if head != "none":
            inner = [nn.Linear(size, 4 * width), nn.GELU()] if head == "mlp" else []
            last = nn.Linear(4 * width if inner else size, width, bias=False)
            nn.init.normal_(last.weight, std=(width * last.in_features) ** -0.5)
            self.head = nn.Sequential(*inner, last)

    @abstractmethod
    def rows(self, item_index: Tensor | None) -> Tensor:
        """Return (N, P) turned vectors of the texts of the items (N,), of all when None."""

    def forward(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) vectors of the items (N,), of all when None."""
        known = self.known if item_index is None else self.known[item_index]
        return self.of_turned(self.rows(item_index)) * known.unsqueeze(1)

    def of_turned(self, rows: Tensor) -> Tensor:
        """Return (n, D) vectors from turned ones (n, P)."""
        return self.head(rows)

    def directions(self, rows: Tensor) -> Tensor:
        """Return (n, P) at unit length the texts whose turned vectors (n, P) are given.

        Notes
        -----
        Half way back from the turn: where that gave all directions unit variance, they have the
        square root of the deviation that they had. On titles of Amazon Beauty cosines find more so
        than before the turn or after it (decision 24).
        """
        back = rows * self.turn.norm(dim=0).clamp(min=1e-12).rsqrt()
        return nn.functional.normalize(back, dim=1)

    def later_directions(self, given: Tensor) -> Tensor:
        """Return (n, P) `directions` of later items from (n, E) vectors of the language model."""
        return self.directions(self._turned(given))

    def later(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors of later items from (n, E) vectors of the same language model."""
        known = given.any(1)
        return self.of_turned(self._turned(given)) * known.unsqueeze(1), known

    def _turned(self, given: Tensor) -> Tensor:
        return turned(given.to(self.mean.dtype), self.mean, self.turn)


class TextSource(TextVectors):
    """Vectors of items from those that a language model once made of their texts.

    Parameters
    ----------
    table, width, head
        As `TextVectors`.
    """

    vectors: Tensor

    def __init__(self, table: TextTable, width: int, head: TextHead = "linear") -> None:
        super().__init__(table, width, head)
        self.register_buffer("vectors", table.vectors)

    def rows(self, item_index: Tensor | None) -> Tensor:
        """Return (N, P) turned vectors of the texts of the items (N,), of all when None."""
        return self.vectors if item_index is None else self.vectors[item_index]


class _Shorter(nn.Module):
    """The first D directions, at the length that other vectors of items start with."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, rows: Tensor) -> Tensor:
        first = rows[:, : self.width] * self.width**-0.5
        return nn.functional.pad(first, (0, self.width - first.shape[1]))
