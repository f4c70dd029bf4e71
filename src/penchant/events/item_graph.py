"""What a knowledge graph says of the items of a vocabulary, in integers.

Items come first among the entities, in the order of their indices, so that an entity below the
number of items is that item. Every relation can also be read backwards, as a relation of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from penchant.errors import InputError
from penchant.events.triples import ROLES, apart, touches
from penchant.events.vocabulary import Vocabulary

_ENTITY: Final = "entity"
_RELATION: Final = "relation"
_RESTATED: Final = "restated relation"
_KINDS: Final = (_ENTITY, _RELATION, _RESTATED)


@dataclass(frozen=True)
class ItemNeighbours:
    """Which entities stand beside each of I items, and in which relation.

    Parameters
    ----------
    item, relation, entity
        (M,) int64; relations from R on are the first R read backwards.
    num_items, num_relations, num_entities
        I, 2 R and E; entities below the number of items of the vocabulary are these.
    """

    item: np.ndarray
    relation: np.ndarray
    entity: np.ndarray
    num_items: int
    num_relations: int
    num_entities: int


@dataclass(frozen=True)
class GraphNames:
    """Names of the entities and relations of a graph, by their codes.

    Parameters
    ----------
    items
        The items: the first entities.
    entities
        All others.
    relations
        As they are read forwards.
    restated
        Relations that were left out, each with the one that says the same backwards.

    Examples
    --------
    >>> names = GraphNames(Vocabulary(["i", "j"]), Vocabulary(["ann"]), Vocabulary(["by"]))
    >>> told = [("x", "by", "ann"), ("j", "by", "x"), ("x", "by", "bob")]
    >>> found = names.later([("x", told)])
    >>> found.relation.tolist(), found.entity.tolist()
    ([0, 1], [2, 1])
    """

    items: Vocabulary
    entities: Vocabulary
    relations: Vocabulary
    restated: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items) + len(self.entities)

    def codes(self, names: Sequence[str] | pl.Series) -> np.ndarray:
        """Return (N,) int64 codes of entities, -1 where unknown."""
        found, other = self.items.indices(names), self.entities.indices(names)
        return np.where(found < 0, np.where(other < 0, -1, len(self.items) + other), found)

    def later(self, given: Sequence[tuple[str, Sequence[Any]]]) -> ItemNeighbours:
        """Return what triples say of items that came later; unknown names are passed over.

        Parameters
        ----------
        given
            Each item, as its triples call it, and these: each a head, a relation and a tail, one of
            the ends being the item.

        Raises
        ------
        InputError
            When something is no triple, or not one of its item.
        """
        rows: dict[tuple[int, str, str, bool], None] = {}
        for place, (item_id, triples) in enumerate(given):
            for triple in triples:
                _check_triple(item_id, triple)
                head, relation, tail = self._forwards(triple)
                is_head = head == item_id
                rows[place, relation, tail if is_head else head, is_head] = None
        relation_code = self.relations.indices([relation for _, relation, _, _ in rows])
        entity = self.codes([name for _, _, name, _ in rows])
        item = np.array([place for place, *_ in rows], np.int64)
        backwards = np.array([not is_head for *_, is_head in rows], bool) * len(self.relations)
        known = (relation_code >= 0) & (entity >= 0)
        relations = (relation_code + backwards)[known]
        return self.beside(item[known], relations, entity[known], len(given))

    def _forwards(self, triple: Sequence[Any]) -> tuple[str, str, str]:
        """Return a triple by the relation that is kept."""
        head, relation, tail = (str(name) for name in triple)
        same = self.restated.get(relation)
        return (head, relation, tail) if same is None else (tail, same, head)

    def beside(
        self, item: np.ndarray, relation: np.ndarray, entity: np.ndarray, num_items: int
    ) -> ItemNeighbours:
        """Return neighbours of items among these names."""
        sizes = num_items, 2 * len(self.relations), len(self)
        return ItemNeighbours(item, relation, entity, *sizes)

    def to_frame(self) -> pl.DataFrame:
        """Return the names of other entities and of relations, for a file."""
        named: dict[str, Iterable[str]] = {
            _ENTITY: self.entities,
            _RELATION: self.relations,
            _RESTATED: self.restated,
        }
        frames = [
            pl.DataFrame({"name": [*names]}, {"name": pl.String}).with_columns(kind=pl.lit(kind))
            for kind, names in named.items()
        ]
        same = [None] * (len(self.entities) + len(self.relations)) + [*self.restated.values()]
        return pl.concat(frames).with_columns(pl.Series("same", same, pl.String))

    @classmethod
    def from_frame(cls, items: Vocabulary, frame: pl.DataFrame) -> GraphNames:
        """Return the names that `to_frame` gave."""
        of_kind = {kind: frame.filter(pl.col("kind") == kind) for kind in _KINDS}
        restated = of_kind[_RESTATED].select("name", "same").iter_rows()
        entities, relations = (Vocabulary(of_kind[kind]["name"]) for kind in (_ENTITY, _RELATION))
        return cls(items, entities, relations, dict(restated))


@dataclass(frozen=True)
class ItemGraph:
    """The triples that touch the items of a vocabulary.

    Parameters
    ----------
    names
        Of entities and relations.
    head, relation, tail
        (M,) int64 codes.
    """

    names: GraphNames
    head: np.ndarray
    relation: np.ndarray
    tail: np.ndarray

    @cached_property
    def neighbours(self) -> ItemNeighbours:
        """What stands beside each item, forwards and backwards."""
        num_items = len(self.names.items)
        of_head, of_tail = self.head < num_items, self.tail < num_items
        backwards = self.relation[of_tail] + len(self.names.relations)
        return self.names.beside(
            np.concatenate([self.head[of_head], self.tail[of_tail]]),
            np.concatenate([self.relation[of_head], backwards]),
            np.concatenate([self.tail[of_head], self.head[of_tail]]),
            num_items,
        )

    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the triples and the names, as they are kept."""
        return self.to_frame(), self.names.to_frame()

    def to_frame(self) -> pl.DataFrame:
        """Return the triples as codes, for a file."""
        return pl.DataFrame({role: getattr(self, role) for role in ROLES}).cast(
            {"head": pl.Int32, "relation": pl.Int32, "tail": pl.Int32}
        )

    @classmethod
    def from_frame(cls, names: GraphNames, frame: pl.DataFrame) -> ItemGraph:
        """Return the graph that `to_frame` gave."""
        return cls(names, *(frame[role].to_numpy().astype(np.int64) for role in ROLES))

    @classmethod
    def of(cls, triples: pl.DataFrame, items: Vocabulary) -> tuple[ItemGraph, dict[str, int]]:
        """Code the triples that touch an item.

        Parameters
        ----------
        triples
            `head`, `relation` and `tail`, each triple once; see `Triples`.
        items
            The vocabulary.

        Returns
        -------
        graph, left_out
            `without_items` counts triples neither end of which is an item, `restated` those of a
            relation that says nothing but what another one says in the other direction.

        Raises
        ------
        InputError
            When no triple touches an item.
        """
        triples = apart(triples, items.series)
        touching = triples.filter(touches(items.series))
        if touching.height == 0:
            raise InputError(
                f"A graph must say something of the items, but none of its {triples.height:,} "
                f"triples has one of the {len(items):,} items as head or tail; the first is "
                f"{', '.join(triples.row(0))}.",
                "Use the items' ids there, or give a table of entity_id and item_id with "
                "--graph-links.",
            )
        restated = _restated(touching)
        kept = touching.filter(~pl.col("relation").is_in([*restated]))
        others = pl.concat([kept["head"], kept["tail"]]).unique(maintain_order=True)
        others = others.filter(~others.is_in(items.series.implode()))
        relations = kept["relation"].unique(maintain_order=True).sort()
        names = GraphNames(items, Vocabulary(others), Vocabulary(relations), restated)
        head, tail = names.codes(kept["head"]), names.codes(kept["tail"])
        left_out = {
            "without_items": triples.height - touching.height,
            "restated": touching.height - kept.height,
        }
        return cls(names, head, names.relations.indices(kept["relation"]), tail), left_out

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to tell of the graph, as plain values for JSON."""
        counts = np.bincount(self.relation, minlength=len(self.names.relations))
        return {
            "triples": len(self.head),
            "entities": len(self.names.entities),
            "relations": dict(zip(self.names.relations, counts.tolist(), strict=True)),
            "items_with_triples": len(np.unique(self.neighbours.item)),
        }


def _restated(triples: pl.DataFrame) -> dict[str, str]:
    """Return relations that say nothing but what one says backwards that stands before by name."""
    sizes = triples.group_by("relation").len()
    backwards = triples.select(head="tail", tail="head", other="relation")
    pairs = triples.join(backwards, on=["head", "tail"]).group_by("relation", "other").len("both")
    same = pairs.join(sizes, on="relation").join(
        sizes.select(other="relation", other_len="len"), on="other"
    )
    is_same = (pl.col("both") == pl.col("len")) & (pl.col("both") == pl.col("other_len"))
    again = same.filter(is_same & (pl.col("other") < pl.col("relation")))
    found: dict[str, str] = {}
    for relation, other in again.select("relation", "other").sort("relation", "other").iter_rows():
        if other not in found:
            found.setdefault(relation, other)
    return found


def _check_triple(item_id: str, triple: Any) -> None:
    is_triple = isinstance(triple, Sequence) and not isinstance(triple, str) and len(triple) == 3
    if not is_triple or item_id not in (str(triple[0]), str(triple[2])):
        raise InputError(
            f'Each triple of "{item_id}" must be [head, relation, tail] with the item as head or '
            f"tail, but one is {triple!r}.",
            f'Write ["{item_id}", "directed_by", "entity 5"].',
        )
