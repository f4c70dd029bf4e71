"""What is learned of the neighbours of items in a graph holds for items that come later."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from penchant import Live, Recommender
from penchant.bundle import Bundle
from penchant.errors import ConfigError, InputError
from penchant.events import EventLog, PreparedData
from penchant.training import fresh_model
from penchant.training.carrying_over import carry_over
from penchant.training.setup import check_parts

from .words import COLOURS, GARDEN, KITCHEN, word_config, word_data

GRAPH = {"items": {"kind": "mixture", "sources": ["graph"]}, "training.num_epochs": 8}


def graph_data(things: tuple[str, ...] = GARDEN, num_users: int = 60) -> PreparedData:
    """The log of words, its items told by their colours and things in a graph."""
    data = word_data(things, num_users)
    log = data.log
    events = pl.DataFrame(
        {
            "user_id": [data.users.id(int(user)) for user in log.user],
            "item_id": [data.items.id(int(item)) for item in log.item_index],
            "timestamp": log.time_ms / 1000,
        }
    )
    rows = []
    for item_id, title in data.item_table.select("item_id", "title").iter_rows():
        colour, thing = title.split()
        rows += [(item_id, "has_colour", colour), (thing, "comes_as", item_id)]
        rows += [("shop", "sells", item_id), ("red", "is", "colour")]
    graph = pl.DataFrame(rows, ["head", "relation", "tail"], orient="row")
    return EventLog.read(events, graph=graph).prepare(split="leave-one-out")


@pytest.fixture(scope="module")
def rec(tmp_path_factory) -> Recommender:
    place = tmp_path_factory.mktemp("runs") / "run"
    Recommender(word_config(**GRAPH)).fit(graph_data(), place, progress="none")
    return Recommender.load(place)


def told(colour: str) -> dict:
    item = f"{colour} statue"
    return {"item_id": item, "graph": [[item, "has_colour", colour], ["shop", "sells", item]]}


def test_a_new_item_follows_the_rule_of_its_neighbours(rec):
    num_right = 0
    for colour in range(len(COLOURS)):
        with Live(rec) as live:
            kept = [live.put_item(told(name)) for name in COLOURS]
            assert all(result.can_be_recommended for result in kept)
            for place in range(-3, 1):
                item = f"{GARDEN[place][:2]}-{(colour + place) % 5}"
                live.observe({"user_id": "u", "item_id": item, "timestamp": 2_000_000 + place})
            order = live.recommend("u", k=1_000).item_ids
        ranks = [order.index(f"{name} statue") for name in COLOURS]
        num_right += ranks.index(min(ranks)) == (colour + 1) % 5
    assert num_right >= 4, "after a colour comes the next; by chance once in five"


def test_a_new_item_of_which_the_graph_tells_nothing_has_no_vector(rec):
    with Live(rec) as live:
        assert not live.put_item({"item_id": "new", "title": "x"}).can_be_recommended
        strange = [["new 2", "has_colour", "mauve"], ["new 2", "weighs", "red"]]
        assert not live.put_item({"item_id": "new 2", "graph": strange}).can_be_recommended
        with pytest.raises(InputError, match='Each triple of "new 3" must be'):
            live.put_item({"item_id": "new 3", "graph": ["red"]})


def test_a_table_of_new_items_may_hold_triples_as_json(rec, tmp_path):
    from penchant.serving.later_items import with_later_items
    from penchant.serving.ranking import Ranker

    path = tmp_path / "new.jsonl"
    path.write_text(
        '{"item_id": "n1", "graph": [["n1", "has_colour", "red"]]}\n{"item_id": "n2", "graph": 5}\n'
    )
    ranker = Ranker(rec.bundle)
    with pytest.raises(InputError, match=r'Each triple of "n2" must be .* but one is 5\.'):
        with_later_items(ranker, path)
    path.write_text(
        '{"item_id": "n1", "graph": [["n1", "has_colour", "red"]]}\n{"item_id": "n2"}\n'
    )
    assert with_later_items(ranker, path)[1] == ("n2",)


def test_a_bundle_comes_back_with_its_graph(rec, tmp_path):
    rec.bundle.save(tmp_path / "bundle")
    again = Bundle.load(tmp_path / "bundle")
    assert again.id == rec.bundle.id
    assert again.graph == rec.bundle.graph
    torch.testing.assert_close(
        again.model.items.table(), rec.bundle.model.items.table(), rtol=0, atol=0
    )


def test_data_without_a_graph_are_refused_before_a_run_is_made():
    with pytest.raises(ConfigError, match="Items are read by a graph, but this data has none"):
        check_parts(word_data(), word_config(**GRAPH))
    check_parts(graph_data(), word_config(**GRAPH))


def test_a_graph_in_which_no_items_with_events_share_anything_is_refused():
    events = pl.DataFrame(
        {"user_id": list("uuuu"), "item_id": list("abcd"), "timestamp": [1e9, 2e9, 3e9, 4e9]}
    )
    graph = pl.DataFrame({"head": ["a", "d"], "relation": ["by"] * 2, "tail": ["ann"] * 2})
    data = EventLog.read(events, graph=graph).prepare(split="leave-one-out")
    with pytest.raises(ConfigError, match="but of its 5 entities none stands beside more than"):
        check_parts(data, word_config(**GRAPH))


def test_entities_and_relations_are_found_by_their_names():
    data, other = graph_data(), graph_data(KITCHEN, 31)
    config = word_config(**GRAPH)
    torch.manual_seed(4)
    source = Bundle.of(fresh_model(data, config), config, data)
    model = fresh_model(other, config)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    carry_over(model, source, other)
    kept, after = source.model.state_dict(), model.state_dict()
    assert data.graph is not None
    assert other.graph is not None

    def row(state, graph, entity):
        [code] = graph.names.codes([entity])
        inside = "items.sources.graph."
        return state[f"{inside}entities.weight"][state[f"{inside}graph.place_of"][code]]

    for entity in (*COLOURS, "shop"):
        assert torch.equal(row(after, other.graph, entity), row(kept, data.graph, entity))
    for thing in KITCHEN:
        assert torch.equal(row(after, other.graph, thing), row(before, other.graph, thing))
