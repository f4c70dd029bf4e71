"""How much an item's text is like those of the latest events, beside what the model has learned.

What training makes of texts serves the items that it was trained on. The language model's own sense
of what is alike, left as it is, also serves items that nobody has taken yet. Nothing here is
trained: four numbers are chosen on validation, after the training.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from penchant.errors import ConfigError
from penchant.interest.attention import GREATEST_DECAY
from penchant.interest.streaming import RunningSum, scan
from penchant.packed import last_rows
from penchant.registry import Registry

LEAST_WEIGHT: Final = 1e-3
"""Below that a text could not be read back from what stands behind an item's vector."""


class Likeness(nn.Module):
    """Nothing is compared: what every kind of likeness is where it is not used."""

    kind: str

    @property
    def is_used(self) -> bool:
        """Whether any score is changed."""
        return False

    @property
    def is_chosen(self) -> bool:
        """Whether there is nothing left to choose."""
        return True


likenesses: Registry[Likeness] = Registry("likeness")


@likenesses.register("none")
class NoLikeness(Likeness):
    """No texts are compared."""


@likenesses.register("text")
class TextLikeness(Likeness):
    """Scores gain w · cos(m, t_i) + o: t_i an item's text, m the sum of the user's texts, fading.

    Parameters
    ----------
    decay
        What is left of a text when another one comes: 0 looks at the last one alone.
    weight
        w of items that were trained on.
    new_item_weight
        w of the others.
    new_item_offset
        o of the others; that of items that were trained on is 0.

    Raises
    ------
    ConfigError
        When a number is out of its range.

    Notes
    -----
    What is left out is chosen on validation at the end of the training; until then nothing is
    compared. Memory per user: one text vector, constant in the length of the history.

    Relations
    ---------
    `step` over a history equals `forward` over the whole.
    """

    numbers: Tensor

    def __init__(
        self,
        decay: float | None = None,
        weight: float | None = None,
        new_item_weight: float | None = None,
        new_item_offset: float | None = None,
    ) -> None:
        super().__init__()
        if decay is not None and not 0 <= decay < 1:
            raise ConfigError(
                f"likeness.decay must be from 0 to below 1 but is {decay}.",
                "Set it to 0.7, or leave it out to have it chosen on validation.",
            )
        for name, given in (("weight", weight), ("new_item_weight", new_item_weight)):
            if given is not None and not given >= 0:
                raise ConfigError(
                    f"likeness.{name} must not be negative but is {given}.",
                    "Set it to 2, or leave it out to have it chosen on validation.",
                )
        self.given = (decay, weight, new_item_weight, new_item_offset)
        numbers = self.given if None not in self.given else (0.0, 0.0, 0.0, 0.0)
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.float64))

    @property
    def is_used(self) -> bool:
        """Whether any score is changed."""
        return bool(self.numbers[1:3].any())

    @property
    def is_chosen(self) -> bool:
        """Whether all numbers were given, so that there is nothing left to choose."""
        return None not in self.given

    @property
    def decay(self) -> float:
        """What is left of a text when another one comes."""
        return float(self.numbers[0])

    def choose(
        self, decay: float, weight: float, new_item_weight: float, new_item_offset: float
    ) -> None:
        """Take these numbers where none were given."""
        found = (decay, weight, new_item_weight, new_item_offset)
        chosen = zip(self.given, found, strict=True)
        numbers = [one if given is None else given for given, one in chosen]
        self.numbers.copy_(torch.tensor(numbers, dtype=torch.float64))

    def beside(self, texts: Tensor, is_trained: Tensor) -> Tensor:
        """Return (n, T + 1) what stands behind the vectors of items.

        Parameters
        ----------
        texts
            (n, T) their texts at unit length, or zeros.
        is_trained
            (n,) which of them were trained on.
        """
        _, weight, new_weight, offset = self.numbers.to(texts)
        weights = torch.where(is_trained, weight, new_weight).clamp(min=LEAST_WEIGHT)
        offsets = torch.where(is_trained, torch.zeros_like(offset), offset)
        return torch.cat([texts * weights.unsqueeze(1), offsets.unsqueeze(1)], 1)

    def texts(self, beside: Tensor) -> Tensor:
        """Return (n, T) the texts at unit length of which `beside` made (n, T + 1)."""
        return normalize(beside[:, :-1], dim=1)

    def forward(
        self, texts: Tensor, user: Tensor, offsets: Tensor, sums: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (N, T) the sums after each event, and (B, T) those after each user's last.

        Parameters
        ----------
        texts
            (N, T) of the events' items, zeros where there is none.
        user, offsets
            (N,) and (B + 1,) whose they are.
        sums
            (B, T) those before.
        """
        if len(texts) == 0:
            return texts, sums
        ones = texts.new_ones(len(texts), 1)
        carried = RunningSum(ones[:1] * 0, ones[:1], sums.unsqueeze(1))
        carried = RunningSum(*(leaf.expand(len(sums), *leaf.shape[1:]) for leaf in carried))
        found = scan(ones * 0, texts.unsqueeze(1), ones * self._fade(), user, offsets, carried)
        after = found.total.squeeze(1)  # relative to a maximum that is 0 throughout
        return after, last_rows(after, offsets, sums)

    def step(self, texts: Tensor, sums: Tensor) -> Tensor:
        """Return (B, T) the sums after one more event of each user."""
        return math.exp(-self._fade()) * sums + texts

    def asked(self, sums: Tensor) -> Tensor:
        """Return (M, T + 1) what `beside` is compared with: the sums at unit length, and ones."""
        return torch.cat([normalize(sums, dim=1), sums.new_ones(len(sums), 1)], 1)

    def _fade(self) -> float:
        decay = self.decay
        return min(-math.log(decay), GREATEST_DECAY) if decay > 0 else GREATEST_DECAY
