"""Triples are read under any names, checked row by row, and linked to items."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from penchant.errors import InputError, UsageError
from penchant.events import EventLog, ItemGraph, Vocabulary, validate_log
from penchant.events.triples import read_triples

EVENTS = pl.DataFrame(
    {"user_id": ["u", "u", "v"], "item_id": ["7", "9", "7"], "timestamp": [2e9, 2e9 + 5, 2e9 + 7]}
)
ROWS = [("7", "by", "ann"), ("7", "kind", "war"), ("bob", "wrote", "9")]


def frame(rows: list[tuple[str | None, ...]], *names: str) -> pl.DataFrame:
    return pl.DataFrame(rows, list(names or ("head", "relation", "tail")), orient="row")


def test_a_typed_header_is_read(tmp_path: Path) -> None:
    path, links = tmp_path / "films.kg", tmp_path / "films.link"
    path.write_text(
        "head_id:token\trelation_id:token\ttail_id:token\nm.1\tby\tann\nbob\twrote\tm.2\n"
    )
    links.write_text("item_id:token\tentity_id:token\n7\tm.1\n9\tm.2\n")
    triples = read_triples(path, links=links)
    assert triples.frame.rows() == [
        ("7", "by", "ann", True, False),
        ("bob", "wrote", "9", False, True),
    ]


def test_names_and_numbers_of_columns_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "graph.tsv"
    path.write_text("ann\tby\t7\nbob\tby\t9\n")
    found = read_triples(path, "tail=0,relation=1,head=2")
    assert found.frame.rows() == [("7", "by", "ann"), ("9", "by", "bob")]
    named = frame(ROWS, "s", "predicate", "o")
    assert read_triples(named, {"head": "s", "tail": "o"}).frame.rows() == ROWS
    assert read_triples(frame(ROWS, "subject", "relation_id", "object")).frame.rows() == ROWS


def test_numbers_are_ids_too() -> None:
    links = pl.DataFrame({"entity_id": [1.0, 4.0], "item_id": [7, 9]})
    triples = read_triples(frame([(1, 2, 3), (3, 2, 4)]), links=links)  # type: ignore[list-item]
    assert triples.frame.select("head", "relation", "tail").rows() == [
        ("7", "2", "3"),
        ("3", "2", "9"),
    ]


def test_what_is_said_twice_counts_once_also_under_two_names() -> None:
    rows = [("m1", "by", "ann"), ("m1", "by", "ann"), ("m2", "by", "ann"), ("m1", "is", "m2")]
    links = pl.DataFrame({"entity_id": ["m1", "m2", "m1"], "item_id": ["7", "7", "9"]})
    triples = read_triples(frame(rows), links=links)
    assert triples.frame.rows() == [("7", "by", "ann", True, False)]
    assert (triples.repeated.count, triples.repeated.first_row) == (2, 1)
    assert (triples.loops.count, triples.loops.first_row) == (1, 3)
    assert triples.notes == (
        "the frame: 2 rows repeat a triple; each was kept once.",
        "the frame: 1 rows have their head as tail and were left out.",
        "the frame: 1 rows repeat an id; the first was kept.",
    )


ITEMS = pl.DataFrame(
    {
        "item_id": ["7", "9", "8"],
        "title": ["Heat", "L'Été", "Heat"],
        "release_year": [1995, 96, 1986],
    }
)


def test_entities_may_be_linked_by_the_titles_of_items() -> None:
    links = pl.DataFrame(
        {"film": [1, 7, 2, 4], "name": ["HEAT (1995)", "Heat (1986)", "L'ete (1996)", None]}
    )
    rows = [(1, "by", 7), (2, "by", 1), (4, "by", 9)]
    columns = "entity_id=film,title=name"
    triples = read_triples(frame(rows), columns, links, ITEMS)  # type: ignore[arg-type]
    assert triples.frame.rows() == [
        ("7", "by", "8", True, True),
        ("2", "by", "7", False, True),
        ("4", "by", "9", False, False),
    ]
    with pytest.raises(InputError, match="by their titles, but the items have none"):
        EventLog.read(EVENTS, graph=frame(ROWS), graph_links=links, graph_columns=columns)
    log = EventLog.read(
        EVENTS, items=ITEMS, graph=frame(rows), graph_links=links, graph_columns=columns
    )  # type: ignore[arg-type]
    assert log.graph is not None
    assert log.graph["head"].to_list() == ["7", "2", "4"]


def test_a_name_is_not_the_item_of_that_id_where_links_say_which_are() -> None:
    rows = [("1", "by", "7"), ("9", "by", "7"), ("7", "by", "9"), ("7", "by", "7")]
    links = pl.DataFrame({"entity_id": ["1"], "item_id": ["7"]})
    triples = read_triples(frame(rows), links=links)
    assert triples.loops.count == 1
    graph, left_out = ItemGraph.of(triples.frame, Vocabulary(["7", "9"]))
    assert graph.names.entities.ids == ("entity 7",)
    assert (graph.head.tolist(), graph.tail.tolist()) == ([0], [2])
    assert left_out["without_items"] == 2
    report = validate_log(EVENTS, graph=frame(rows), graph_links=links, now_ms=3_000_000_000_000)
    found = {finding.code: finding.count for finding in report.findings}
    assert (found["triple_without_item"], found["item_without_triple"]) == (2, 1)


def test_a_bad_row_is_refused_by_its_line_or_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "graph.csv"
    path.write_text("head,relation,tail\n7,by,ann\n7,,war\n , ,x\n9,by,\n")
    with pytest.raises(InputError) as caught:
        EventLog.read(EVENTS, graph=path)
    assert str(caught.value) == (
        f"{path}, line 3: relation is empty. 3 of 4 rows are bad. "
        "Mend the rows, or leave them out with --on-bad-rows drop."
    )
    log = EventLog.read(EVENTS, graph=path, on_bad_rows="drop")
    assert log.graph is not None
    assert log.graph.rows() == [("7", "by", "ann")]
    assert f"{path}: 3 rows were bad and left out." in log.notes
    faults = read_triples(path).faults
    assert {code: fault.count for code, fault in faults.items()} == {
        "missing_head": 1,
        "missing_relation": 2,
        "missing_tail": 1,
    }


def test_a_graph_without_a_good_row_is_refused() -> None:
    with pytest.raises(InputError, match="none of its 1 rows is one"):
        EventLog.read(EVENTS, graph=frame([("7", None, "x")]), on_bad_rows="drop")


def test_columns_that_are_not_there_are_refused_with_what_is_found() -> None:
    with pytest.raises(InputError, match=r"no column tail; found: head, relation, to\. Name them"):
        read_triples(frame(ROWS, "head", "relation", "to"))
    with pytest.raises(InputError, match="no column h; found: head, relation, tail"):
        read_triples(frame(ROWS), "head=h")
    with pytest.raises(UsageError, match='names "haed", which no graph has'):
        read_triples(frame(ROWS), "haed=h")
    links = pl.DataFrame({"entity_id": ["m1"], "film": ["7"]})
    with pytest.raises(InputError, match="no column item_id and no column title; found: entity_id"):
        read_triples(frame(ROWS), links=links)
    with pytest.raises(UsageError, match="need the graph, but none was given"):
        EventLog.read(EVENTS, graph_links=links)


def test_validation_tells_what_is_odd_in_a_graph() -> None:
    rows = [*ROWS[1:], ("7", "kind", None), ROWS[1], ("9", "is", "9"), ("x", "by", "ann")]
    report = validate_log(EVENTS, graph=frame([("", "by", "x"), *rows]), now_ms=3_000_000_000_000)
    found = {
        each.code: each
        for each in report.findings
        if "triple" in each.code or each.severity == "error"
    }
    assert {code: (each.severity, each.count) for code, each in found.items()} == {
        "missing_head": ("error", 1),
        "missing_tail": ("error", 1),
        "repeated_triple": ("warning", 1),
        "looping_triple": ("warning", 1),
        "triple_without_item": ("info", 1),
    }
    assert found["repeated_triple"].share == 1 / 7
    assert found["missing_tail"].example == {
        "place": "the frame, row 4",
        "head": "7",
        "relation": "kind",
        "tail": None,
    }
    assert found["triple_without_item"].example == {"head": "x", "relation": "by", "tail": "ann"}


def test_validation_counts_the_items_of_which_a_graph_says_nothing() -> None:
    report = validate_log(EVENTS, graph=frame([("9", "by", "ann")]), now_ms=3_000_000_000_000)
    [found] = [each for each in report.findings if "triple" in each.code]
    assert (found.code, found.count, found.share) == ("item_without_triple", 1, 1 / 2)
    assert found.example == {"item_id": "7"}
    report = validate_log(EVENTS, graph=frame([("m9", "by", "ann")]), now_ms=3_000_000_000_000)
    assert report.findings[0].code == "triple_without_item"
    assert report.refused
