import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import InputError
from penchant.events.vocabulary import SMALL, Vocabulary

distinct_ids = st.lists(st.text(max_size=4), unique=True, max_size=30)


def test_index_and_id_are_each_others_inverse():
    vocabulary = Vocabulary(["b", "é", "", "a/1"])
    assert [vocabulary.index(outside_id) for outside_id in vocabulary] == [0, 1, 2, 3]
    assert [vocabulary.id(index) for index in range(4)] == ["b", "é", "", "a/1"]
    assert len(vocabulary) == 4


def test_unknown_ids_have_no_index():
    vocabulary = Vocabulary(["b", "a"])
    assert vocabulary.index("c") is None
    assert "c" not in vocabulary
    assert "a" in vocabulary
    assert vocabulary.indices(["c", "a", "c"]).tolist() == [-1, 1, -1]


def test_many_ids_are_found_as_few_are():
    vocabulary = Vocabulary([str(number) for number in range(7, 500)])
    asked = [str(number % 613) for number in range(0, 3 * SMALL, 2)]
    assert len(asked) > SMALL
    one_by_one = [vocabulary.index(outside_id) for outside_id in asked]
    expected = [-1 if index is None else index for index in one_by_one]
    for form in (asked, np.array(asked), pl.Series(asked)):
        found = vocabulary.indices(form)
        assert found.dtype == np.int64
        assert found.tolist() == expected


def test_an_empty_vocabulary_knows_nothing():
    assert Vocabulary([]).indices(["a"]).tolist() == [-1]
    assert Vocabulary([]).indices(["a"] * (SMALL + 1)).tolist() == [-1] * (SMALL + 1)
    assert Vocabulary(["a"]).indices([]).tolist() == []


@given(old=distinct_ids, new=st.lists(st.text(max_size=4), max_size=30))
def test_growing_keeps_old_indices_and_knows_all_new_ids(old, new):
    grown = Vocabulary(old).grow(new)
    assert list(grown.ids[: len(old)]) == old
    assert set(grown) == set(old) | set(new)


def test_a_repeated_id_is_refused():
    with pytest.raises(InputError, match="distinct, but 'a' stands 3 times"):
        Vocabulary(["b", "a", "c", "a", "a"])


def test_a_null_id_is_refused():
    with pytest.raises(InputError, match="not be null, but number 1 is"):
        Vocabulary(["b", None])


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_outside_is_refused(index):
    with pytest.raises(IndexError, match=f"Index {index} is outside of the 2 ids"):
        Vocabulary(["b", "a"]).id(index)


def test_vocabularies_are_equal_by_content():
    assert Vocabulary(["b", "a"]) == Vocabulary(["b", "a"])
    assert Vocabulary(["b", "a"]) != Vocabulary(["a", "b"])
