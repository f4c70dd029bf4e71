"""A mixture of logits: several dot products, mixed as user and item together would have it."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.heads.scoring import Head, heads

BLOCK_CELLS: Final = 2**24
"""Numbers held at once when all items are scored (64 MB in float32)."""


@heads.register("mixture")
class MixtureHead(Head):
    """K · sum over k of gate_k(r, e_i) · (f_k(r) · g_k(e_i)) + b_i, gates that sum to 1.

    Parameters
    ----------
    num_items
        Items I in the catalogue.
    width
        Width D of interest and items.
    num_components
        Components K.
    component_width
        Width of f_k and g_k; D / K rounded up when 0.

    Raises
    ------
    ConfigError
        When there is no component, or its width is negative.

    Notes
    -----
    The gates are a softmax over a part of the user, a part of the item and a linear map of the K
    logits. The maps of both sides start as the same orthogonal one and the gates as equals, so that
    the head starts as the dot product. The score is no dot product: an index for those finds
    candidates only. Scores of M users and n items take K · M · n numbers while they are made.

    References
    ----------
    J. Zhai et al., "Revisiting neural retrieval on accelerators", 2023, equations 5 and 7; there
    the gates are two-layer networks and the components have unit length.

    Relations
    ---------
    Equals `dot` when fresh, where K · component_width is at least D.
    """

    is_product = False

    def __init__(
        self, num_items: int, width: int, num_components: int = 4, component_width: int = 0
    ) -> None:
        super().__init__(num_items)
        if num_components < 1 or component_width < 0:
            raise ConfigError(
                "head.num_components must be at least 1 and head.component_width not negative, but "
                f"they are {num_components} and {component_width}.",
                "Set them to 4 and 0.",
            )
        self.cells = num_components
        self.component_width = component_width or -(-width // num_components)
        total = num_components * self.component_width
        self.user_parts = nn.Linear(width, total, bias=False)
        self.item_parts = nn.Linear(width, total, bias=False)
        self.user_gate = nn.Linear(width, num_components)
        self.item_gate = nn.Linear(width, num_components, bias=False)
        self.logit_gate = nn.Linear(num_components, num_components, bias=False)
        nn.init.orthogonal_(self.user_parts.weight)
        for gate in (self.user_gate.weight, self.item_gate.weight, self.logit_gate.weight):
            nn.init.zeros_(gate)
        nn.init.zeros_(self.user_gate.bias)
        with torch.no_grad():
            self.item_parts.weight.copy_(self.user_parts.weight)

    def forward(self, vectors: Tensor, table: Tensor) -> Tensor:
        """Return (M, I) scores of all items, made for some users at a time."""
        vectors = vectors.squeeze(1) if vectors.dim() == 3 else vectors
        keys, biases = self.keys(table), self.biases(len(table))
        rows = max(1, BLOCK_CELLS // (self.cells * len(table)))
        return torch.cat([self.compare(block, keys, biases) for block in vectors.split(rows)])

    def keys(self, rows: Tensor) -> Tensor:
        """Return (n, E) components of the items and their part of the gates, side by side."""
        return torch.cat([self.item_parts(rows), self.item_gate(rows)], dim=1)

    def compare(self, asked: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """Return (M, n) scores of interests (M, D) and keys (n, E) with biases (n,)."""
        user, item = self._components(self.user_parts(asked)), self._components(keys)
        logits = user @ item.transpose(1, 2)  # (K, M, n)
        gates = self.user_gate(asked).T.unsqueeze(2) + keys[:, -self.cells :].T.unsqueeze(1)
        return self._mixed(logits, gates) + bias

    def compare_one(self, asked: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """Return (M,) scores of interests (M, D), each with one key (M, E) and bias (M,)."""
        user, item = self._components(self.user_parts(asked)), self._components(keys)
        gates = (self.user_gate(asked) + keys[:, -self.cells :]).T  # (K, M)
        return self._mixed((user * item).sum(2), gates) + bias

    def _components(self, parts: Tensor) -> Tensor:
        """Return (K, n, component_width)."""
        used = parts[:, : self.cells * self.component_width]
        return used.unflatten(1, (self.cells, -1)).transpose(0, 1)

    def _mixed(self, logits: Tensor, gates: Tensor) -> Tensor:
        """Return (...) scores from logits and what users and items say to the gates (K, ...)."""
        said = torch.tensordot(self.logit_gate.weight, logits, dims=1) + gates
        return self.cells * (said.softmax(0) * logits).sum(0)
