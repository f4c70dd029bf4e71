"""What is a filter and what is none, each fault with its place and figures."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import InputError
from penchant.policies import filter_to_dict, parse_filter
from penchant.policies.filters import AllOf, AnyOf, Condition, Not, filter_key

scalars = st.one_of(
    st.text(max_size=5).map(str.strip), st.integers(-9, 9), st.booleans(), st.none()
)
conditions = st.one_of(
    st.builds(Condition, st.sampled_from("abc"), st.sampled_from(["eq", "ne"]), scalars),
    st.builds(Condition, st.just("d"), st.just("in"), st.lists(scalars, max_size=3).map(tuple)),
    st.builds(Condition, st.just("e"), st.sampled_from(["lt", "ge"]), st.integers(0, 9)),
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@given(filters)
def test_a_filter_written_and_read_is_the_same(one):
    assert parse_filter(filter_to_dict(one)) == one


def test_times_of_toml_become_texts():
    found = parse_filter({"field": "created_at", "op": "ge", "value": dt.date(2026, 5, 1)})
    assert found == Condition("created_at", "ge", "2026-05-01")


def test_one_and_true_are_different_filters():
    keys = {filter_key(Condition("a", "eq", value)) for value in (1, True, 1.0, "1")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("given_filter", "message"),
    [
        ([], r"filter must be a table but is \[\]"),
        ({"feld": "a", "op": "eq", "value": 1}, 'filter has no "feld". Did you mean field'),
        ({"field": "a", "op": "eq"}, "filter must say its value"),
        ({"field": 3, "op": "eq", "value": 1}, "filter.field must be a name but is 3"),
        ({"field": "a", "op": "equals", "value": 1}, 'filter.op is none: "equals"'),
        ({"field": "a", "op": [], "value": 1}, r"filter.op is none: \[\]"),
        ({"field": "a", "op": "in", "value": 1}, "filter.value must be a list but is 1"),
        ({"field": "a", "op": "eq", "value": [1]}, r"filter.value must be a text.* but is \[1\]"),
        ({"field": "a", "op": "in", "value": [[1]]}, r"filter.value\[0\] must be a text"),
        ({"field": "a", "op": "lt", "value": "m"}, 'a number or a time for lt but is "m"'),
        ({"field": "a", "op": "lt", "value": True}, "a number or a time for lt but is true"),
        ({"field": "a", "op": "contains", "value": None}, "for contains but is null"),
        ({"field": "a", "op": "eq", "value": float("nan")}, "a finite number.* but is NaN"),
        ({"all": [], "any": []}, 'filter must hold "all" alone but also holds any'),
        ({"all": {}}, "filter.all must be a list but is {}"),
        (
            {"any": [{"not": {"all": [3]}}]},
            r"filter.any\[0\].not.all\[0\] must be a table but is 3",
        ),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(given_filter, message):
    with pytest.raises(InputError, match=message):
        parse_filter(given_filter)


def test_depth_conditions_values_and_letters_have_limits():
    leaf = {"field": "a", "op": "eq", "value": 1}
    deep = leaf
    for _ in range(7):
        deep = {"not": deep}
    assert parse_filter(deep)
    with pytest.raises(InputError, match="lies deeper than 8 levels"):
        parse_filter({"not": deep})
    assert parse_filter({"any": [leaf] * 64})
    with pytest.raises(InputError, match="at most 64 conditions but has 65"):
        parse_filter({"any": [leaf] * 65})
    with pytest.raises(InputError, match="at most 1000 values but has 1001"):
        parse_filter({"field": "a", "op": "in", "value": [1] * 1001})
    with pytest.raises(InputError, match="at most 1000 letters but has 1001"):
        parse_filter({"field": "a", "op": "eq", "value": "x" * 1001})
