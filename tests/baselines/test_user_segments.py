import polars as pl
import pytest

from penchant.baselines.user_segments import UserSegments
from penchant.events import FeatureEncoder

USERS = pl.DataFrame(
    {
        "plan": ["free", "paid", "free", "free", "trial"],
        "langs": ["de|en", "en", None, "fr", "en|fr"],
        "age": [10.0, 20.0, 30.0, 40.0, None],
    }
)


@pytest.fixture
def segments():
    return UserSegments.fit(FeatureEncoder.fit(USERS), USERS)


def told(segments, **columns):
    rows, found = segments.members(pl.DataFrame(columns))
    return list(zip(rows.tolist(), found.tolist(), strict=True))


def test_each_attribute_has_its_own_segments(segments):
    # plan: free, paid, trial; langs: en, fr, de; age: cut at 1/5 to 4/5 of 10, 20, 30 and 40
    assert segments.sizes == [3, 3, 5]
    assert segments.num_segments == 11
    assert told(segments, plan=["trial", "free"]) == [(0, 2), (1, 0)]


def test_a_user_is_in_a_segment_for_each_of_several_values(segments):
    assert told(segments, langs=["de|en", "fr"]) == [(0, 3), (0, 5), (1, 4)]


def test_a_number_falls_into_one_fifth(segments):
    # quantiles of four numbers: 10 + 30 * 1/5 = 16, then 22, 28 and 34
    ages = [10.0, 15.9, 16.1, 23.0, 29.0, 35.0, 99.0]
    assert [found - 6 for _, found in told(segments, age=ages)] == [0, 0, 1, 2, 3, 4, 4]


def test_what_is_missing_or_was_never_seen_is_no_segment(segments):
    columns = {"plan": ["gold", None], "langs": ["it", None], "age": [None, "old"]}
    assert told(segments, **columns) == []
    assert told(segments, height=[180.0]) == []


def test_segments_are_stored_as_plain_values(segments):
    again = UserSegments.from_dict(segments.to_dict())
    assert again == segments
    assert told(again, plan=["paid"], age=[23]) == [(0, 1), (0, 8)]


def test_users_without_attributes_are_in_no_segment():
    nobody = UserSegments.fit(FeatureEncoder(), pl.DataFrame({"user_id": ["a", "b"]}))
    assert nobody.num_segments == 0
    assert told(nobody, user_id=["c"]) == []
