"""Items by what stands beside them in a knowledge graph: people, genres, other items.

Entities have learned vectors and relations learned weights. Entities that stand beside fewer than
two items of the training part are left out: of others nothing can be learned that items share.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.items.content import ContentSource
from penchant.items.features import bags_of

FEWEST_BESIDE: Final = 2
"""Entities beside fewer items of the training part have no vector.

That of an entity beside one item alone is another identity of this item: it takes up what the item
should learn to say by what it has in common with others, and is never dropped out.
"""


class NeighbourArrays(Protocol):
    """Which entities stand beside I items; see `penchant.events.ItemNeighbours`."""

    @property
    def item(self) -> np.ndarray:
        """(M,) int64 below `num_items`."""

    @property
    def relation(self) -> np.ndarray:
        """(M,) int64 below `num_relations`; a relation read backwards is one of its own."""

    @property
    def entity(self) -> np.ndarray:
        """(M,) int64 below `num_entities`."""

    @property
    def num_items(self) -> int:
        """Items I."""

    @property
    def num_relations(self) -> int:
        """Relations, those read backwards included."""

    @property
    def num_entities(self) -> int:
        """Entities, the items included."""


class Neighbours(NamedTuple):
    """Neighbours of N items in B bags: one for each relation that an item has.

    `place` (M,) int64 of the entities in the table of their vectors, bag after bag; `starts` (B,)
    where each bag begins; `relation` and `item` (B,) of each bag, the items counted from 0 to N.
    """

    place: Tensor
    starts: Tensor
    relation: Tensor
    item: Tensor
    num_items: int


class GraphTable(nn.Module):
    """Neighbours of I items, kept as buffers.

    Parameters
    ----------
    place, starts, relation
        The bags of all items, as in `Neighbours`.
    item_starts
        (I,) int64, the first bag of each item.
    place_of
        (E,) int64 place of each entity in the table of vectors, -1 where it has none.
    num_beside
        (P,) int64, items of the training part beside the entity at each place.
    num_relations
        Relations, those read backwards included.
    """

    place: Tensor
    starts: Tensor
    relation: Tensor
    item_starts: Tensor
    place_of: Tensor
    num_beside: Tensor

    def __init__(
        self,
        place: np.ndarray,
        starts: np.ndarray,
        relation: np.ndarray,
        item_starts: np.ndarray,
        place_of: np.ndarray,
        num_beside: np.ndarray,
        num_relations: int,
    ) -> None:
        super().__init__()
        self.num_relations = num_relations
        arrays = {
            "place": place,
            "starts": starts,
            "relation": relation,
            "item_starts": item_starts,
            "place_of": place_of,
            "num_beside": num_beside,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.as_tensor(array, dtype=torch.int64))

    @classmethod
    def fit(cls, arrays: NeighbourArrays, is_trained: np.ndarray) -> GraphTable:
        """Keep what can be learned of.

        Parameters
        ----------
        arrays
            Neighbours of I items.
        is_trained
            (I,) bool, items with training events.
        """
        pairs = np.stack([arrays.entity, arrays.item])[:, is_trained[arrays.item]]
        entity, _ = np.unique(pairs, axis=1)
        num_beside = np.bincount(entity, minlength=arrays.num_entities)
        is_kept = num_beside >= FEWEST_BESIDE
        place_of = np.where(is_kept, np.cumsum(is_kept) - 1, -1)
        place, starts, relation, item = _bags(arrays, place_of)
        item_starts = np.searchsorted(item, np.arange(arrays.num_items))
        return cls(
            place,
            starts,
            relation,
            item_starts,
            place_of,
            num_beside[is_kept],
            arrays.num_relations,
        )

    @classmethod
    def blank(cls, shapes: dict[str, int], num_relations: int) -> GraphTable:
        """Return a table of the given lengths by name: what a stored one is read into."""
        return cls(
            **{name: np.zeros(length, np.int64) for name, length in shapes.items()},
            num_relations=num_relations,
        )

    @property
    def num_items(self) -> int:
        """Items I."""
        return len(self.item_starts)

    @property
    def sizes(self) -> Tensor:
        """(I,) int64 bags of each item."""
        end = self.item_starts.new_tensor([len(self.starts)])
        return torch.cat([self.item_starts, end]).diff()

    def rows(self, item_index: Tensor | None) -> Neighbours:
        """Return the neighbours of the items (N,), of all when None."""
        if item_index is None:
            every = torch.arange(self.num_items, device=self.starts.device)
            item = every.repeat_interleave(self.sizes, output_size=len(self.starts))
            return Neighbours(self.place, self.starts, self.relation, item, self.num_items)
        bag = torch.arange(len(self.starts), device=self.starts.device)
        chosen, _ = bags_of(bag, self.item_starts, item_index)  # (B,)
        place, starts = bags_of(self.place, self.starts, chosen)
        every = torch.arange(len(item_index), device=bag.device)
        item = every.repeat_interleave(self.sizes[item_index], output_size=len(chosen))
        return Neighbours(place, starts, self.relation[chosen], item, len(item_index))

    def later(self, arrays: NeighbourArrays) -> Neighbours:
        """Return the neighbours of items that came later, those with vectors."""
        device = self.place_of.device
        bags = _bags(arrays, self.place_of.cpu().numpy())
        place, starts, relation, item = (torch.as_tensor(array, device=device) for array in bags)
        return Neighbours(place, starts, relation, item, arrays.num_items)


class GraphSource(ContentSource):
    """Vectors of items from those of their neighbours in a graph.

    Parameters
    ----------
    graph
        The neighbours of I items.
    width
        Width D.

    Notes
    -----
    v_i = Σ_r w_r ⊙ (1 / |N_r(i)|) Σ_{e in N_r(i)} d_e^(-a_r) v_e, with d_e the items of the
    training part beside the entity e. All v, w and a are learned. The weights w_r are the
    relation's matrix with blocks of one number each; the power a_r damps entities that stand beside
    many items, such as a country. Time and memory O(neighbours · D) of the items asked for.

    References
    ----------
    M. Schlichtkrull et al., "Modeling relational data with graph convolutional networks", 2018,
    equations 2 and 4.
    """

    def __init__(self, graph: GraphTable, width: int) -> None:
        super().__init__()
        self.graph = graph
        self.entities = nn.Embedding(len(graph.num_beside), width)
        self.relations = nn.Embedding(graph.num_relations, width)
        self.damping = nn.Parameter(torch.full((graph.num_relations,), 0.5))
        nn.init.normal_(self.entities.weight, std=0.1 * width**-0.5)
        nn.init.ones_(self.relations.weight)
        self.register_buffer("known", graph.sizes > 0)

    def forward(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) vectors of the items (N,), of all when None."""
        return self.of(self.graph.rows(item_index))

    def of(self, beside: Neighbours) -> Tensor:
        """Return (N, D) what their neighbours say of N items."""
        weight = self._weights(beside)
        bags = F.embedding_bag(
            beside.place,
            self.entities.weight,
            beside.starts,
            mode="sum",
            per_sample_weights=weight,
        )  # (B, D)
        said = bags * self.relations(beside.relation)
        return said.new_zeros(beside.num_items, said.shape[1]).index_add(0, beside.item, said)

    def later(self, given: NeighbourArrays) -> tuple[Tensor, Tensor]:
        """Return vectors of later items from their neighbours."""
        beside = self.graph.later(given)
        known = torch.bincount(beside.item, minlength=beside.num_items) > 0
        return self.of(beside), known

    def _weights(self, beside: Neighbours) -> Tensor:
        """Return (M,) what each neighbour counts in its bag."""
        end = beside.starts.new_tensor([len(beside.place)])
        sizes = torch.cat([beside.starts, end]).diff()  # (B,)
        relation = beside.relation.repeat_interleave(sizes, output_size=len(beside.place))
        size = sizes.repeat_interleave(sizes, output_size=len(beside.place))
        hub = self.graph.num_beside[beside.place].to(self.damping.dtype).log()
        return (-self.damping[relation] * hub).exp() / size


def _bags(
    arrays: NeighbourArrays, place_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return place, starts, relation and item of the bags, as in `Neighbours`."""
    place = place_of[arrays.entity]
    kept = np.stack([arrays.item, arrays.relation, place])[:, place >= 0]
    item, relation, place = np.unique(kept, axis=1)
    is_first = np.ones(len(place), dtype=bool)
    is_first[1:] = (np.diff(item) != 0) | (np.diff(relation) != 0)
    starts = np.flatnonzero(is_first)
    return place, starts, relation[starts], item[starts]
