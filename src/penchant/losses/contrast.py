"""Contrasts: interest vectors that should be alike are told apart from the others of a batch.

Two reasons to be alike: the same item came next, or both are views of one history. Neither copies a
prefix: what is contrasted are vectors at positions of the packed batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.heads import unit
from penchant.losses.blocks import in_blocks
from penchant.losses.partition import log_partition


class Contrast(nn.Module):
    """Cross-entropy of the right partner among the positions of a batch, by cosine.

    Parameters
    ----------
    temperature
        What cosines are divided by.

    Raises
    ------
    ConfigError
        When the temperature is not above 0.

    Notes
    -----
    Time O(M² · D) for M positions, memory O(block + M · D). The loss of one user depends on all.

    References
    ----------
    A. van den Oord et al., "Representation learning with contrastive predictive coding", 2018,
    equation 4. P. Khosla et al., "Supervised contrastive learning", 2020, equation 2. X. Qin et
    al., "Intent contrastive learning with cross subsequences for sequential recommendation", 2024,
    for partners with the same target. R. Qiu et al., "Contrastive learning for representation
    degeneration problem in sequential recommendation", 2022, for two passes under dropout.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(
                f"loss.contrast_temperature must be above 0 but is {temperature}.", "Set it to 0.1."
            )
        self.temperature = temperature

    def same_target(self, vectors: Tensor, item: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted sum over positions of how hard their partners are to tell.

        Parameters
        ----------
        vectors
            (M, D) interest vectors.
        item
            (M,) what came next; positions with the same are partners.
        weight
            (M,), constants.

        Notes
        -----
        -log of a partner's share among all other positions, averaged over the partners. A position
        without a partner costs nothing, but is among the others.
        """
        alike = unit(vectors)
        kind, size = item.unique(return_inverse=True, return_counts=True)[1:]
        others = size[kind] - 1  # (M,) partners of each
        with_partner = (others > 0).nonzero().squeeze(1)
        if len(with_partner) == 0:
            return vectors.sum() * 0.0
        sums = alike.new_zeros(len(size), alike.shape[1]).index_add(0, kind, alike)
        asked, weight = alike[with_partner] / self.temperature, weight[with_partner]
        partners = sums[kind[with_partner]] - alike[with_partner]  # (A, D)
        near = (asked * partners).sum(1) / others[with_partner]
        no_bias = alike.new_zeros(len(alike))
        total = log_partition(asked, alike, no_bias, weight, left_out=with_partner)
        return total - near @ weight

    def two_views(self, one: Tensor, other: Tensor, item: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted sum over positions of how hard the other view of each is to tell.

        Parameters
        ----------
        one, other
            (M, D) interest vectors of the same positions in two views.
        item
            (M,) what came next: other positions with the same are left out, being no strangers.
        weight
            (M,), constants.

        Notes
        -----
        Half of it asks for the other view, half for the one.
        """
        both = unit(one), unit(other)
        row = torch.arange(len(item), device=item.device)
        halves = [self._view(*pair, item, weight, row) for pair in (both, both[::-1])]
        return (halves[0] + halves[1]) / 2

    def _view(
        self, asked: Tensor, found: Tensor, item: Tensor, weight: Tensor, row: Tensor
    ) -> Tensor:
        def body(asked: Tensor, own: Tensor, weight: Tensor, place: Tensor) -> Tensor:
            scores = asked @ found.T / self.temperature  # (C, M)
            is_other = place.unsqueeze(1) != row
            known = (own.unsqueeze(1) == item) & is_other
            logs = scores.masked_fill(known, -torch.inf).log_softmax(1)
            return -(logs.gather(1, place.unsqueeze(1)).squeeze(1) @ weight)

        return in_blocks(body, (asked, item, weight, row), 3 * len(row))
