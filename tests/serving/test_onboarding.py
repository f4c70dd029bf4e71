import numpy as np
import polars as pl
import pytest

from penchant import EventLog, Recommender
from penchant.errors import InputError, UsageError
from penchant.serving.onboarding import Onboarding, answered, onboarding, question_pool
from penchant.serving.ranking import Ranker

from .world import make_bundle

ALL = 48
STAR, NAMES = "star", [f"{kind}{number}" for kind in "ab" for number in range(7)]


@pytest.fixture(scope="module")
def data():
    """Two kinds of users, each with items of its own; everybody knows the star."""
    draw, rows = np.random.default_rng(7), []
    for user in range(ALL):
        own = NAMES[:7] if user % 2 else NAMES[7:]
        for place, item in enumerate([STAR, *draw.permutation(own)[:6].tolist()]):
            rows.append((f"u{user:02}", item, 1_000_000 + 977 * place + 13 * user))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return EventLog.read(events).prepare(split="leave-one-out")


@pytest.fixture(scope="module")
def rec(data):
    quick = {"num_epochs": 8, "tracker": "none", "learning_rate": 0.02, "num_threads": 1}
    recommender = Recommender.from_config("default", width=8, training=quick)
    return recommender.fit(data, progress="none")


@pytest.fixture(scope="module")
def chosen(rec, data):
    return onboarding(rec.ranker, data, 3)


def test_the_item_that_everybody_knows_tells_nothing_and_is_not_asked_first(chosen, data):
    first = next(each for each in chosen.questions if each.place == 1)
    assert first.item_id != STAR
    assert _num_known(data)[data.items.index(STAR)] == ALL
    assert STAR in [data.items.id(item) for item in question_pool(_num_known(data), 3)]


def test_the_answers_better_the_lists(chosen):
    in_order_of_choice = sorted(chosen.questions, key=lambda each: each.place)
    values = [chosen.ndcg_before, *(each.ndcg for each in in_order_of_choice)]
    assert values == sorted(values)
    assert chosen.last.ndcg > chosen.ndcg_before + 0.05
    assert 0.4 < chosen.last.told_apart <= 1


def test_questions_are_distinct_known_and_counted(chosen, data):
    assert len(set(chosen.item_ids)) == len(chosen) == 3
    for each in chosen.questions:
        expected = _num_known(data)[data.items.index(each.item_id)]
        assert each.num_users == expected
        assert each.share == pytest.approx(expected / ALL)


def test_the_same_seed_asks_the_same(rec, data, chosen):
    assert onboarding(rec.ranker, data, 3) == chosen
    few = [onboarding(rec.ranker, data, 2, num_users=9, seed=5) for _ in range(2)]
    assert few[0] == few[1]
    assert few[0].num_users == 9


def test_the_first_questions_of_a_longer_onboarding_are_those_of_a_shorter(rec, data, chosen):
    assert chosen.first(2) == onboarding(rec.ranker, data, 2)


def test_questions_are_stored_as_plain_values(chosen):
    assert Onboarding.from_dict(chosen.to_dict()) == chosen


def test_questions_that_were_kept_need_no_data(rec, chosen, tmp_path):
    assert rec.onboarding(3) == chosen
    rec.save(tmp_path / "bundle")
    alone = Recommender.load(tmp_path / "bundle")
    assert alone.onboarding(3) == chosen
    assert alone.onboarding(2) == chosen.first(2)
    assert alone.bundle.id == rec.bundle.id
    with pytest.raises(UsageError, match="Prepared data is needed"):
        alone.onboarding(4)


def test_answers_are_a_history_without_times(rec):
    scores = answered(rec.ranker, [(1, 4), (), (4, 1)])
    log = rec.ranker.fold(rec.ranker.arrays([[], []]))
    assert scores[1] == pytest.approx(rec.ranker.scores(log, [None, None])[0], abs=1e-6)
    assert not np.allclose(scores[0], scores[2])


def test_the_pool_is_the_more_known_half():
    num_known = np.array([4, 1, 9, 0, 4, 2, 3, 1])
    # five items are known by two users: two of them may be asked, the lower index of equals first
    assert question_pool(num_known, 10).tolist() == [2, 0]
    assert len(question_pool(np.full(300, 5), 10)) == 40
    assert len(question_pool(np.full(300, 5), 12)) == 48


def test_too_little_to_ask_about_is_said(data):
    with pytest.raises(InputError, match=r"must be known by 2 users.* but 1 items are known"):
        question_pool(np.array([2, 1, 1]), 10)
    stranger = Ranker(make_bundle())  # knows none of the data's items
    with pytest.raises(InputError, match="but 0 items are known by so many"):
        onboarding(stranger, data)


def _num_known(data) -> np.ndarray:
    train = data.log.train
    pairs = {*zip(train.user.tolist(), train.item_index.tolist(), strict=True)}
    return np.bincount([item for _, item in pairs], minlength=len(data.items))
