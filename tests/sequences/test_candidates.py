import numpy as np
import pytest

from penchant.errors import UsageError
from penchant.events.arrays import NO_PART, Part
from penchant.sequences.candidates import among_candidates, candidate_items
from penchant.sequences.ranking import listable, ranks
from penchant.sequences.targets import target_blocks

from ..evaluation.small import block_of, log_of

LOG = log_of([[0, 1, 3], [2, 0, 1, -1], [1, 4]], ["tvs", "ttss", "ts"])


def test_items_with_training_events_are_warm_and_all_others_cold():
    assert candidate_items(LOG, 6, "warm").tolist() == [True, True, True, False, False, False]
    assert candidate_items(LOG, 6, "cold").tolist() == [False, False, False, True, True, True]
    assert candidate_items(LOG, 6, "all") is None
    with pytest.raises(UsageError):
        candidate_items(LOG, 6, "")


def test_targets_on_other_items_are_history_and_nothing_else_changes():
    only = among_candidates(LOG, candidate_items(LOG, 6, "cold"))
    t, s = Part.TRAIN, Part.TEST
    assert only.part.tolist() == [t, NO_PART, s, t, t, NO_PART, NO_PART, t, s]
    assert only.part.dtype == LOG.part.dtype
    (block,) = target_blocks(only, Part.TEST)
    assert (block.items.tolist(), block.last_items.tolist()) == ([3, 4], [1, 1])
    assert among_candidates(LOG, None) is LOG


def test_what_is_no_candidate_stands_nowhere():
    block = block_of([[0, 3], [1, 2]], [1, 3])
    scores = np.array([[9, 8, 7, 6], [9, 8, 7, 6]], dtype=np.float32)
    only = listable(scores, np.array([False, True, False, True]))
    assert only.dtype == np.float32
    found = ranks(only, block)
    assert found.rank.tolist() == [2, 5]  # 1 stands before 3; 2 is no candidate: a miss
    assert found.unfiltered.tolist() == [2, 5]
    assert scores[0, 0] == 9  # a ranker may keep what it gave
