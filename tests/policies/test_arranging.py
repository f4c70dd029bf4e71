"""Promotions, how policies go together, and what holds of every list whatever is set."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penchant.policies import Arranger, Context, Happened, ItemColumns, Scored, Shown
from penchant.policies.settings import ORDER

from .world import DAY_MS, ITEMS, NOW_MS, SCORES, arranger, indices, listed, scored


def promotion(item_id, position, name="spring", **more):
    return {"name": name, "item_id": item_id, "position": position, **more}


def test_a_promotion_stands_at_its_place_and_the_ranking_around_it():
    found = listed(arranger(promotions=[promotion("i5", 2)]), k=4)
    assert indices(found) == [0, 5, 1, 2]
    placed = found.items[1]
    assert (placed.placed_by, placed.name, placed.score) == ("promotions", "spring", 0.3)
    assert (placed.probability, placed.is_drawn) == (1, False)
    assert placed.reasons == ('promotion "spring"',)
    # one that the ranking has further up moves down, and stands there once
    assert indices(listed(arranger(promotions=[promotion("i0", 3)]), k=4)) == [1, 2, 0, 3]


def test_a_promotion_never_breaks_availability_a_list_or_a_filter():
    columns = ItemColumns.of(ITEMS)
    columns.hide(3)
    promotions = [promotion("i7", 1, "a"), promotion("i3", 1, "b"), promotion("i6", 1, "c")]
    always = [{**one, "even_if_seen": True} for one in promotions]
    for given_promotions in (promotions, always):
        found = listed(arranger(columns, promotions=given_promotions, lists={"deny": ["i6"]}), k=3)
        assert indices(found) == [0, 1, 2]
        cheap = {"field": "price", "op": "gt", "value": 6}
        found = listed(arranger(columns, promotions=given_promotions, filter=cheap), k=3)
        assert indices(found) == [1, 2, 4]
        asked = Context(3, NOW_MS, deny=np.array([6]))
        assert indices(listed(arranger(columns, promotions=given_promotions), asked)) == [0, 1, 2]


def test_a_promotion_is_shown_again_only_where_it_says_so():
    shown = Shown(np.array([5, 5, 6]), np.full(3, NOW_MS))
    asked = Context(3, NOW_MS, seen=np.array([6, 4]), shown=shown)
    tired = {"impressions": {"max_without_click": 2}}
    shy = [promotion("i5", 1, "a"), promotion("i6", 2, "b"), promotion("i3", 3, "c")]
    assert indices(listed(arranger(**tired, promotions=shy), asked)) == [0, 1, 3]
    bold = [{**one, "even_if_seen": True} for one in shy]
    assert indices(listed(arranger(**tired, promotions=bold), asked)) == [5, 6, 3]


def test_of_several_promotions_at_one_place_the_first_that_may_be_shown_is():
    promotions = [
        promotion("i9", 1, "no such item"),
        promotion("i6", 1, "over", ends="2026-05-01"),
        promotion("i5", 1, "not yet", starts="2026-05-02"),
        promotion("i4", 1, "now", starts="2026-05-01", ends="2026-05-01T12:00:01Z"),
        promotion("i3", 1, "too late"),
        promotion("i4", 2, "the same again"),
        promotion("i3", 9, "too far down"),
    ]
    found = listed(arranger(promotions=promotions), k=3)
    assert indices(found) == [4, 0, 1]
    assert [one.name for one in found] == ["now", None, None]


def test_a_promotion_counts_for_caps_and_is_not_stopped_by_them():
    capped = {"caps": [{"field": "category", "most": 1}]}
    found = listed(arranger(**capped, promotions=[promotion("i3", 3)]), k=4)
    assert indices(found) == [0, 4, 3, 6]  # 3 is blue, so that nothing else is
    both = [promotion("i3", 1, "a"), promotion("i5", 2, "b")]
    assert indices(listed(arranger(**capped, promotions=both), k=4)) == [3, 5, 0, 4]


def test_a_promotion_takes_the_place_of_a_slot():
    exploring = {"slots": {"a": 2, "b": 3}, "max_share": 0.5}
    found = listed(arranger(exploration=exploring, promotions=[promotion("i4", 2)]), k=4)
    assert [one.placed_by for one in found] == ["rank", "promotions", "exploration", "rank"]
    assert [slot.name for slot in found.slots] == ["b"]


def test_a_promoted_item_is_not_drawn_too():
    exploring = {"slots": {"a": 2}, "max_share": 0.5}
    arranging = arranger(exploration=exploring, promotions=[promotion("i5", 4)])
    plan = arranging.plan(Context(4, NOW_MS))
    assert plan.pool.tolist() == [0, 2, 6]
    assert plan.extra.tolist() == [5, 0, 2, 6]


def test_a_short_list_has_no_holes_and_says_what_cut_most():
    found = listed(
        arranger(
            lists={"allow": ["i1", "i3", "i7"]},
            filter={"field": "price", "op": "ne", "value": 3},
            promotions=[promotion("i1", 4)],
        ),
        k=4,
    )
    assert [(one.item_index, one.rank, one.placed_by) for one in found] == [(1, 1, "promotions")]
    assert found.cut == {
        "availability": 1,
        "seen": 0,
        "lists": 5,
        "filters": 1,
        "impressions": 0,
        "caps": 0,
    }
    assert found.truncated_by == "lists"
    assert listed(arranger(), k=7).truncated_by is None
    assert listed(arranger(), k=8).truncated_by == "availability"
    assert listed(arranger(ItemColumns.of([{}, {}])), k=3).truncated_by == "catalogue"


def test_an_empty_catalogue_gives_an_empty_list():
    found = listed(arranger(ItemColumns()), k=3, scores=np.zeros(0))
    assert indices(found) == []
    assert found.truncated_by == "catalogue"


def test_what_is_found_though_it_is_not_eligible_is_left_out():
    arranging = arranger()
    plan = arranging.plan(Context(3, NOW_MS, seen=np.array([0])))
    found = arranging.arrange(plan, scored(np.array([0, 1, 7, 3, 8]), np.append(SCORES, 0.05)))
    assert indices(found) == [1, 3]


def test_an_item_that_the_model_cannot_score_is_promoted_all_the_same():
    scores = SCORES.copy()
    scores[5] = np.nan
    found = listed(arranger(promotions=[promotion("i5", 1)]), k=2, scores=scores)
    assert indices(found) == [5, 0]
    assert np.isnan(found.items[0].score)


def test_diversity_sees_what_stands_at_fixed_places():
    likeness = {"diversity": {"mmr_weight": 0.6}}
    # seen from the middle, 1 and 2 look another way than 4
    assert indices(listed(arranger(**likeness), k=2))[0] == 0
    found = listed(arranger(**likeness, promotions=[promotion("i4", 1)]), k=2)
    assert indices(found) == [4, 0]
    found = listed(arranger(**likeness, promotions=[promotion("i1", 1)]), k=2)
    assert indices(found)[1] not in (0, 2)


def test_a_search_that_finds_no_more_ends_the_search():
    arranging = arranger(caps=[{"field": "category", "most": 1}], candidates_per_place=1)
    plan = arranging.plan(Context(3, NOW_MS))
    sizes = []

    def search(size):
        sizes.append(size)
        return scored(np.array([0, 1, 2]))

    found = arranging.filled(plan, search, scored)
    assert indices(found) == [0]
    assert sizes == [3, 7]
    assert found.num_wanted == 0
    assert arranging.arrange(plan, search(3), Scored.none()).num_wanted == 7


def test_the_order_of_the_policies_is_fixed():
    assert ORDER == (
        "availability",
        "seen",
        "lists",
        "filters",
        "impressions",
        "caps",
        "diversity",
        "exploration",
        "promotions",
    )


worlds = st.fixed_dictionaries(
    {
        "number": st.integers(0, 10**6),
        "num_items": st.integers(0, 40),
        "k": st.integers(1, 12),
        "most": st.sampled_from([None, 1, 2]),
        "first": st.sampled_from([0, 3]),
        "weights": st.sampled_from([(0.0, 0.0), (0.3, 0.0), (0.0, 0.4), (0.3, 0.4)]),
        "slots": st.sampled_from([{}, {"a": 2}, {"a": 1, "b": 4, "c": 5}]),
        "list_share": st.sampled_from([1.0, 0.5]),
        "weighting": st.sampled_from(["uniform", "softmax"]),
        "places": st.lists(st.integers(1, 6), max_size=3),
        "per_place": st.sampled_from([1, 20]),
    }
)


def drawn_world(world):
    """Return an arranger over a drawn catalogue, what is asked of it, and the scores."""
    rng = np.random.default_rng(world["number"])
    size = world["num_items"]
    rows = [
        {
            "category": sorted({"abcd"[at] for at in rng.integers(0, 4, rng.integers(0, 3))}),
            "created_at": NOW_MS / 1000 - rng.integers(0, 40) * 86_400,
            "available": bool(rng.random() < 0.9),
        }
        for _ in range(size)
    ]
    mmr_weight, calibration_weight = world["weights"]
    caps = [{"field": "category", "most": world["most"], "first": world["first"]}]
    arranging = arranger(
        ItemColumns.of(rows),
        lists={"deny": [f"i{item}" for item in rng.integers(0, 40, 3)]},
        impressions={"max_without_click": 1},
        caps=caps if world["most"] else [],
        diversity={"mmr_weight": mmr_weight, "calibration_weight": calibration_weight},
        exploration={
            "slots": world["slots"],
            "max_share": 0.5,
            "list_share": world["list_share"],
            "weighting": world["weighting"],
        },
        promotions=[
            promotion(f"i{rng.integers(0, 40)}", place, f"p{at}")
            for at, place in enumerate(world["places"])
        ],
        candidates_per_place=world["per_place"],
    )
    items = np.arange(size)
    taken, shown = items[rng.random(size) < 0.3], items[rng.random(size) < 0.1]
    context = Context(
        world["k"],
        NOW_MS,
        request_id=str(world["number"]),
        seen=items[rng.random(size) < 0.2],
        history=Happened(taken, np.full(len(taken), NOW_MS - DAY_MS)),
        shown=Shown(shown, np.full(len(shown), NOW_MS)),
    )
    return arranging, context, rng.normal(size=size)


@given(worlds)
def test_a_list_holds_nothing_twice_and_nothing_that_is_not_eligible(world):
    arranging, context, scores = drawn_world(world)
    found = listed(arranging, context, scores=scores)
    items = np.array(indices(found), np.int64)
    assert len(set(items.tolist())) == len(items) <= context.k
    assert arranging.eligible(context).allows(items).all()
    assert [one.rank for one in found] == list(range(1, len(items) + 1))
    assert (found.truncated_by is None) == (len(items) == context.k)


@given(worlds)
def test_a_list_is_as_long_as_there_are_eligible_items_where_nothing_is_capped(world):
    arranging, context, scores = drawn_world({**world, "most": None})
    found = listed(arranging, context, scores=scores)
    assert len(found) == min(context.k, found.num_eligible)


@given(worlds)
def test_caps_are_exceeded_by_promotions_alone(world):
    arranging, context, scores = drawn_world({**world, "most": world["most"] or 1})
    found = listed(arranging, context, scores=scores)
    column = arranging.columns.column("category")
    reached = list(found)[: world["first"] or len(found)]
    if column is None or not reached:
        return
    promoted = np.array([one.placed_by == "promotions" for one in reached])
    rows, groups = column.groups_of(np.array([one.item_index for one in reached]))
    for group in set(groups.tolist()):
        having = rows[groups == group]
        most, num_promoted = world["most"] or 1, promoted[having].sum()
        assert len(having) - num_promoted <= most
        if len(found) == context.k:  # else promotions may have moved up, into the reach of a cap
            assert len(having) <= max(most, num_promoted)


@given(worlds)
def test_the_same_asking_gives_the_same_list(world):
    arranging, context, scores = drawn_world(world)
    again = Arranger(arranging.policies, arranging.columns, arranging.shelves.index_of)
    assert _told(listed(arranging, context, scores=scores)) == _told(
        listed(again, context, scores=scores)
    )


@given(worlds)
@example(
    {
        "number": 330,
        "num_items": 32,
        "k": 2,
        "most": 1,
        "first": 0,
        "weights": (0.0, 0.0),
        "slots": {"a": 2},
        "list_share": 0.5,
        "weighting": "uniform",
        "places": [],
        "per_place": 1,
    }
)
def test_probabilities_are_those_of_the_slots(world):
    arranging, context, scores = drawn_world(world)
    found = listed(arranging, context, scores=scores)
    by_name = {slot.name: slot for slot in found.slots}
    for one in found:
        if one.is_drawn:
            assert one.probability == by_name[one.name].probability_of(one.item_index) > 0
        else:
            assert one.probability == 1
        assert one.is_drawn or one.placed_by != "exploration"
    plain_arranging, _, _ = drawn_world({**world, "slots": {}})
    plain = listed(plain_arranging, context, scores=scores)
    for slot in found.slots:
        is_whole = world["list_share"] == 1 or len(plain) == context.k
        assert not is_whole or slot.probability.sum() == pytest.approx(1)
        assert slot.probability.sum() <= 1 + 1e-9
        assert arranging.eligible(context).allows(slot.item_index).all()


def _told(found):
    return [(one.item_index, one.rank, one.placed_by, one.probability) for one in found]
