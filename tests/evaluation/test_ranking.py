from functools import partial

import numpy as np
import pytest

from penchant.errors import InputError, ShapeError
from penchant.evaluation import rank_targets
from penchant.events.arrays import Part
from penchant.sequences.ranking import cut_block

from .small import Drawn, Fixed, log_of, random_log

NOVELTY = np.array([1.0, 2.0, 3.0, 4.0])


def test_all_rankers_are_asked_for_the_same_targets():
    log = log_of([[0, 1, 2], [3], [1, 0, 3]], ["tss", "t", "tts"])
    rankers = {"down": Fixed([4, 3, 2, 1]), "up": Fixed([1, 2, 3, 4])}
    found = rank_targets(rankers, log, Part.TEST, NOVELTY)
    assert found.user.tolist() == [0, 0, 2]
    assert found.item.tolist() == [1, 2, 3]
    assert found.by_ranker["down"].rank.tolist() == [1, 1, 2]
    assert found.by_ranker["up"].rank.tolist() == [3, 2, 1]
    assert found.by_ranker["down"].unfiltered.tolist() == [2, 3, 4]


def test_lists_leave_out_what_was_seen():
    log = log_of([[0, 1]], ["ts"])
    ranked = rank_targets({"down": Fixed([4, 3, 2, 1])}, log, Part.TEST, NOVELTY, ks=(1, 2))
    down = ranked.by_ranker["down"]
    assert {k: values.tolist() for k, values in down.novelty.items()} == {1: [2], 2: [(2 + 3) / 2]}
    assert down.coverage == {1: 1 / 4, 2: 2 / 4}
    open_ = rank_targets(
        {"down": Fixed([4, 3, 2, 1])}, log, Part.TEST, NOVELTY, ks=(1,), exclude_seen=False
    )
    assert open_.by_ranker["down"].novelty[1].tolist() == [1]


def test_lists_of_targets_that_are_left_out_cover_nothing():
    log = log_of([[0, 0]], ["ts"])
    found = rank_targets({"down": Fixed([4, 3, 2, 1])}, log, Part.TEST, NOVELTY)
    assert found.is_left_out.tolist() == [True]
    assert found.by_ranker["down"].coverage == {10: 0}


def test_a_ranker_keeps_the_scores_it_gave():
    class Keeping:
        kept: np.ndarray

        def score(self, block):
            self.kept = np.ones((len(block.rows), 4), dtype=np.float32)
            return self.kept

    ranker = Keeping()
    rank_targets({"r": ranker}, log_of([[0, 1]], ["ts"]), Part.TEST, NOVELTY)
    assert ranker.kept.tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("cells", [20, 60, 10**6])
def test_how_targets_are_cut_changes_nothing(monkeypatch, cells):
    log, novelty = random_log(3), np.arange(17.0)
    whole = rank_targets({"r": Drawn(17)}, log, Part.TEST, novelty)
    monkeypatch.setattr(
        "penchant.evaluation.ranking.cut_block", partial(cut_block, block_cells=cells)
    )
    cut = rank_targets({"r": Drawn(17)}, log, Part.TEST, novelty)
    assert cut.user.tolist() == whole.user.tolist()
    assert cut.is_left_out.tolist() == whole.is_left_out.tolist()
    for name in ("rank", "unfiltered"):
        ours, theirs = (getattr(r.by_ranker["r"], name) for r in (cut, whole))
        assert ours.tolist() == theirs.tolist()
    assert cut.by_ranker["r"].coverage == whole.by_ranker["r"].coverage


def test_progress_counts_up_to_all_targets():
    seen = []
    log = random_log(4)
    rank_targets(
        {"r": Drawn(17)}, log, Part.TEST, np.zeros(17), progress=lambda *call: seen.append(call)
    )
    num_targets = int((log.part == Part.TEST).sum())
    assert seen[-1] == (num_targets, num_targets)


def test_an_empty_part_is_refused():
    with pytest.raises(InputError) as raised:
        rank_targets({"r": Fixed([0] * 4)}, log_of([[0, 1]], ["tt"]), Part.TEST, NOVELTY)
    assert str(raised.value) == (
        "evaluation needs targets, but the test part of the data is empty. "
        "Prepare the data with another split, such as leave-one-out."
    )


def test_a_ranker_of_another_vocabulary_is_refused():
    with pytest.raises(ShapeError) as raised:
        rank_targets({"old": Fixed([0] * 3)}, log_of([[0, 1]], ["ts"]), Part.TEST, NOVELTY)
    assert str(raised.value) == (
        'ranker "old" must score every item for every target, (1, 4), but gave (1, 3). '
        "Rank with a model of the same vocabulary as the data."
    )
