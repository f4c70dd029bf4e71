"""Items that a batch is compared with: drawn, counted, and known by how often that was expected."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Negatives(NamedTuple):
    """Items drawn for a batch, each once, in ascending order.

    `item` (J,) int64, `drawn` (J,) how often each was drawn, `expected` (J,) how often it was
    expected to be.
    """

    item: Tensor
    drawn: Tensor
    expected: Tensor

    @classmethod
    def once(cls, item: Tensor) -> Negatives:
        """Return distinct ascending items (J,) as drawn once, as was expected of them."""
        ones = torch.ones(len(item), device=item.device)
        return cls(item, ones, ones)

    def place_of(self, items: Tensor) -> Tensor:
        """Return (M,) where each item (M,) stands among the negatives, -1 where it does not.

        Examples
        --------
        >>> Negatives.once(torch.tensor([2, 5, 9])).place_of(torch.tensor([9, 3, 2])).tolist()
        [2, -1, 0]
        """
        place = torch.searchsorted(self.item, items).clamp(max=len(self.item) - 1)
        return place.masked_fill(self.item[place] != items, -1)

    def drawn_at(self, place: Tensor) -> Tensor:
        """Return (M,) how often the negatives at places (M,) were drawn, 0 at -1."""
        return self.drawn[place].masked_fill(place < 0, 0.0)


def draw_uniform(num_drawn: int, num_items: int, device: torch.device | str) -> Negatives:
    """Draw items, all with the same chance; every item once where that takes no more draws."""
    if num_drawn >= num_items:
        return Negatives.once(torch.arange(num_items, device=device))
    drawn = torch.randint(num_items, (num_drawn,)).to(device)
    item, times = drawn.unique(return_counts=True)
    return Negatives(
        item, times.float(), torch.full(times.shape, num_drawn / num_items, device=device)
    )


def draw_mixed(
    num_uniform: int, batch_items: Tensor, num_in_batch: int, item_counts: Tensor
) -> Negatives:
    """Draw some items with the same chance and some from what came next in the batch.

    Parameters
    ----------
    num_uniform
        Draws with the same chance for every item.
    batch_items
        (M,) int64 targets of the batch.
    num_in_batch
        Draws from these, without replacement: all of them where there are no more.
    item_counts
        (I,) how often each item is a target in training: what the chance to be in a batch is.

    Notes
    -----
    Whichever way an item was drawn, both ways count to what was expected of it: an item that is
    frequent in batches is known to be so also where it was drawn uniformly.
    """
    num_items, device = len(item_counts), batch_items.device
    drawn = [torch.randint(num_items, (num_uniform,)).to(device)]
    num_in_batch = min(num_in_batch, len(batch_items))
    if num_in_batch:
        chosen = torch.randperm(len(batch_items))[:num_in_batch].to(device)
        drawn.append(batch_items[chosen])
    item, times = torch.cat(drawn).unique(return_counts=True)
    chance = item_counts[item].clamp(min=1).double() / item_counts.sum()
    expected = num_uniform / num_items + num_in_batch * chance
    return Negatives(item, times.float(), expected.float())
