"""Live reads and leaves out what the run was trained to read and to leave out."""

import numpy as np
import pytest
import torch

import penchant
from penchant.errors import UsageError
from penchant.serving import Event, Live
from penchant.serving.batches import aligned, lists_of
from penchant.serving.histories import HistoryEvent
from penchant.serving.memory import advance, decode_seen
from penchant.serving.ranking import Ranker
from penchant.stores import LoggedEvent, Memory

from .world import ITEMS, TYPES, make_bundle

VIEWS = {"events": {"history_types": ["buy"]}, "evaluation": {"seen_types": ["view"]}}
TWO = {"objectives": {"click": {"types": ["view", "buy"]}, "buy": {"types": ["buy"]}}}


def logged(item_id: str, time_ms: int, event_type: str) -> LoggedEvent:
    return LoggedEvent("u", item_id, time_ms, f"e{time_ms}", event_type, sequence=time_ms)


def test_an_event_that_is_no_history_moves_nothing_and_is_counted():
    ranker = Ranker(make_bundle(**VIEWS))
    bought = advance(ranker, Memory(), [logged("rum", 5, "buy")])
    viewed = advance(ranker, bought, [logged("tea", 900, "view")])
    assert viewed.state == bought.state != b""
    assert (viewed.num_events, viewed.last_time_ms, viewed.applied_through) == (2, 900, 900)
    both = advance(ranker, Memory(), [logged("rum", 5, "buy"), logged("tea", 900, "view")])
    assert (both.state, both.seen) == (viewed.state, viewed.seen)


def test_only_events_of_seen_types_take_their_item_off_the_list():
    ranker = Ranker(make_bundle(**VIEWS))
    memory = advance(
        ranker,
        Memory(),
        [logged("rum", 5, "buy"), logged("tea", 9, "view"), logged("tea", 9, "buy")],
    )
    assert decode_seen(memory.seen).tolist() == [ITEMS.index("tea")]
    history = [HistoryEvent("rum", 5, "buy"), HistoryEvent("tea", 9, "view")]
    [[items]] = lists_of(ranker, ranker.arrays([history]), 9, True)
    assert {item.item_id for item in items} == set(ITEMS) - {"tea"}


def test_an_event_of_an_unknown_type_counts_as_the_first_that_is_history():
    ranker = Ranker(make_bundle(**VIEWS))
    log = ranker.arrays([[HistoryEvent("rum", 5, "stare"), HistoryEvent("rum", 6, "view")]])
    assert log.event_type.tolist() == [TYPES.index("buy"), TYPES.index("view")]
    bare, bought = (
        ranker.fold(ranker.arrays([[HistoryEvent("rum", event_type=kind)]]))
        for kind in ("event", "buy")
    )
    assert bare.hidden.tolist() == bought.hidden.tolist()
    assert bare.num_events.tolist() == [1]


def test_the_time_since_the_last_event_is_that_since_the_last_of_the_history():
    with Live(make_bundle(**VIEWS), clock=lambda: 9_000.0) as live:
        live.observe(Event("u", "rum", timestamp=1_000.0, event_type="buy"))
        before = live.recommend("u", at=8_000.0, exclude_seen=False)
        live.observe(Event("u", "tea", timestamp=7_999.0, event_type="view"))
        after = live.recommend("u", at=8_000.0, exclude_seen=False)
    assert after.items == before.items
    assert after.num_events == before.num_events + 1


def test_each_objective_has_a_list_of_its_own_and_the_first_is_the_usual_one():
    with Live(make_bundle(**TWO), clock=lambda: 9_000.0) as live:
        live.observe(Event("u", "rum", timestamp=1_000.0, event_type="buy"))
        usual, click, buy = (
            live.recommend("u", at=8_000.0, objective=name) for name in (None, "click", "buy")
        )
        assert usual == click
        assert [item.score for item in buy] != [item.score for item in click]
        with pytest.raises(UsageError, match=r'has no "by"\. Did you mean buy\? Known: buy, click'):
            live.recommend("u", objective="by")


def test_a_model_of_one_objective_says_so():
    with (
        Live(make_bundle(), clock=lambda: 9_000.0) as live,
        pytest.raises(UsageError, match=r'has no "buy"\. It has one objective only: leave it out'),
    ):
        live.recommend("u", objective="buy")


def test_lists_of_a_recommender_are_those_of_its_objective():
    bundle = make_bundle(**TWO)
    rec, ranker = penchant.Recommender(bundle.config, bundle), Ranker(bundle)
    table = rec.recommend(histories=[["rum", "tea"]], k=3, objective="buy")
    log = ranker.arrays([[HistoryEvent("rum"), HistoryEvent("tea")]])
    [[wanted]] = lists_of(ranker, log, 3, True, objective="buy")
    assert table["item_id"].to_list() == [item.item_id for item in wanted]
    usual = rec.recommend(histories=[["rum", "tea"]], k=3)
    assert table["score"].to_list() != usual["score"].to_list()
    with pytest.raises(UsageError, match='has no "sell"'):
        rec.recommend(histories=[["rum"]], objective="sell")


class Prepared:
    """As much of prepared data as is aligned."""

    def __init__(self, ranker: Ranker, event_types: tuple[str, ...]) -> None:
        self.items, self.event_types = ranker.items, event_types


def test_types_of_other_data_are_found_by_name():
    ranker = Ranker(make_bundle(**VIEWS))
    log = ranker.arrays([[HistoryEvent("rum"), HistoryEvent("tea"), HistoryEvent("tea")]])
    log.event_type[:] = [0, 1, 2]
    found = aligned(log, Prepared(ranker, ("like", "view", "buy")), ranker)
    assert found.event_type.tolist() == [TYPES.index(name) for name in ("buy", "view", "buy")]
    assert np.array_equal(found.item_index, log.item_index)


def test_items_of_a_list_tell_their_expected_value_where_that_was_learned():
    bundle = make_bundle(events={"value_as": "target", "log_value": True}, **TWO)
    with Live(bundle, clock=lambda: 9_000.0) as live:
        live.observe(Event("u", "rum", timestamp=1_000.0, event_type="buy"))
        items = live.recommend("u", k=4, at=8_000.0, objective="buy").items
        nobody = live.recommend("nobody", k=4, at=8_000.0).items
    model, ranker = bundle.model, Ranker(bundle)
    state = ranker.fold(ranker.arrays([[HistoryEvent("rum", 1_000_000, "buy")]]))
    index = torch.tensor(bundle.vocabulary.indices([item.item_id for item in items]))
    with torch.inference_mode():
        vectors = model.readout(
            model.trace_of(state), torch.tensor([7_000_000]), torch.tensor([8_000_000])
        )
        wanted = model.value(vectors.expand(4, -1), model.table()[index])
    assert [item.value for item in items] == pytest.approx(wanted.tolist(), rel=1e-5)
    assert items[0].to_dict()["value"] == items[0].value
    assert [item.value for item in nobody] != [item.value for item in items]
    assert "value" not in Ranker(make_bundle()).similar("rum", 1)[0].to_dict()
