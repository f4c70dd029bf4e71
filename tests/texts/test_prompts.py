"""What is known of an item reads as one text, and what is not known leaves no hole."""

import numpy as np
import pytest

from penchant.errors import ConfigError
from penchant.texts import default_template, prompts

ITEMS = {
    "title": ["Soap", None, "Comb!", "Oil"],
    "category": ["Bath|Gift", "Hair", "", None],
    "price": [2.5, float("nan"), 3.0, 12],
    "text": [None, "Strong.", "Of steel", "  "],
}


def test_the_default_is_made_of_what_is_there():
    assert prompts(ITEMS) == [
        "Soap. Bath, Gift. 2.5",
        "Hair. Strong.",
        "Comb! 3. Of steel",
        "Oil. 12",
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["item_id", "title"], "{title}"),
        (["Description", "genres", "NAME"], "{NAME}. {genres}. {Description}"),
        (["abstract", "text", "name", "title"], "{title}. {text}"),
    ],
)
def test_synonyms_are_known(columns, expected):
    assert default_template(columns) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{title} ({category}), {text}",
         ["Soap (Bath, Gift)", "(Hair), Strong.", "Comb!, Of steel", "Oil"]),
        ("Title: {title}; price: {price} EUR. {text}",
         ["Title: Soap; price: 2.5 EUR", "Strong.", "Title: Comb!; price: 3 EUR. Of steel",
          "Title: Oil; price: 12 EUR"]),
        ("{title} by {category}", ["Soap by Bath, Gift", "by Hair", "Comb!", "Oil"]),
        ("{title} {price} {text}", ["Soap 2.5", "Strong.", "Comb! 3 Of steel", "Oil 12"]),
        ("{title} | {category} | {text}",
         ["Soap | Bath, Gift", "Hair | Strong.", "Comb! | Of steel", "Oil"]),
        ("{{{title}}}", ["{Soap}", "", "{Comb!}", "{Oil}"]),
        ("passage: {title}.", ["passage: Soap.", "", "passage: Comb!", "passage: Oil."]),
    ],
)  # fmt: skip
def test_what_is_missing_takes_its_words_and_marks_along(template, expected):
    assert prompts(ITEMS, template) == expected


def test_values_of_every_kind_are_read():
    columns = {
        "title": [["a", None, "b"], np.float32(1.5), np.array(["x", "y"]), np.int64(7), True],
    }
    assert prompts(columns) == ["a, b", "1.5", "x, y", "7", "True"]


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match='names the column "titel"') as caught:
        prompts(ITEMS, "{titel}")
    assert "Did you mean title?" in caught.value.hint


@pytest.mark.parametrize("template", ["{title", "{}", "{title:5}", "{title!r}", "no column"])
def test_a_template_that_cannot_be_read_is_named(template):
    with pytest.raises(ConfigError, match="cannot be read: "):
        prompts(ITEMS, template)


def test_without_any_column_that_says_something_the_known_ones_are_listed():
    with pytest.raises(ConfigError, match=r"looked for title, name, .*; there are item_id, foo"):
        prompts({"item_id": ["a"], "foo": ["b"]})


def test_long_and_odd_values_are_tamed():
    found = prompts({"title": ["a" * 100_000, "so\x00ap", "中文|香皂"]})
    assert [len(found[0]), *found[1:]] == [32_768, "so ap", "中文, 香皂"]
    assert prompts({"title": []}) == []
