import json
import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from penchant.errors import CorruptBundleError
from penchant.events.attributes import fit_attribute
from penchant.events.features import FeatureEncoder


def fitted(name, values, **options):
    return fit_attribute(pl.Series(name, values, **options))


def test_a_number_is_normalised_by_mean_and_deviation():
    weights = fitted("weight", [1.0, 2.0, 6.0, None])
    assert weights.mean == (1 + 2 + 6) / 3
    assert weights.std == pytest.approx(math.sqrt((2**2 + 1**2 + 3**2) / 3))
    encoded = weights.encode(pl.Series("weight", [3.0, None, float("nan"), float("inf")]))
    assert encoded.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert encoded.dtype == np.float32


def test_a_heavy_tail_is_drawn_in_by_the_logarithm():
    prices = fitted("price", [0.0] * 9 + [math.e**2 - 1])
    assert prices.logarithm
    assert prices.mean == pytest.approx(2 / 10)
    negative = prices.encode(pl.Series("price", [-5.0]))
    assert negative == pytest.approx(prices.encode(pl.Series("price", [0.0])))


def test_a_number_far_off_is_cut():
    assert fitted("weight", [1, 2, 6]).encode(pl.Series("weight", [10**9])).tolist() == [10.0]


def test_numbers_may_be_written_as_text():
    years = fitted("release_year", ["1990", " 1992 ", "", None])
    assert (years.kind, years.mean, years.std) == ("numeric", 1991.0, 1.0)
    assert years.encode(pl.Series("release_year", [1993, None])).tolist() == [2.0, 0.0]
    assert years.encode(pl.Series("release_year", ["1990", "soon"])).tolist() == [-1.0, 0.0]


def test_dates_are_days():
    days = fitted("created_at", [date(1970, 1, 2), date(1970, 1, 6)])
    assert (days.mean, days.std) == (3.0, 2.0)


def test_codes_are_not_numbers():
    assert fitted("zip", ["00501", "10115", "10115"]).kind == "categorical"
    assert fitted("brand_id", [4, 7, 7]).kind == "categorical"


def test_a_category_counts_from_the_most_frequent_and_unseen_is_zero():
    brands = fitted("brand", ["b", "c", "a", "c", None, " "])
    assert brands.values == ("c", "a", "b")
    assert brands.encode(pl.Series("brand", ["a", None, "z", "c ", ""])).tolist() == [2, 0, 0, 1, 0]


def test_a_category_is_found_whatever_type_it_comes_in():
    shelves = fitted("shelf_id", [3, 4, 4, None])
    for column in (
        pl.Series([3, None, 4]),
        pl.Series([3.0, float("nan"), 4.0]),
        pl.Series(["3", "", "4"]),
        pl.Series(["3", None, "4"], dtype=pl.Categorical),
    ):
        assert shelves.encode(column).tolist() == [2, 0, 1]
    assert fitted("sold", [True, False, False]).values == ("false", "true")


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("genres", ["War|Drama", "War", "Drama|Film Noir|War"], ("War", "Drama", "Film Noir")),
        ("category", ["Drama War", "War", "War Drama", "Drama"], ("Drama", "War")),
        ("made_of", ["wood, tin", "tin", "tin, wood"], ("tin", "wood")),
        ("attribute_ids", ["7,12", "12", None], ("12", "7")),
        ("tags", [["a", "b"], ["b", None], None], ("b", "a")),
    ],
)
def test_several_values_in_one_are_a_bag(name, values, expected):
    bag = fitted(name, values)
    assert (bag.kind, bag.values) == ("bag", expected)


def test_a_category_of_two_words_is_one_value():
    assert fitted("category", ["New York", "New Delhi", "New York"]).kind == "categorical"
    assert fitted("town", ["Bath Spa", "Bath", "Spa"]).kind == "categorical"


def test_a_bag_holds_each_value_of_an_item_once():
    bag = fitted("tags", ["a|b|a", "b", None])
    rows, indices = bag.encode(pl.Series("tags", ["b|b|c|a", None, " b "]))
    assert rows.tolist() == [0, 0, 2]
    assert [bag.values[index] for index in indices] == ["b", "a", "b"]
    lists_too, _ = bag.encode(pl.Series("tags", [["a", "b"], []]))
    assert lists_too.tolist() == [0, 0]
    from_lists = fitted("tags", [["a"], ["b"]])
    assert from_lists.encode(pl.Series("tags", ["b"]))[1].tolist() == [1]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("title", ["a", "a", "b"], "free text"),
        ("plot", ["one two three four five six seven", "a b c d e f g h"], "free text"),
        ("asin", [f"B{number}" for number in range(11)], "11 different values on 11 items"),
        ("colour", [None, "", " "], "no value is known"),
        ("weight", [None, float("nan")], "no value is known"),
        ("weight", [2.5, 2.5], "the same for all items"),
        ("shop", ["x", "x"], "the same for all items"),
        ("size", [{"cm": 3}, {"cm": 4}], "values of type Struct"),
        ("tags", [[], None], "no value is known"),
    ],
)
def test_what_says_nothing_is_left_out_with_the_reason(name, values, reason):
    assert fitted(name, values).startswith(reason)


def test_an_empty_table_of_items_has_no_features():
    table = pl.DataFrame({"item_id": [], "brand": []}, schema={"item_id": str, "brand": str})
    encoder = FeatureEncoder.fit(table)
    assert encoder.left_out == {"brand": "no value is known"}
    features = encoder.transform(table)
    assert (features.num_items, features.categorical.shape) == (0, (0, 0))


TABLE = pl.DataFrame(
    {
        "item_id": ["i", "j", "k", "l"],
        "brand": ["X", "Y", "X", "Z"],
        "weight": [1.0, 3.0, None, 500.0],
        "genres": ["War|Drama", None, "War", "Opera"],
        "tags": [["q"], ["r", "q"], None, ["s"]],
        "title": ["I", "J", "K", "L"],
    }
)
COUNTS = np.array([4, 1, 2, 0])  # the last item is not trained on


def test_only_items_with_training_events_are_looked_at():
    encoder = FeatureEncoder.fit(TABLE, COUNTS)
    features = encoder.transform(TABLE)
    assert features.categorical_names == ("brand",)
    assert features.categorical.tolist() == [[1], [2], [1], [0]]
    assert features.cardinalities == (1 + 2,)
    assert features.numeric[:, 0].tolist() == [-1, 1, 0, 10]  # (500 - 2) / 1, cut
    assert features.bag_names == ("genres", "tags")
    assert features.bag_size == 2 + 2
    # genres: War 0, Drama 1; tags: q 2 + 0, r 2 + 1
    assert features.bag_index.tolist() == [0, 1, 2, 2, 3, 0]
    assert features.bag_offsets.tolist() == [0, 3, 5, 6, 6]
    assert encoder.left_out == {"title": "free text"}


def test_an_encoder_comes_back_from_json():
    encoder = FeatureEncoder.fit(TABLE, COUNTS)
    again = FeatureEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder


def test_a_new_item_is_encoded_from_what_is_known_of_it():
    encoder = FeatureEncoder.fit(TABLE, COUNTS)
    features = encoder.transform(pl.DataFrame({"weight": ["3"], "genres": ["Drama|Opera"]}))
    assert features.categorical.tolist() == [[0]]
    assert features.numeric.tolist() == [[1.0]]
    assert features.bag_index.tolist() == [1]


def test_features_of_a_newer_format_are_refused():
    with pytest.raises(CorruptBundleError, match="format 1 but are in format 7"):
        FeatureEncoder.from_dict({"format": 7})


@pytest.mark.parametrize("attributes", [None, [{}], [{"kind": "odd"}], [{"kind": "numeric"}]])
def test_incomplete_features_are_refused(attributes):
    stored = {"format": 1, "attributes": attributes, "left_out": {}}
    with pytest.raises(CorruptBundleError, match="stored item features are incomplete"):
        FeatureEncoder.from_dict(stored)
