"""Items by their neighbours in a graph: the sums by hand, what is unknown, what comes later."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from penchant.errors import ConfigError
from penchant.items import GraphTable, ItemContent, ItemRows, MixtureItems
from penchant.items.graph import GraphSource
from penchant.testing import check_items

TRAINED = np.array([True, True, False, False, True, True])
ANN, USA, BOB, LOST, OWN = 6, 7, 8, 9, 10
BY, IN, AFTER, BY_BACKWARDS = 0, 1, 2, 3


@dataclass(frozen=True)
class Beside:
    """Neighbours of items: rows of item, relation and entity."""

    rows: tuple[tuple[int, int, int], ...]
    num_items: int = 6
    num_relations: int = 6
    num_entities: int = 11

    @property
    def item(self) -> np.ndarray:
        return np.array([row[0] for row in self.rows], np.int64)

    @property
    def relation(self) -> np.ndarray:
        return np.array([row[1] for row in self.rows], np.int64)

    @property
    def entity(self) -> np.ndarray:
        return np.array([row[2] for row in self.rows], np.int64)


OF_2 = ((2, IN, USA), (2, BY, LOST), (2, AFTER, 1), (2, BY, ANN), (2, BY, OWN))
GRAPH = Beside(
    (
        (1, IN, USA),
        (0, BY, ANN),
        (1, BY, BOB),
        (0, IN, USA),
        *OF_2,
        (1, BY, ANN),
        (3, BY, LOST),
        (0, BY_BACKWARDS, ANN),
        (0, AFTER, 1),
        (5, BY, BOB),
        (5, AFTER, 1),
        (5, IN, USA),
        (0, BY, OWN),
    )
)
"""Nothing is told of item 4. LOST is beside no item of the training part, OWN beside one alone."""


def table(graph: Beside = GRAPH) -> GraphTable:
    return GraphTable.fit(graph, TRAINED)


def source(graph: Beside = GRAPH) -> GraphSource:
    torch.manual_seed(7)
    made = GraphSource(table(graph), 3)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn_like(weight))
    return made.double()


def test_a_vector_is_the_sum_over_relations_of_damped_means_of_neighbours():
    made = source()
    place = made.graph.place_of.tolist()
    assert [place[entity] for entity in (1, ANN, USA, BOB)] == [0, 1, 2, 3]
    assert [place[entity] for entity in (0, 2, 3, 4, 5, LOST, OWN)] == [-1] * 7
    assert made.graph.num_beside.tolist() == [2, 2, 3, 2], "items of the training part alone count"
    (item_1, ann, usa, bob), w, a = made.entities.weight, made.relations.weight, made.damping
    vectors = made(None)
    by = 2 ** -a[BY] * (ann + bob) / 2
    torch.testing.assert_close(vectors[1], w[BY] * by + w[IN] * 3 ** -a[IN] * usa)
    alone = 2 ** -a[BY] * ann, 3 ** -a[IN] * usa, 2 ** -a[AFTER] * item_1
    of_2 = w[BY] * alone[0] + w[IN] * alone[1] + w[AFTER] * alone[2]
    torch.testing.assert_close(vectors[2], of_2)
    backwards = w[BY_BACKWARDS] * 2 ** -a[BY_BACKWARDS] * ann
    torch.testing.assert_close(vectors[0], of_2 + backwards)


def test_items_without_a_neighbour_that_was_learned_are_zero_and_unknown():
    made = source()
    assert made.known.tolist() == [True, True, True, False, False, True]
    assert made(None)[3:5].abs().sum() == 0
    assert made(torch.tensor([4, 3])).abs().sum() == 0


@pytest.mark.parametrize("graph", [GRAPH, Beside((*OF_2, (4, IN, USA), (0, IN, USA)))])
def test_rows_equal_the_table(graph):
    made = source(graph)
    every = torch.tensor([3, 0, 2, 2, 5, 4, 1])
    assert torch.equal(made(every), made(None)[every])
    assert made(every[:0]).shape == (0, 3)


def test_neighbours_said_twice_count_once():
    twice = replace(GRAPH, rows=(*GRAPH.rows, (1, BY, ANN), (0, AFTER, 1)))
    assert torch.equal(source(twice)(None), source()(None))


def test_a_later_item_equals_the_same_item_had_it_been_there():
    made = source()
    given = [(0, relation, entity) for _, relation, entity in OF_2]
    given += [(2, BY, LOST), (3, BY_BACKWARDS, ANN)]
    vectors, known = made.later(Beside(tuple(given), num_items=4))
    torch.testing.assert_close(vectors[0], made(None)[2])
    assert known.tolist() == [True, False, False, True]
    assert vectors[1:3].abs().sum() == 0
    nothing, known = made.later(Beside((), num_items=2))
    assert nothing.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert known.tolist() == [False, False]


def test_only_the_rows_asked_for_are_learned():
    made = source()
    made(torch.tensor([2])).sum().backward()
    assert made.entities.weight.grad is not None
    assert made.entities.weight.grad.any(1).tolist() == [True, True, True, False]
    assert made.relations.weight.grad is not None
    assert made.relations.weight.grad.any(1).tolist() == [True, True, True, False, False, False]


def mixture(*sources: str, gate: bool = True) -> MixtureItems:
    torch.manual_seed(2)
    content = ItemContent(torch.tensor([4, 2, 0, 0, 1, 3]), graph=table())
    items = MixtureItems(3, content, sources, gate=gate).eval()
    if items.gate is not None:
        torch.nn.init.normal_(items.gate.own.weight)
    return items


@pytest.mark.parametrize("sources", [("graph",), ("identity", "graph")])
@pytest.mark.parametrize("gate", [True, False])
def test_a_mixture_with_a_graph_keeps_the_law_of_items(sources, gate):
    items = mixture(*sources, gate=gate)
    check_items(items)
    index = torch.tensor([2, 4, 0])
    torch.testing.assert_close(ItemRows(items)[index], items.table()[index])


def test_an_item_nobody_took_falls_back_on_its_neighbours():
    items = mixture("identity", "graph")
    assert items.vectors is not None
    torch.testing.assert_close(items.table()[2], items.sources["graph"](None)[2])
    torch.testing.assert_close(items.table()[4], items.vectors.weight[4])
    later = Beside(tuple((0, relation, entity) for _, relation, entity in OF_2), num_items=1)
    vectors, known = mixture("identity", "graph", gate=False).later({"graph": later}, 1)
    torch.testing.assert_close(vectors[0], mixture("identity", "graph", gate=False).table()[2])
    assert known.tolist() == [True]


def test_a_mixture_without_a_graph_says_how_to_get_one():
    content = ItemContent(torch.tensor([1, 2]))
    with pytest.raises(ConfigError) as caught:
        MixtureItems(3, content, ("identity", "graph"))
    assert str(caught.value) == (
        'The source "graph" of items.sources needs items with triples of a graph, but this data '
        "has none. Prepare the data with --graph, or leave graph out."
    )
