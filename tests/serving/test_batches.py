import numpy as np
import pytest

from penchant.serving import Event, batches
from penchant.serving.batches import lists_of, user_blocks
from penchant.serving.histories import HistoryEvent
from penchant.serving.ranking import Ranker

from .world import ITEMS, make_bundle, make_log


def test_every_user_stands_in_exactly_one_block(monkeypatch):
    monkeypatch.setattr(batches, "BLOCK_EVENTS", 10)
    lengths = np.array([4, 0, 7, 30, 1, 1, 0, 9, 9])
    blocks = list(user_blocks(lengths, 5))
    assert [(block.start, block.stop) for block in blocks] == [
        (0, 2), (2, 3), (3, 4), (4, 7), (7, 8), (8, 9)
    ]  # fmt: skip
    assert list(user_blocks(np.array([], int), 5)) == []


def test_a_large_catalogue_makes_small_blocks(monkeypatch):
    monkeypatch.setattr(batches, "BLOCK_CELLS", 50)
    blocks = list(user_blocks(np.array([1, 1, 1, 1, 1]), 20))
    assert [(block.start, block.stop) for block in blocks] == [(0, 2), (2, 4), (4, 5)]


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_lists_in_blocks_are_the_lists_of_each_user_alone(monkeypatch, exclude_seen):
    ranker = Ranker(make_bundle())
    histories: dict[str, list] = {}
    for event in make_log():
        kept = Event.of(event).logged(0)
        histories.setdefault(event["user_id"], []).append(kept)
    log = ranker.arrays(list(histories.values()))
    monkeypatch.setattr(batches, "BLOCK_EVENTS", 12)
    together = [items for block in lists_of(ranker, log, 4, exclude_seen) for items in block]
    for history, items in zip(histories.values(), together, strict=True):
        [[alone]] = lists_of(ranker, ranker.arrays([history]), 4, exclude_seen)
        assert [item.item_id for item in alone] == [item.item_id for item in items]


def test_asked_earlier_only_what_was_known_by_then_counts():
    ranker = Ranker(make_bundle())
    history = [Event("u", ITEMS[n], timestamp=10.0 * n).logged(0) for n in range(1, 6)]
    untimed = [HistoryEvent("tea"), HistoryEvent("oats")]
    early = ranker.arrays([history[:3], untimed])
    whole = ranker.arrays([history, untimed])
    [wanted] = lists_of(ranker, early, 4, True, 30_000)
    [found] = lists_of(ranker, whole, 4, True, 30_000)
    assert found == wanted
    [late] = lists_of(ranker, whole, 4, True, 50_000)
    assert late[0] != wanted[0]
