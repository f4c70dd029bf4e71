from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from penchant.baselines import SegmentPopular
from penchant.baselines.segment_popular import SegmentCounts
from penchant.baselines.user_segments import UserSegments
from penchant.errors import InputError
from penchant.events import FeatureEncoder
from penchant.serving import Event, Live, Ranker
from penchant.serving.first_list import counted_attributes, diversified, first_list

from .world import ITEMS, make_bundle

USERS = pl.DataFrame({"plan": ["free", "free", "paid"], "age": [20, 30, 70]})


def with_counts(bundle):
    """Return a bundle that knows what is popular: oats, leek, then rum; rum among who pays."""
    segments = UserSegments.fit(FeatureEncoder.fit(USERS), USERS)
    whole = np.array([1.0, 2, 10, 3, 4, 20, 19])
    offsets = np.zeros(segments.num_segments + 1, np.int64)
    offsets[2:] = 1  # plan: free, paid
    counts = SegmentCounts(offsets, np.array([2]), np.array([500]))
    return replace(bundle, first_list=SegmentPopular(segments, whole, counts, 10.0, {}))


@pytest.fixture(scope="module")
def bundle():
    return with_counts(make_bundle())


@pytest.fixture(scope="module")
def ranker(bundle):
    return Ranker(bundle)


def ids(items) -> list[str]:
    return [item.item_id for item in items]


def test_without_attributes_and_diversity_the_most_popular_come_first(ranker):
    found = first_list(ranker, k=4, diversity=0)
    assert ids(found) == ["oats", "leek", "rum", "kiwi"]
    assert [item.rank for item in found] == [1, 2, 3, 4]
    assert [item.score for item in found] == pytest.approx([20 / 59, 19 / 59, 10 / 59, 4 / 59])


def test_attributes_move_the_list(ranker):
    assert ids(first_list(ranker, {"plan": "paid", "age": 70}, 2, 0)) == ["rum", "oats"]
    assert ids(first_list(ranker, {"plan": "free"}, 2, 0)) == ["oats", "leek"]
    assert counted_attributes(ranker, {"plan": "paid", "age": 70}) == ["plan"]


def test_a_value_that_nobody_had_says_nothing(ranker):
    assert first_list(ranker, {"plan": "gold"}) == first_list(ranker)
    assert counted_attributes(ranker, {"plan": "gold"}) == []


def test_every_item_comes_once_however_long_the_list(ranker):
    assert sorted(ids(first_list(ranker, k=50, diversity=0.8))) == sorted(ITEMS)


def test_unlike_items_come_forward_with_diversity():
    # the middle is the origin: cosines of the first with the others are 1, -1, -1 and 0
    vectors = np.array([[2.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [-3.0, 0.0], [0.0, 0.0]])
    popularity = np.array([1.0, 0.9, 0.5, 0.4, 0.3])
    assert diversified(popularity, vectors, 3, 0.0).tolist() == [0, 1, 2]
    # after 0: .45 - .5, .25 + .5, .2 + .5, .15; after 0 and 2: -.05, .2 - .5, .15
    assert diversified(popularity, vectors, 3, 0.5).tolist() == [0, 2, 4]
    assert diversified(popularity, vectors, 9, 0.5).tolist() == [0, 2, 4, 1, 3]
    assert diversified(popularity[:0], vectors[:0], 3).tolist() == []


def test_unknown_attributes_and_numbers_out_of_range_are_refused(ranker):
    with pytest.raises(InputError, match='"plam" is not') as caught:
        first_list(ranker, {"plam": "paid"})
    assert "Did you mean plan" in caught.value.hint
    with pytest.raises(InputError, match="age must be a number but is 'old'"):
        first_list(ranker, {"age": "old"})
    with pytest.raises(InputError, match=r"diversity must lie in 0\.\.1 but is 1\.5"):
        first_list(ranker, diversity=1.5)
    with pytest.raises(InputError, match="k must be a whole number from 1 on but is 0"):
        first_list(ranker, k=0)


def test_an_older_bundle_answers_with_the_models_list_of_an_empty_history():
    bundle = make_bundle()
    with Live(bundle, clock=lambda: 5.0) as live:
        of_the_model = live.recommend("nobody", k=4)
    ranker = Ranker(bundle)
    [expected] = ranker.lists(ranker.begin(1), [None], 4, [np.array([], int)])
    assert first_list(ranker, {"plan": "paid"}, 4) == expected
    assert len(of_the_model) == 4
    assert counted_attributes(ranker, {"plan": "paid"}) == []


def test_live_gives_first_lists_only_when_asked_to(bundle):
    with Live(bundle) as plain, Live(bundle, first_list=True) as live:
        assert plain.recommend("u1", k=7).items != live.recommend("u1", k=7).items
        assert live.recommend("u1", k=3).items == first_list(Ranker(bundle), k=3)
        assert live.recommend("u1", k=3).num_events == 0


def test_live_looks_at_what_is_kept_and_told_of_the_user(bundle, ranker):
    with Live(bundle, first_list=True) as live:
        live.put_user("u1", {"plan": "paid", "shoe": 43})
        paid = first_list(ranker, {"plan": "paid"}, 3)
        assert live.recommend("u1", k=3).items == paid
        assert live.recommend("u2", k=3, user={"plan": "paid"}).items == paid
        assert live.recommend("u1", k=3, user={"plan": "free"}).items == first_list(ranker, k=3)


def test_after_the_first_event_the_model_answers(bundle):
    event = Event(user_id="u1", item_id="salt", timestamp=900.0)
    clock = {"clock": lambda: 1_000.0}
    with Live(bundle, **clock) as plain, Live(bundle, first_list=True, **clock) as live:
        for one in (plain, live):
            one.observe(event)
        assert live.recommend("u1").items == plain.recommend("u1").items
