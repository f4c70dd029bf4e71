"""Attributes that somebody gives become what the same attributes of the training became."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from penchant.errors import InputError
from penchant.events.features import FeatureEncoder, ItemFeatures
from penchant.events.given import check_given, given_table, read_given

USERS = pl.DataFrame(
    {
        "age": [20, 40, None, 63],
        "job": ["baker", "nurse", "baker", None],
        "langs": ["de|en", "en", None, "fr|de"],
        "likes": [["tea"], ["rum", "tea"], [], None],
        "zone": [1.0, 2.0, 2.0, None],
        "is_member": [True, False, True, None],
        "born": [date(1999, 1, 2), date(1980, 5, 1), None, date(1961, 3, 4)],
        "postcode": ["05415", "20095", "05415", None],
    }
)


@pytest.fixture
def encoder() -> FeatureEncoder:
    return FeatureEncoder.fit(USERS)


def plain(found: ItemFeatures) -> list:
    return [
        found.categorical.tolist(),
        found.numeric.tolist(),
        found.bag_index.tolist(),
        found.bag_offsets.tolist(),
        found.is_known.tolist(),
        found.names,
        [found.cardinalities, found.bag_size],
        [each.dtype for each in (found.categorical, found.numeric, found.bag_index)],
    ]


def encoded(given: list[dict], encoder: FeatureEncoder) -> list:
    """Return what is read of attributes, in both ways, which must agree."""
    by_table = plain(encoder.transform(given_table(given, encoder)))
    assert plain(read_given(given, encoder)) == by_table
    return by_table


def test_rows_of_the_training_given_one_by_one_are_read_as_the_table_was(encoder):
    assert encoded(USERS.to_dicts(), encoder) == plain(encoder.transform(USERS))


def test_texts_of_a_command_line_are_read_as_values_are(encoder):
    told = {"age": " 40", "job": " nurse ", "langs": "en", "is_member": "false", "likes": "tea"}
    given = {"age": 40.0, "job": "nurse", "langs": ["en"], "is_member": False, "likes": ["tea"]}
    assert encoded([told], encoder) == encoded([given], encoder)


def test_several_values_count_once_each_however_they_are_written(encoder):
    told = [{"langs": "fr|en|fr"}, {"langs": [" en ", "fr", None, "xx", "en"]}, {"langs": ("fr",)}]
    found = read_given(told, encoder)
    assert encoded(told[:1], encoder) == encoded(told[1:2], encoder)
    assert np.diff(found.bag_offsets).tolist() == [2, 2, 1]


def test_times_count_in_days_with_and_without_a_zone(encoder):
    at = [{"born": datetime(1980, 5, 1, 12)}, {"born": datetime(1980, 5, 1, 12, tzinfo=UTC)}]
    one, other = encoded(at, encoder)[1]
    assert one == other
    midnight = read_given([{"born": date(1980, 5, 1)}], encoder)
    assert one[1] == pytest.approx(midnight.numeric[0, 1], abs=1e-3)
    assert midnight.is_known.tolist() == [True]


def test_what_was_never_seen_and_what_is_missing_is_unknown(encoder):
    nothing = [{"job": "pilot", "langs": ["nl"]}, {}, {"age": "?", "job": "", "langs": ""}]
    given = [*nothing, {"age": 40}]
    found = read_given(given, encoder)
    assert plain(found) == encoded(given, encoder)
    assert found.is_known.tolist() == [False, False, False, True]
    assert found.categorical.tolist() == [[0] * found.categorical.shape[1]] * 4


def test_there_are_as_many_rows_as_were_given_whatever_is_read_of_them(encoder):
    for reader in (encoder, FeatureEncoder()):
        for given in ([], [{"age": 4}, {}]):
            assert len(encoded(given, reader)[4]) == len(given)


def test_a_name_that_the_training_had_not_is_refused_with_the_nearest(encoder):
    with pytest.raises(InputError, match=r'"agee" is not.*Did you mean age'):
        check_given({"job": "baker", "agee": 4}, encoder)


def test_a_number_must_be_one(encoder):
    with pytest.raises(InputError, match=r"age must be a number but is 'old'"):
        check_given({"age": "old"}, encoder)
    with pytest.raises(InputError, match=r"age must be a number but is nan"):
        check_given({"age": float("nan")}, encoder)
    check_given({"age": "31.5", "job": "pilot", "born": None}, encoder)


def test_an_attribute_that_was_left_out_of_the_training_is_let_through():
    users = USERS.with_columns(name=pl.Series(["A", "B", "C", "D"]))
    check_given({"name": "E"}, FeatureEncoder.fit(users))
