import numpy as np
import pytest

from penchant.errors import ShapeError
from penchant.events.arrays import Part
from penchant.sequences.ranking import cut_block, gain, ranks, seen_items
from penchant.sequences.targets import TargetBlock, target_blocks

from ..evaluation.small import Drawn, block_of, log_of, random_log


def plain_rank(scores: list[float], target: int, seen: set[int]) -> int:
    """The rule in words, one list at a time."""
    clean = [-np.inf if np.isnan(s) else s for s in scores]
    rivals = [s for item, s in enumerate(clean) if item != target and item not in seen]
    return 1 + sum(s > clean[target] for s in rivals) + sum(s == clean[target] for s in rivals)


def test_the_best_item_has_rank_one():
    block = block_of([[3, 0]], [1])
    assert ranks(np.array([[0.9, 0.1, 0.2, 0.3]]), block).rank.tolist() == [1]


def test_ties_count_against_the_target():
    block = block_of([[3, 1]], [1])
    assert ranks(np.array([[0.5, 0.5, 0.5, 0.1]]), block).rank.tolist() == [3]


def test_seen_items_leave_the_list_and_stay_in_the_unfiltered_rank():
    block = block_of([[3, 0, 1]], [2])
    found = ranks(np.array([[0.9, 0.5, 0.7, 0.8]]), block)
    assert (found.rank.tolist(), found.unfiltered.tolist()) == ([2], [4])
    assert ranks(np.array([[0.9, 0.5, 0.7, 0.8]]), block, exclude_seen=False).rank.tolist() == [4]


def test_an_item_seen_twice_is_taken_out_once():
    block = block_of([[3, 3, 3, 1]], [3])
    assert ranks(np.array([[0.9, 0.5, 0.7, 0.8]]), block).rank.tolist() == [3]


def test_what_other_users_or_later_events_hold_is_not_seen():
    block = block_of([[2, 3], [0, 1, 2]], [3])
    found = ranks(np.array([[0.1, 0.5, 0.9, 0.8]]), block)
    assert found.rank.tolist() == [3]


def test_a_target_that_is_itself_seen_is_left_out_under_the_filter_only():
    block = block_of([[1, 2, 1], [1]], [2, 3])
    scores = np.array([[0.1, 0.5, 0.9]] * 2)
    assert ranks(scores, block).is_left_out.tolist() == [True, False]
    assert ranks(scores, block, exclude_seen=False).is_left_out.tolist() == [False, False]


def test_a_cold_target_is_a_miss_even_where_it_was_met_before():
    block = block_of([[-1, 0, -1]], [2])
    found = ranks(np.array([[0.1, 0.5, 0.9]]), block)
    assert (found.rank.tolist(), found.unfiltered.tolist()) == ([3 + 1], [3 + 1])
    assert found.is_left_out.tolist() == [False]


@pytest.mark.parametrize("worst", [np.nan, -np.inf])
def test_a_target_without_a_score_is_a_miss(worst):
    block = block_of([[3, 0]], [1])
    found = ranks(np.array([[worst, 0.1, np.nan, -np.inf]]), block)
    assert (found.rank.tolist(), found.unfiltered.tolist()) == ([4 + 1], [4 + 1])


def test_a_rival_without_a_score_does_not_count():
    block = block_of([[3, 0]], [1])
    assert ranks(np.array([[0.1, np.nan, np.nan, 0.0]]), block).rank.tolist() == [1]


def test_only_counting_event_types_make_an_item_seen():
    log = log_of([[0, 1, 0, 2, 1]], ["ttsss"], types=[[1, 0, 0, 0, 0]])
    block = next(target_blocks(log, Part.TEST))
    seen = seen_items(block, event_types=[1])
    assert (seen.target.tolist(), seen.item.tolist()) == ([0, 1, 2], [0, 0, 0])
    assert seen.is_repeat.tolist() == [True, False, False]
    none = seen_items(block, event_types=[7])
    assert len(none.target) == 0
    assert not none.is_repeat.any()


@pytest.mark.parametrize("seed", range(5))
def test_ranks_equal_the_rule_in_words(seed):
    log = random_log(seed)
    for block in target_blocks(log, Part.TEST):
        scores = Drawn(17, seed).score(block)
        scores[::3, 4] = np.nan
        found = ranks(scores, block)
        for place, row in enumerate(block.rows):
            history = set(block.log.item_index[block.starts[place] : row].tolist()) - {-1}
            target = int(block.items[place])
            if target < 0 or np.isnan(scores[place, target]):
                assert (found.rank[place], found.unfiltered[place]) == (17 + 1, 17 + 1)
                continue
            assert found.is_left_out[place] == (target in history)
            assert found.unfiltered[place] == plain_rank(scores[place].tolist(), target, set())
            if target not in history:
                assert found.rank[place] == plain_rank(scores[place].tolist(), target, history)


def test_optimistic_ties_would_be_noticed():
    log = random_log(3)
    block = next(target_blocks(log, Part.TEST))
    scores = Drawn(17).score(block)
    own = scores[np.arange(len(scores)), np.maximum(block.items, 0)]
    optimistic = 1 + (scores > own[:, None]).sum(1)
    assert (optimistic <= ranks(scores, block, exclude_seen=False).rank).all()
    assert (optimistic[block.items >= 0] != ranks(scores, block).unfiltered[block.items >= 0]).any()


@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (2,), (3, 4)])
def test_scores_of_another_shape_are_refused(shape):
    block = block_of([[3, 0, 1]], [1, 2])
    with pytest.raises(ShapeError) as raised:
        ranks(np.zeros(shape), block)
    assert (
        f"one row per target (2) and one column per item (at least 4) but have shape {shape}"
        in str(raised.value)
    )


@pytest.mark.parametrize("block_cells", [1, 17, 50, 170, 10**6])
def test_cutting_a_block_changes_no_rank(block_cells):
    log = random_log(1)
    ranker = Drawn(17)
    whole, cut = [], []
    for block in target_blocks(log, Part.TEST, block_events=60):
        whole.append(ranks(ranker.score(block), block))
        for piece in cut_block(block, 17, block_cells):
            assert len(piece.rows) * 17 <= max(block_cells, 17)
            cut.append(ranks(ranker.score(piece), piece))
    for name in ("rank", "is_left_out", "unfiltered"):
        parts = [np.concatenate([getattr(found, name) for found in side]) for side in (whole, cut)]
        assert parts[0].tolist() == parts[1].tolist()


def test_a_piece_holds_no_events_after_its_last_target():
    block = block_of([[3, 0, 1, 2], [2, 1]], [1, 2, 5])
    pieces = list(cut_block(block, 4, block_cells=4))
    assert [piece.log.item_index.tolist() for piece in pieces] == [[3, 0], [3, 0, 1], [2, 1]]
    assert [piece.items.tolist() for piece in pieces] == [[0], [1], [1]]
    assert [piece.users.tolist() for piece in pieces] == [[0], [0], [1]]


def test_gain_is_ndcg_of_one_target():
    assert gain(np.array([1, 2, 3, 4]), 3) == pytest.approx([1, 1 / np.log2(3), 1 / 2, 0])


def test_a_block_without_history_has_nothing_seen():
    seen = seen_items(TargetBlock(log_of([[2]], ["s"]), np.array([0]), np.array([0])))
    assert (len(seen.item), seen.is_repeat.tolist()) == (0, [False])
