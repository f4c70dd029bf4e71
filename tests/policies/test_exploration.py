"""New items in slots: what is new, what is drawn, and that the probabilities said are the true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.policies import Context, ItemColumns
from penchant.policies.exploration import IN_NO_HAND, Slot, deal, draw, weights_of
from penchant.policies.settings import ExplorationPolicy

from .world import DAY_MS, ITEMS, NOW_MS, arranger, indices, listed

# 5, 0, 2 and 6 are new, in this order; 1, 3 and 7 are old, of 4 the age is not known
FRESH = {"slots": {"fresh": 2}, "max_share": 0.5, "max_age_days": 10}


def asked(turn=0, k=4, **more):
    return Context(k, NOW_MS, request_id=f"request {turn}", **more)


def pool(arranging, context=None):
    return arranging.plan(context or asked()).pool.tolist()


def test_new_is_what_is_young_and_eligible_the_newest_first():
    assert pool(arranger(exploration=FRESH)) == [5, 0, 2, 6]
    assert pool(arranger(exploration={**FRESH, "pool_size": 3})) == [5, 0, 2]
    assert pool(arranger(exploration={**FRESH, "max_age_days": 2.6})) == [5, 0, 2]
    assert pool(arranger(exploration=FRESH, lists={"deny": ["i0"]})) == [5, 2, 6]
    assert pool(arranger(exploration=FRESH), asked(seen=np.array([5, 6]))) == [0, 2]
    assert pool(arranger(exploration={**FRESH, "created_field": "born"})) == []
    assert pool(arranger()) == []


def test_new_is_what_has_few_events_where_that_is_asked():
    counts = np.array([3, 2, 9, 0, 1, 2, 3])  # nothing is known of item 7, which is hidden
    few = {**FRESH, "max_events": 3}
    assert pool(arranger(exploration=few), asked(num_events=counts)) == [5]
    of_any_age = {**few, "max_age_days": 0}
    assert pool(arranger(exploration=of_any_age), asked(num_events=counts)) == [5, 4, 3, 1]


def test_what_is_new_moves_with_time_and_with_the_items():
    columns = ItemColumns.of(ITEMS)
    arranging = arranger(columns, exploration={**FRESH, "max_age_days": 2})

    def at(days):
        return arranging.plan(Context(4, NOW_MS + round(days * DAY_MS))).pool.tolist()

    assert at(0) == [5, 0]
    assert at(1) == [5]
    assert at(0) == [5, 0]
    assert at(-1) == [5, 0, 2]
    columns.put(8, {"created_at": (NOW_MS + DAY_MS) / 1000})
    assert at(0) == [8, 5, 0]


def test_a_large_pool_is_looked_through_until_it_is_full():
    rows = [{"created_at": NOW_MS / 1000 - age, "v": age % 9} for age in range(100)]
    few = {"field": "v", "op": "eq", "value": 8}
    exploring = arranger(ItemColumns.of(rows), filter=few, exploration={**FRESH, "pool_size": 4})
    assert pool(exploring) == [8, 17, 26, 35]


def test_a_new_item_stands_in_its_slot_and_the_ranking_around_it():
    arranging = arranger(exploration=FRESH)
    shown = set()
    for turn in range(60):
        found = listed(arranging, asked(turn))
        second = found.items[1]
        shown.add(second.item_index)
        ranking = [item for item in [0, 1, 2, 3] if item != second.item_index]
        assert indices(found) == [ranking[0], second.item_index, *ranking[1:3]]
        assert (second.placed_by, second.name, second.is_drawn) == ("exploration", "fresh", True)
        assert second.probability == pytest.approx(1 / 4)
        assert second.reasons == ('drawn for slot "fresh" with probability 0.25',)
        others = [found.items[at] for at in (0, 2, 3)]
        assert {(one.probability, one.is_drawn, one.name) for one in others} == {(1, False, None)}
    assert shown == {5, 0, 2, 6}


def test_the_same_request_draws_the_same_and_another_one_another():
    arranging = arranger(exploration=FRESH)
    lists = [tuple(indices(listed(arranging, asked(turn)))) for turn in range(20)]
    again = [tuple(indices(listed(arranging, asked(turn)))) for turn in range(20)]
    assert lists == again
    assert len(set(lists)) > 1
    reseeded = arranger(exploration={**FRESH, "seed": 1})
    assert lists != [tuple(indices(listed(reseeded, asked(turn)))) for turn in range(20)]


def test_by_softmax_the_better_are_drawn_more_often():
    policy = ExplorationPolicy(weighting="softmax", temperature=0.5)
    weights = weights_of(policy, np.array([0.3, 0.9, np.nan]))
    assert weights.tolist() == pytest.approx([np.exp((0.3 - 0.9) / 0.5), 1, 0])
    assert weights_of(policy, np.array([np.nan, -np.inf])).tolist() == [0, 0]
    found = listed(
        arranger(exploration={**FRESH, "weighting": "softmax", "temperature": 0.5}), asked()
    )
    [slot] = found.slots
    scores = {5: 0.3, 0: 0.9, 2: 0.75, 6: 0.2}
    whole = sum(np.exp(score / 0.5) for score in scores.values())
    for item, score in scores.items():
        assert slot.probability_of(item) == pytest.approx(np.exp(score / 0.5) / whole)
    assert slot.probability_of(1) == 0


def test_new_items_without_a_score_are_drawn_uniformly_and_not_by_softmax():
    scores = np.array([np.nan, 0.8, np.nan, 0.6, 0.55, np.nan, np.nan, 0.1])
    uniform = listed(arranger(exploration=FRESH), asked(), scores=scores)
    assert uniform.items[1].placed_by == "exploration"
    assert np.isnan(uniform.items[1].score)
    softmax = arranger(exploration={**FRESH, "weighting": "softmax"})
    found = listed(softmax, asked(), scores=scores)
    assert found.slots == ()
    assert indices(found) == [1, 3, 4]


def test_the_share_of_new_items_is_bounded():
    slots = {"a": 2, "b": 3, "c": 4}
    for share, most in [(0.0, 0), (0.25, 1), (0.5, 2), (1.0, 3)]:
        found = listed(arranger(exploration={**FRESH, "slots": slots, "max_share": share}), asked())
        assert sum(one.placed_by == "exploration" for one in found) == most
        assert [slot.name for slot in found.slots] == ["a", "b", "c"][:most]


def test_fewer_new_items_than_slots_fill_the_first_ones():
    slots = {"a": 2, "b": 3}
    exploring = arranger(exploration={**FRESH, "slots": slots, "max_age_days": 1})
    found = listed(exploring, asked())
    assert indices(found) == [0, 5, 1, 2]
    assert [one.name for one in found] == [None, "a", None, None]


def _counted(arranging, num_draws=3_000):
    """Return how often each item stood in each slot, and the last list."""
    counts: dict[tuple[str, int], int] = {}
    for turn in range(num_draws):
        found = listed(arranging, asked(turn))
        for slot in found.slots:
            item = found.items[slot.position - 1].item_index
            counts[slot.name, item] = counts.get((slot.name, item), 0) + 1
    return counts, found


@pytest.mark.parametrize("weighting", ["uniform", "softmax"])
@pytest.mark.parametrize("list_share", [1.0, 0.3])
def test_frequencies_are_the_probabilities_that_were_said(weighting, list_share):
    slots = {"high": 2, "low": 4}
    policy = {**FRESH, "slots": slots, "weighting": weighting, "list_share": list_share}
    num_draws = 1_500
    counts, found = _counted(arranger(exploration=policy), num_draws)
    assert len(found.slots) == 2
    for slot in found.slots:
        assert slot.probability.sum() == pytest.approx(1)
        assert len(set(slot.item_index.tolist())) == len(slot.item_index)
        assert {item for name, item in counts if name == slot.name} <= set(slot.item_index.tolist())
        for item in slot.item_index.tolist():
            chance = slot.probability_of(item)
            error = (chance * (1 - chance) / num_draws) ** 0.5
            share = counts.get((slot.name, item), 0) / num_draws
            assert abs(share - chance) < 4.5 * error, (slot.name, item)


def test_what_a_list_shows_that_does_not_explore_has_the_rest_of_the_probability():
    arranging = arranger(exploration={**FRESH, "list_share": 0.3})
    lists = [listed(arranging, asked(turn)) for turn in range(60)]
    plain = [found for found in lists if found.items[1].placed_by == "rank"]
    assert 30 < len(plain) < 54  # 42 of 60 expected
    for found in plain:
        assert indices(found) == [0, 1, 2, 3]
        second = found.items[1]
        assert (second.probability, second.is_drawn) == (pytest.approx(0.7), True)
        assert second.reasons == ('left in slot "fresh" with probability 0.7',)
        assert found.items[2].probability == 1
        assert not found.items[2].is_drawn
    drawn = {found.items[1].item_index for found in lists if found.items[1].placed_by != "rank"}
    assert drawn == {5, 0, 2, 6}
    [slot] = lists[0].slots
    assert slot.probability_of(5) == pytest.approx(0.3 / 4)


def test_a_new_item_that_the_ranking_also_has_there_gets_both_probabilities():
    slot = Slot("a", 2, np.array([4, 6]), np.array([0.2, 0.1]))
    assert slot.joined(6, 0.7).probability.tolist() == pytest.approx([0.2, 0.8])
    assert slot.joined(9, 0.7).item_index.tolist() == [4, 6, 9]
    only_red = {"field": "category", "op": "eq", "value": "red"}
    slots = {"second": 2}
    exploring = {**FRESH, "slots": slots, "list_share": 0.5}
    arranging = arranger(exploration=exploring, filter=only_red, lists={"deny": ["i1"]})
    found = listed(arranging, asked(k=3))
    # the ranking is 0, 2; both are new
    assert found.slots[0].probability_of(2) == pytest.approx(0.5 / 2 + 0.5)
    assert found.slots[0].probability_of(0) == pytest.approx(0.5 / 2)


def test_new_items_keep_to_caps_whatever_is_drawn():
    rows = [{"category": "new", "created_at": NOW_MS / 1000}] * 3
    rows += [{"category": name} for name in ("new", "a", "a", "b", "b")]
    policies = {
        "caps": [{"field": "category", "most": 1}],
        "exploration": {"slots": {"x": 1, "y": 2}, "max_share": 1.0},
    }
    scores = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.6, 0.5])
    for turn in range(20):
        found = listed(arranger(ItemColumns.of(rows), **policies), asked(turn, k=3), scores=scores)
        assert [slot.name for slot in found.slots] == ["x"]
        assert found.items[0].item_index in (0, 1, 2)
        assert indices(found)[1:] == [4, 6]
        assert found.items[0].probability == pytest.approx(1 / 3)


values_of_items = st.lists(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), max_size=3, unique=True), max_size=12
)


@given(values_of_items, st.integers(1, 4), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_value_lies_in_no_more_hands_than_there_is_room(values, num_hands, rooms):
    hands = deal(values, num_hands, lambda value: rooms[value[1]])
    used = set(hands.tolist()) - {IN_NO_HAND}
    assert used == set(range(len(used)))
    assert len(used) <= num_hands
    for value in {value for its in values for value in its}:
        lying = {hand for hand, its in zip(hands, values, strict=True) if value in its}
        assert len(lying - {IN_NO_HAND}) <= rooms[value[1]]


def test_items_are_dealt_out_evenly_where_no_cap_stands_in_the_way():
    assert deal([()] * 7, 3, lambda _: 0).tolist() == [0, 1, 2, 0, 1, 2, 0]


@given(
    st.integers(1, 12), st.integers(1, 4), st.floats(0.05, 1), st.integers(0, 10**6), st.booleans()
)
def test_every_slot_has_all_probability_and_no_item_comes_twice(
    num_items, num_slots, list_share, number, is_even
):
    rng = np.random.default_rng(number)
    policy = ExplorationPolicy(list_share=list_share)
    items = rng.permutation(40)[:num_items]
    weights = np.ones(num_items) if is_even else rng.gamma(0.3, size=num_items) + 1e-9
    slots = [(f"slot {at}", 2 * at + 1) for at in range(min(num_slots, num_items))]
    hands = deal([()] * num_items, len(slots), lambda _: 1)
    drawn = draw(policy, f"request {number}", slots, items, weights, hands)
    assert len(drawn.slots) == len(drawn.items) == len(slots)
    assert len(set(drawn.items)) == len(slots)
    for slot, item in zip(drawn.slots, drawn.items, strict=True):
        assert slot.probability.sum() == pytest.approx(list_share)
        assert slot.probability_of(item) > 0
