import numpy as np
import pytest

from penchant.serving.questions import Choice, SimulatedUsers, asked_order, choose_questions

# Items 0 to 2 may be asked about. Everybody knows 0; 1 is known by the first kind of users alone,
# who want 3; 2 by one of each kind. The others want 4.
POOL = np.array([0, 1, 2])
KNOWS = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 0, 1]], bool)
WANTED = np.zeros((4, 5), bool)
WANTED[[0, 1], 3] = WANTED[[2, 3], 4] = True
SECOND = 1 / np.log2(3)
"""NDCG of a list whose second item is the one that is wanted."""


def first_kind(answers):
    """Return the list (3, 4) to whoever knows item 1, else (4, 3)."""
    return np.array([[3, 4] if 1 in answer else [4, 3] for answer in answers])


def users() -> SimulatedUsers:
    return SimulatedUsers(POOL, KNOWS, WANTED)


def test_the_telling_question_comes_first_and_not_the_most_known():
    choices, before = choose_questions(users(), 1, first_kind)
    assert [each.item_index for each in choices] == [1]
    assert before == pytest.approx((2 * SECOND + 2 * 1) / 4)
    assert choices[0].ndcg == pytest.approx(1)


def test_pairs_told_apart_are_counted():
    choices, _ = choose_questions(users(), 3, first_kind)
    # 1 parts users 0, 1 from 2, 3: 4 of 6 pairs. No list gains more: then the more known of equals.
    assert [each.item_index for each in choices] == [1, 0, 2]
    assert [each.told_apart for each in choices] == pytest.approx([4 / 6, 4 / 6, 1])


def test_no_more_is_asked_than_may_be():
    choices, _ = choose_questions(users(), 9, first_kind)
    assert sorted(each.item_index for each in choices) == [0, 1, 2]


def test_an_item_is_asked_first_where_the_last_answer_counts():
    def last_answer(answers):
        return np.array([[3, 4] if answer[-1:] == (1,) else [4, 3] for answer in answers])

    choices, _ = choose_questions(users(), 2, last_answer)
    assert [(each.item_index, each.is_first) for each in choices] == [(1, False), (0, True)]
    assert [each.item_index for each in asked_order(choices)] == [0, 1]


def test_answers_come_in_the_order_of_asking():
    heard = set()

    def listen(answers):
        heard.update(answers)
        return first_kind(answers)

    choices, _ = choose_questions(users(), 3, listen)
    order = [each.item_index for each in asked_order(choices)]
    for knows in KNOWS:
        assert tuple(item for item in order if knows[item]) in heard


def test_every_trial_is_told():
    told = []
    choose_questions(users(), 2, first_kind, lambda done, all_: told.append((done, all_)))
    assert told == [(done, 3 + 2 * 2) for done in range(1, 8)]


def test_what_may_be_asked_is_never_wanted():
    wanted = WANTED.copy()
    wanted[2, 1] = True
    with pytest.raises(AssertionError, match="what may be asked is not to be found"):
        SimulatedUsers(POOL, KNOWS, wanted)


def test_those_asked_first_stand_before_the_others():
    chosen = [Choice(item, is_first, 0, 0) for item, is_first in ((5, 0), (8, 1), (2, 0), (9, 1))]
    assert [each.item_index for each in asked_order(chosen)] == [9, 8, 5, 2]
