"""Texts of items against the fading texts of the latest events."""

import math

import pytest
import torch

from penchant.errors import ConfigError
from penchant.interest import NoLikeness, TextLikeness, likenesses
from penchant.packed import PackedEvents

TEXTS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, 0.0], [0.0, -1.0]]).double()


def test_sums_fade_by_the_decay_and_do_not_mix_users() -> None:
    likeness = TextLikeness(0.5, 2, 8, -1)
    events = PackedEvents.from_lists([[0, 0], [0, 0, 0]])
    before = torch.tensor([[0.0, 4.0], [0.0, 0.0]]).double()
    after, last = likeness(TEXTS, events.user, events.offsets, before)
    expected = [
        [1, 4 / 2],
        [1 / 2, 4 / 4 + 1],
        [0.6, 0.8],
        [0.6 / 2, 0.8 / 2],
        [0.6 / 4, 0.8 / 4 - 1],
    ]
    torch.testing.assert_close(after, torch.tensor(expected).double())
    torch.testing.assert_close(last, after[[1, 4]])


def test_steps_equal_the_whole() -> None:
    likeness = TextLikeness(0.7, 2, 8, -1)
    texts = torch.nn.functional.normalize(torch.randn(9, 5).double(), dim=1)
    events = PackedEvents.from_lists([list(range(9))])
    after, _ = likeness(texts, events.user, events.offsets, torch.zeros(1, 5).double())
    sums = torch.zeros(1, 5).double()
    for row in range(9):
        sums = likeness.step(texts[row : row + 1], sums)
        torch.testing.assert_close(sums[0], after[row], atol=1e-9, rtol=0)


def test_without_a_decay_the_last_text_alone_counts() -> None:
    events = PackedEvents.from_lists([[0, 0, 0]])
    likeness = TextLikeness(0, 2, 8, 0)
    after, _ = likeness(TEXTS[:3], events.user, events.offsets, torch.zeros(1, 2).double())
    torch.testing.assert_close(likeness.asked(after)[:, :2], TEXTS[:3])


def test_scores_are_weighed_cosines_and_the_offset_of_new_items() -> None:
    likeness = TextLikeness(0.5, 2, 8, -1)
    items = likeness.beside(TEXTS[[0, 2, 3]], torch.tensor([True, False, False]))
    asked = likeness.asked(torch.tensor([[3.0, 0.0], [0.0, 0.0]]).double())
    expected = [[2 * 1, 8 * 0.6 - 1, -1], [0, -1, -1]]
    torch.testing.assert_close(asked @ items.T, torch.tensor(expected).double())
    torch.testing.assert_close(likeness.texts(items), TEXTS[[0, 2, 3]])


def test_texts_can_be_read_back_where_they_count_nothing() -> None:
    likeness = TextLikeness(0.5, 0, 8, -1)
    items = likeness.beside(TEXTS, torch.ones(5, dtype=torch.bool))
    torch.testing.assert_close(likeness.texts(items), TEXTS)
    assert items.abs().max() == pytest.approx(1e-3)


def test_nothing_is_compared_until_numbers_are_chosen_or_given() -> None:
    assert not NoLikeness().is_used
    likeness = TextLikeness(weight=3)
    assert (likeness.is_used, likeness.is_chosen) == (False, False)
    likeness.choose(0.25, 1, 4, -2)
    assert likeness.is_used
    assert likeness.numbers.tolist() == [0.25, 3, 4, -2], "what is given stays"
    assert TextLikeness(0.5, 1, 1, 0).is_chosen
    assert TextLikeness(0.5, 1, 1, 0).is_used


@pytest.mark.parametrize(
    ("settings", "found"),
    [({"decay": 1.0}, "below 1 but is 1.0"), ({"weight": -2.0}, "negative but is -2.0")],
)
def test_numbers_out_of_range_are_refused(settings, found) -> None:
    with pytest.raises(ConfigError, match=found):
        likenesses.build("text", settings)


def test_a_decay_near_nothing_is_a_number() -> None:
    assert math.isfinite(float(TextLikeness(1e-30, 1, 1, 0).step(TEXTS, TEXTS).sum()))
