"""Triples become integers: items first, what is said twice once, both directions read."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penchant.errors import CorruptBundleError, InputError
from penchant.events import EventLog, GraphNames, ItemGraph, PreparedData, Vocabulary

ITEMS = Vocabulary(["i", "j", "k"])
ROWS = [
    ("j", "by", "ann"),
    ("i", "by", "bob"),
    ("j", "after", "i"),
    ("bob", "wrote", "k"),
    ("zoe", "knows", "ann"),
    ("j", "by", "bob"),
    ("ann", "made", "j"),
    ("bob", "made", "i"),
    ("bob", "made", "j"),
]


def triples(rows: list[tuple[str, str, str]] = ROWS) -> pl.DataFrame:
    return pl.DataFrame(rows, ["head", "relation", "tail"], orient="row")


def test_items_are_the_first_entities_and_idle_triples_are_left_out() -> None:
    graph, left_out = ItemGraph.of(triples(), ITEMS)
    assert graph.names.entities.ids == ("bob", "ann")
    assert graph.names.relations.ids == ("after", "by", "wrote")
    assert left_out == {"without_items": 1, "restated": 3}
    assert graph.head.tolist() == [1, 0, 1, 3, 1]
    assert graph.relation.tolist() == [1, 1, 0, 2, 1]
    assert graph.tail.tolist() == [4, 3, 0, 2, 3]
    assert graph.to_dict() == {
        "triples": 5,
        "entities": 2,
        "relations": {"after": 1, "by": 3, "wrote": 1},
        "items_with_triples": 3,
    }


def test_a_relation_that_says_a_little_more_backwards_is_kept() -> None:
    graph, left_out = ItemGraph.of(triples([*ROWS, ("zoe", "made", "k")]), ITEMS)
    assert left_out["restated"] == 0
    assert "made" in graph.names.relations


def test_neighbours_stand_beside_items_forwards_and_backwards() -> None:
    graph, _ = ItemGraph.of(triples(), ITEMS)
    beside = graph.neighbours
    found = sorted(np.stack([beside.item, beside.relation, beside.entity], 1).tolist())
    assert found == [[0, 1, 3], [0, 3 + 0, 1], [1, 0, 0], [1, 1, 3], [1, 1, 4], [2, 3 + 2, 3]]
    assert (beside.num_items, beside.num_relations, beside.num_entities) == (3, 6, 5)


def test_a_graph_that_names_no_item_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        ItemGraph.of(triples([("m1", "by", "ann")]), ITEMS)
    assert str(caught.value) == (
        "A graph must say something of the items, but none of its 1 triples has one of the 3 items "
        "as head or tail; the first is m1, by, ann. Use the items' ids there, or give a table of "
        "entity_id and item_id with --graph-links."
    )


def test_a_later_item_is_coded_as_it_would_have_been() -> None:
    graph, _ = ItemGraph.of(triples(), ITEMS)
    whole, _ = ItemGraph.of(triples(), Vocabulary(["i", "k"]))  # as if j had not been there
    found = whole.names.later([("j", [row for row in ROWS if "j" in row])])
    names = whole.names
    relations = [*names.relations, *(f"{name} backwards" for name in names.relations)]
    entities = [*names.items, *names.entities]
    told = {
        (relations[r], entities[e])
        for r, e in zip(found.relation.tolist(), found.entity.tolist(), strict=True)
    }
    assert told == {("by", "bob"), ("after", "i")}, "ann is not known"
    assert (found.num_items, found.num_entities) == (1, len(names))
    assert graph.names.later([("j", [])]).entity.tolist() == []


def test_a_later_item_may_be_told_of_backwards() -> None:
    graph, _ = ItemGraph.of(triples(), ITEMS)
    assert graph.names.restated == {"made": "by"}
    found = graph.names.later(
        [("old", []), ("new", [("bob", "made", "new"), ("new", "by", "bob")])]
    )
    assert (found.item.tolist(), found.relation.tolist(), found.entity.tolist()) == ([1], [1], [3])
    assert found.num_items == 2


@pytest.mark.parametrize("triple", [["j", "by"], "jby", ["i", "by", "ann"], 5])
def test_what_is_no_triple_of_a_later_item_is_refused(triple: object) -> None:
    names = GraphNames(ITEMS, Vocabulary(["ann"]), Vocabulary(["by"]))
    with pytest.raises(InputError, match=r'Each triple of "j" must be \[head, relation, tail\]'):
        names.later([("j", [triple])])


def prepared(rows: list[tuple[str, str, str]] | None = ROWS) -> PreparedData:
    events = pl.DataFrame(
        {
            "user_id": [*"uuuvvvw"],
            "item_id": [*"ijkkjiz"],
            "timestamp": [2e9 + time for time in (5, 6, 9, 1, 2, 3, 4)],
        }
    )
    log = EventLog.read(events, graph=None if rows is None else triples(rows))
    return log.prepare("leave-one-out")


def test_prepared_data_keep_the_graph(tmp_path) -> None:
    data = prepared()
    data.save(tmp_path / "data")
    again = PreparedData.load(tmp_path / "data")
    assert data.graph is not None
    assert again.graph is not None
    assert again.graph.names == data.graph.names
    for name in ("head", "relation", "tail"):
        np.testing.assert_array_equal(getattr(again.graph, name), getattr(data.graph, name))
    assert again.manifest["graph"]["left_out"] == {"without_items": 1, "restated": 3}
    assert again.manifest["graph"]["items_with_triples"] == 3
    lines = data.summary_text().splitlines()
    assert "graph        5 triples of 3 relations on 3 of 4 items and 2 other entities" in lines
    left_out = "1 without an item and 3 that say again backwards what other relations say"
    assert f"  left out: {left_out}" in lines


def test_another_graph_is_other_data() -> None:
    plain, graph, other = prepared(None), prepared(), prepared(ROWS[:-1])
    assert len({plain.fingerprint, graph.fingerprint, other.fingerprint}) == 3
    assert plain.graph is None
    assert "graph" not in plain.manifest


def test_a_graph_whose_names_are_gone_is_refused(tmp_path) -> None:
    prepared().save(tmp_path / "data")
    (tmp_path / "data" / "graph_names.parquet").unlink()
    with pytest.raises(CorruptBundleError, match="graph_names"):
        PreparedData.load(tmp_path / "data")
