"""Columns changed one item at a time hold what columns of all at once hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import InputError
from penchant.policies import ItemColumns, parse_filter
from penchant.policies.column import MOST_CHANGES, Column
from penchant.policies.matching import Matcher, check_filter, matching

ROWS = [
    {"title": "War | Peace", "genre": "Drama|War", "price": 3, "since": "2026-05-01"},
    {"title": "Alien", "genre": ["Horror"], "price": "12.50", "since": 1_777_000_000},
    {"title": "warlock", "price": None, "code": "007", "since": "2026-05-01T00:00:01Z"},
    {"genre": "War", "price": 7.0, "code": "7", "available": False},
    {"title": "", "available": "False", "price": "free", "rating": [1, 4.5]},
]


def holds(field, op, value):
    found = matching(ItemColumns.of(ROWS), parse_filter({"field": field, "op": op, "value": value}))
    return np.flatnonzero(found).tolist()


@pytest.mark.parametrize(
    ("condition", "items"),
    [
        (("genre", "eq", "War"), [0, 3]),
        (("genre", "ne", "War"), [1, 2, 4]),
        (("genre", "in", ["Horror", "Drama"]), [0, 1]),
        (("genre", "in", ["Horror", None]), [1, 2, 4]),
        (("genre", "in", []), []),
        (("genre", "contains", "War"), [0, 3]),
        (("genre", "contains", "Wa"), []),
        (("title", "contains", "wAR"), [0, 2]),
        (("title", "eq", None), [3, 4]),
        (("price", "ne", None), [0, 1, 3, 4]),
        (("price", "lt", 12.5), [0, 3]),
        (("price", "le", "12.5"), [0, 1, 3]),
        (("price", "eq", "7"), [3]),
        (("price", "eq", "free"), [4]),
        (("code", "eq", 7), [3]),
        (("code", "eq", "007"), [2]),
        (("since", "gt", "2026-05-01"), [2]),
        (("since", "ge", "2026-05-01T02:00:00+02:00"), [0, 2]),
        (("since", "lt", "2026-05-01"), [1]),
        (("since", "gt", 1_777_000_001), [0, 2]),
        (("available", "eq", False), [3, 4]),
        (("available", "ne", False), [0, 1, 2]),
        (("available", "eq", True), []),
        (("rating", "eq", 4.5), [4]),
        (("rating", "contains", 1), [4]),
        (("nothing", "eq", "x"), []),
        (("nothing", "ne", "x"), [0, 1, 2, 3, 4]),
        (("nothing", "eq", None), [0, 1, 2, 3, 4]),
    ],
)
def test_conditions_hold_where_they_say(condition, items):
    assert holds(*condition) == items


def test_true_is_the_word_true_or_the_number_one():
    columns = ItemColumns.of(
        [{"new": True}, {"new": 1}, {"new": "TRUE"}, {"new": 2}, {"new": "yes"}]
    )
    is_new = matching(columns, parse_filter({"field": "new", "op": "eq", "value": True}))
    assert is_new.tolist() == [True, True, True, False, False]
    is_one = matching(columns, parse_filter({"field": "new", "op": "eq", "value": 1}))
    assert is_one.tolist() == [False, True, False, False, False]


def test_all_any_and_not_are_those_of_logic():
    columns = ItemColumns.of(ROWS)
    war = {"field": "genre", "op": "eq", "value": "War"}
    cheap = {"field": "price", "op": "lt", "value": 5}

    def found(given_filter):
        return np.flatnonzero(matching(columns, parse_filter(given_filter))).tolist()

    assert found({"all": [war, cheap]}) == [0]
    assert found({"any": [war, {"not": cheap}]}) == [0, 1, 2, 3, 4]
    assert found({"not": {"any": [war, cheap]}}) == [1, 2, 4]
    assert found({"all": []}) == [0, 1, 2, 3, 4]
    assert found({"any": []}) == []


def test_a_field_that_no_item_has_is_refused_with_the_nearest():
    wanted = parse_filter({"not": {"field": "gener", "op": "eq", "value": 1}})
    with pytest.raises(
        InputError, match=r'filter names "gener", which no item has\. Did you mean genre'
    ):
        check_filter(wanted, ItemColumns.of(ROWS))
    with pytest.raises(InputError, match="No item has an attribute yet"):
        check_filter(wanted, ItemColumns())


def test_a_mask_is_kept_until_a_column_that_it_looks_at_changes():
    columns = ItemColumns.of(ROWS)
    matcher = Matcher(columns)
    cheap = parse_filter({"field": "price", "op": "lt", "value": 5})
    first = matcher.mask(cheap)
    columns.put(1, {**ROWS[1], "genre": "War"})  # the price is put again, and may be another
    columns.hide(2)
    assert matcher.mask(cheap).tolist() == first.tolist()
    columns.put(3, {"price": 1})
    assert np.flatnonzero(matcher.mask(cheap)).tolist() == [0, 3]
    again = matcher.mask(cheap)
    columns.put(4, {"colour": "red"})
    assert np.flatnonzero(matcher.mask(cheap)).tolist() == [0, 3]
    assert matcher.mask(cheap) is matcher.mask(cheap)
    assert not again.flags.writeable
    columns.grow(7)
    assert len(matcher.mask(cheap)) == 7


def test_put_replaces_and_what_is_not_said_is_gone():
    columns = ItemColumns.of(ROWS)
    columns.put(0, {"price": 9})
    is_war = matching(columns, parse_filter({"field": "genre", "op": "eq", "value": "War"}))
    assert np.flatnonzero(is_war).tolist() == [3]


def test_separators_part_texts_as_they_say():
    rows = [{"tags": "new, old", "place": "York; New York"}]
    columns = ItemColumns.of(rows, separators={"tags": r",\s*"})
    assert matching(columns, parse_filter({"field": "tags", "op": "eq", "value": "old"})).all()
    assert not matching(
        columns, parse_filter({"field": "place", "op": "eq", "value": "York"})
    ).any()


values = st.one_of(
    st.none(),
    st.integers(0, 3),
    st.sampled_from(["a", "b", "a|b", "2", "2026-05-01"]),
    st.lists(st.sampled_from(["a", "b", "c", 2]), max_size=3),
)
puts = st.lists(
    st.tuples(st.integers(0, 5), st.dictionaries(st.sampled_from(["x", "y"]), values)), max_size=30
)
questions = [
    parse_filter({"field": "x", "op": op, "value": value})
    for op, value in [
        ("eq", "a"),
        ("contains", "a"),
        ("in", ["b", 2]),
        ("ne", None),
        ("ge", 2),
        ("lt", "2026-05-02"),
    ]
]


@given(puts)
def test_columns_put_one_by_one_equal_those_of_all_at_once(given_puts):
    one_by_one, kept = ItemColumns(), [{} for _ in range(6)]
    one_by_one.grow(6)
    for item, attributes in given_puts:
        one_by_one.put(item, attributes)
        kept[item] = attributes
    at_once = ItemColumns.of(kept)
    for question in questions:
        assert (matching(one_by_one, question) == matching(at_once, question)).all()
    for name in at_once.names:
        mine, theirs = one_by_one.column(name), at_once.column(name)
        np.testing.assert_array_equal(mine.times(6), theirs.times(6))
        assert (
            mine.groups_of(np.arange(6))[0].tolist() == theirs.groups_of(np.arange(6))[0].tolist()
        )


@given(puts)
def test_masks_that_follow_changes_equal_those_worked_out_anew(given_puts):
    columns = ItemColumns()
    matcher = Matcher(columns)
    negated = parse_filter({"not": {"field": "y", "op": "contains", "value": "b"}})
    for item, attributes in given_puts:
        columns.put(item, attributes)
        for question in [*questions, negated]:
            assert (matcher.mask(question) == matching(columns, question)).all()
        for name in columns.names:
            before = columns.column(name).times(columns.num_items)
            columns.column(name)._times = None
            np.testing.assert_array_equal(before, columns.column(name).times(columns.num_items))


def test_a_mask_follows_when_texts_become_lists_and_lists_texts():
    columns = ItemColumns.of([{"tags": "cartoon"}, {"tags": "art"}])
    matcher = Matcher(columns)
    art = parse_filter({"field": "tags", "op": "contains", "value": "art"})
    assert matcher.mask(art).tolist() == [True, True]
    columns.put(2, {"tags": ["art", "film"]})
    assert matcher.mask(art).tolist() == [False, True, True]
    columns.put(2, {"tags": "film"})
    assert matcher.mask(art).tolist() == [True, True, False]


def test_masks_follow_however_many_items_change():
    columns = ItemColumns.of([{"price": 1}] * 1_000)
    matcher = Matcher(columns)
    cheap = parse_filter({"field": "price", "op": "lt", "value": 5})
    for num_changed in (1, MOST_CHANGES, MOST_CHANGES + 1, 3 * MOST_CHANGES):
        assert (matcher.mask(cheap) == matching(columns, cheap)).all()
        for item in range(num_changed):
            columns.put(item, {"price": 9 - columns.num_items % 2})
        assert not matcher.mask(cheap)[:num_changed].any()
        columns.put_all((item, {"price": 2}) for item in range(num_changed))
        assert matcher.mask(cheap).all()
        columns.put(columns.num_items, {"price": 3})


def test_values_that_are_dead_are_swept_and_their_texts_forgotten():
    column = Column(None)
    column.put([0, 1], ["first", 5])
    for turn in range(5_000):
        column.put([2], [f"text {turn}"])
    assert column.size < 2_100
    assert len(column.texts) < 2_100
    assert {column.texts[column.code[column.start[item]]] for item in (0, 2)} == {
        "first",
        "text 4999",
    }
    assert column.number[column.start[1]] == 5
    assert column.count[:3].tolist() == [1, 1, 1]


def test_equal_values_share_a_group_and_items_without_have_none():
    column = ItemColumns.of([{"v": "a|b"}, {"v": 2.5}, {}, {"v": ["b", 2.5]}]).column("v")
    rows, groups = column.groups_of(np.array([3, 2, 0, 1, 9]))
    assert rows.tolist() == [0, 0, 2, 2, 3]
    assert groups[0] == groups[3] == column.code_of("b")
    assert groups[1] == groups[4]
    assert len(set(groups.tolist())) == 3
