"""Caps, MMR and calibration by hand, and what must hold of them whatever the candidates are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.policies import Context, Happened, ItemColumns, Policies
from penchant.policies.caps import CapCount
from penchant.policies.choosing import Board, Rules, choose
from penchant.policies.diversity import Calibration, Likeness
from penchant.policies.settings import Cap, DiversityPolicy

from .world import ITEMS, NOW_MS, SCORES, arranger, indices, listed

LOG = np.log


def test_without_policies_a_list_is_the_ranking():
    found = listed(arranger(), k=5)
    assert indices(found) == [0, 1, 2, 3, 4]
    assert [one.score for one in found] == SCORES[:5].tolist()
    assert [one.rank for one in found] == [1, 2, 3, 4, 5]
    assert {(one.placed_by, one.probability, one.is_drawn) for one in found} == {("rank", 1, False)}
    assert all(one.reasons == () for one in found)
    assert found.truncated_by is None
    assert found.slots == ()


def test_a_cap_lets_the_next_item_of_another_value_take_the_place():
    found = listed(arranger(caps=[{"field": "category", "most": 1}]), k=4)
    # 1 and 2 are red as 0 is, 5 is blue as 3 is; 6 has no category and is never stopped
    assert indices(found) == [0, 3, 4, 6]
    assert [one.placed_by for one in found] == ["rank", "caps", "caps", "caps"]
    assert found.items[1].reasons == (
        "before 2 with better scores, the first of which a cap stops",
    )


def test_an_item_with_two_values_counts_for_both():
    found = listed(arranger(caps=[{"field": "category", "most": 2}]), k=6)
    # red: 0, 1 and then not 2 (red and blue); blue: 3, 5
    assert indices(found) == [0, 1, 3, 4, 5, 6]
    without = arranger(caps=[{"field": "category", "most": 2}], lists={"deny": ["i1"]})
    assert indices(listed(without, k=5)) == [0, 2, 3, 4, 6]  # 2 and 3 are the two blue ones


def test_a_cap_for_the_first_places_ends_there():
    capped = arranger(caps=[{"field": "category", "most": 1, "first": 2}])
    assert indices(listed(capped, k=4)) == [0, 3, 1, 2]


def test_a_list_that_caps_leave_short_says_so():
    found = listed(arranger(caps=[{"field": "category", "most": 1}]), k=6)
    assert indices(found) == [0, 3, 4, 6]
    assert found.truncated_by == "caps"
    assert found.cut["caps"] == 3  # 1, 2, 5
    assert found.num_wanted == 0


def test_more_candidates_are_fetched_until_caps_can_fill_the_list():
    columns = ItemColumns.of([{"brand": "a"}] * 90 + [{"brand": "b"}] * 9 + [{"brand": "c"}] * 3)
    scores = np.linspace(1, 0, 102)
    capped = arranger(columns, caps=[{"field": "brand", "most": 1}], candidates_per_place=2)
    plan = capped.plan(Context(3, NOW_MS))
    assert plan.num_candidates == 6
    assert indices(listed(capped, k=3, scores=scores)) == [0, 90, 99]


def test_mmr_takes_the_item_least_like_those_before():
    vectors = np.array([[2.0, 0], [4, 0], [-1, 1], [-1, -1]])
    board = Board(np.arange(4), np.array([1.0, 0.9, 0.5, 0.0]), np.ones(4, bool))
    likeness = Likeness(vectors, 4)
    # seen from the middle (1, 0): (1, 0), (3, 0), (-2, 1), (-2, -1)
    likeness.take(0)
    assert likeness.costs().tolist() == pytest.approx([1, 1, -2 / 5**0.5, -2 / 5**0.5])
    rules = Rules(DiversityPolicy(mmr_weight=0.5), likeness=likeness)
    chosen = choose(board, 4, {}, rules).choices
    # second: .9/2 - 1/2 = -.05 against .5/2 + .447; third: -.05 against 0 - .3 (cosine 3/5)
    assert [one.row for one in chosen] == [0, 2, 1, 3]
    assert [one.placed_by for one in chosen] == ["rank", "diversity", "rank", "rank"]
    assert chosen[1].passed_over == 1


def test_the_divergence_is_that_of_steck():
    # history: red twice, red and blue once: p = (5/6, 1/6); rows 3.. are the candidates
    rows, groups = np.array([0, 1, 2, 2, 3, 4, 5, 5, 7]), np.array([1, 1, 1, 2, 2, 1, 1, 9, 9])
    calibration = Calibration(rows, groups, 3, 8)

    def divergence(red, blue):
        mixed = 0.99 * np.array([red, blue]) + 0.01 * np.array([5 / 6, 1 / 6])
        return 5 / 6 * LOG(5 / 6 / mixed[0]) + 1 / 6 * LOG(1 / 6 / mixed[1])

    one_each = [(0, 1), (1, 0), (1 / 2, 0), (0, 0), (0, 0)]  # row 6 has none, row 7 another
    assert calibration.costs() == pytest.approx([divergence(*each) for each in one_each])
    calibration.take(1)
    after = [(1 / 2, 1 / 2), (1, 0), (3 / 4, 0), (1, 0), (1 / 2, 0)]
    assert calibration.costs() == pytest.approx([divergence(*each) for each in after])
    assert calibration.divergence() == pytest.approx(divergence(1, 0))
    calibration.take(3)  # without a category: counts in neither
    assert calibration.costs() == pytest.approx([divergence(*each) for each in after])


def test_a_calibrated_list_has_the_categories_of_the_history():
    history = Happened(np.array([0, 1, 4, 4, -1]))  # half red, half green
    calibrated = arranger(diversity={"calibration_weight": 0.5})
    found = listed(calibrated, Context(2, NOW_MS, history=history))
    # second: 1 has .5 · 6/7 less KL of red alone, .5 log(.5/.995) + .5 log(.5/.005) = 1.96;
    # 4 has .5 · 1/2 less 0
    assert indices(found) == [0, 4]
    assert [one.placed_by for one in found] == ["rank", "diversity"]
    assert found.items[1].reasons == ("before 3 with better scores, for variety",)
    assert indices(listed(calibrated, k=2)) == [0, 1]  # no history, nothing to keep to


def test_a_list_that_calibration_would_lead_astray_is_left_uncalibrated():
    columns = catalogue(["ab", "a", "b", ""])
    scores = np.array([7.0, 4, 4, 2])
    history = Happened(np.array([0]))  # half a, half b
    calibrated = arranger(columns, diversity={"calibration_weight": 0.9})
    # step by step 3, without a category, looks better after 0 than 1 or 2; then one of them is
    # left without the other, where all three of 0, 1, 2 are half a, half b
    assert indices(listed(calibrated, Context(3, NOW_MS, history=history), scores=scores)) == [
        0,
        1,
        2,
    ]


columns_of_board = st.integers(6, 25).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(-20, 20), min_size=size, max_size=size),
        st.lists(st.sets(st.sampled_from("abcd"), max_size=2), min_size=size, max_size=size),
    )
)


def catalogue(categories):
    return ItemColumns.of([{"category": sorted(each)} for each in categories])


def of_random(policies, scores, categories, history=(), k=5):
    context = Context(k, NOW_MS, history=Happened(np.array(history, np.int64)))
    found = listed(
        arranger(catalogue(categories), **policies), context, scores=np.array(scores, float)
    )
    return indices(found)


@given(columns_of_board, st.floats(0, 0.9), st.integers(1, 3), st.integers(0, 4))
def test_caps_are_never_exceeded(board, weight, most, first):
    scores, categories = board
    policies = {
        "caps": [{"field": "category", "most": most, "first": first}],
        "diversity": {"mmr_weight": weight / 2, "calibration_weight": weight / 2},
    }
    found = of_random(policies, scores, categories, history=[0, 1, 1])
    for value in "abcd":
        reached = found[: first or len(found)]
        assert sum(value in categories[item] for item in reached) <= most
    assert len(set(found)) == len(found)


@given(columns_of_board)
def test_mmr_that_looks_at_relevance_alone_is_the_ranking(board):
    scores, _ = board
    vectors = np.random.default_rng(len(scores)).normal(size=(len(scores), 3))
    order = np.argsort(-np.array(scores), kind="stable")
    ranked = Board(order, np.array(scores, float)[order], np.ones(len(scores), bool))
    rules = Rules(DiversityPolicy(mmr_weight=0.0), likeness=Likeness(vectors, len(scores)))
    assert [one.row for one in choose(ranked, 5, {}, rules).choices] == [0, 1, 2, 3, 4]


@given(columns_of_board, st.floats(0.05, 1), st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_a_calibrated_list_is_never_farther_from_the_history_than_the_plain_one(
    board, weight, history
):
    scores, categories = board
    plain = of_random({}, scores, categories, history)
    found = of_random({"diversity": {"calibration_weight": weight}}, scores, categories, history)
    column = catalogue(categories).column("category")
    if column.groups_of(np.array(history))[0].size:
        far = [_divergence(column, history, items) for items in (found, plain)]
        assert far[0] <= far[1] + 1e-12


def test_calibrated_lists_come_nearer_to_the_history_as_a_rule():
    rng = np.random.default_rng(3)
    nearer = []
    for _ in range(40):
        categories = [{"abcd"[at]} for at in rng.choice(4, 60, p=[0.7, 0.1, 0.1, 0.1])]
        history = rng.choice(60, 12).tolist()
        scores = rng.normal(size=60)
        policies = {"diversity": {"calibration_weight": 0.7}}
        found = of_random(policies, scores, categories, history, k=10)
        plain = of_random({}, scores, categories, history, k=10)
        column = catalogue(categories).column("category")
        nearer.append(_divergence(column, history, plain) - _divergence(column, history, found))
    assert min(nearer) >= 0
    assert np.mean(np.array(nearer) > 0.01) > 0.8


def _divergence(column, history, items):
    rows, groups = column.groups_of(np.array([*history, *items]))
    calibration = Calibration(rows, groups, len(history), len(history) + len(items))
    for row in range(len(items)):
        calibration.take(row)
    return calibration.divergence()


def test_a_cap_counts_and_begins_again():
    count = CapCount(Cap(field="x", most=2), np.array([0, 0, 1, 3]), np.array([4, 5, 4, 5]), 4)
    count.take(1)
    assert count.least_room == 1
    assert count.stops.tolist() == [False] * 4
    count.take(0)
    assert count.stops.tolist() == [True, True, False, False]
    assert [count.room(4), count.room(5), count.room(6)] == [0, 1, 2]
    assert count.begun().stops.tolist() == [False] * 4
    assert count.values(0) == [4, 5]
    assert count.values(2) == []


def test_policies_that_look_further_fetch_more():
    context = Context(2, NOW_MS)
    assert arranger().plan(context).num_candidates == 2
    assert arranger(diversity={"mmr_weight": 0.1}).plan(context).num_candidates == len(ITEMS) - 1
    few = arranger(diversity={"mmr_weight": 0.1}, candidates_per_place=3)
    assert few.plan(context).num_candidates == 6
    assert Policies().candidates_per_place == 20
