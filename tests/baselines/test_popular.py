import numpy as np
import pytest

from penchant.baselines import Popular, RecentPopular
from penchant.baselines.popular import ALL, HOUR_MS
from penchant.events.arrays import NO_TIME, Part
from penchant.sequences.targets import TargetBlock, target_blocks

from ..evaluation.small import log_of, random_log


def scores_of(baseline, log, part=Part.TEST):
    return np.concatenate([baseline.score(block) for block in target_blocks(log, part)])


def test_popularity_counts_training_events_of_known_items_only():
    log = log_of([[0, 2, -1, 2, 1], [2, 1]], ["tttvs", "ts"])
    assert scores_of(Popular().fit(log, 4), log).tolist() == [[1, 0, 2, 0]] * 2


TIMED = log_of(
    [[0, 1, 2, 0], [1, 1, 3], [2, 0]],
    ["ttts", "tts", "ts"],
    times=[[10, 20, 30, 35], [22, 30, 30], [90, 21]],
)


def window_counts(log, asked_ms, window_ms, num_items):
    """The rule in words: one query at a time."""
    timed = (log.part == Part.TRAIN) & (log.time_ms != NO_TIME)
    known = timed & (log.item_index >= 0)
    end = int(log.time_ms[known].max()) + 1
    end = end if asked_ms == NO_TIME else min(end, asked_ms)
    inside = known & (log.time_ms < end) & (log.time_ms >= end - window_ms)
    return np.bincount(log.item_index[inside], minlength=num_items)


def test_a_window_holds_what_came_before_the_time_of_asking():
    baseline = RecentPopular(window_ms=10).fit(TIMED, 4)
    counts = np.floor(scores_of(baseline, TIMED))
    assert counts[0].tolist() == [0, 1, 1, 0]  # asked at 35: the two events at 30
    assert counts[1].tolist() == [
        0,
        2,
        0,
        0,
    ]  # asked at 30: 20 and 22, the events at 30 are not past
    assert counts[2].tolist() == [0, 1, 0, 0]  # asked at 21: 20


def test_ties_in_the_window_are_broken_by_popularity_up_to_then_and_never_by_the_future():
    baseline = RecentPopular(window_ms=10).fit(TIMED, 4)
    scores = scores_of(baseline, TIMED)
    assert scores[2] == pytest.approx([0 + 1 / 7, 1 + 1 / 7, 0, 0])
    assert scores[0] == pytest.approx([1 / 7, 1 + 3 / 7, 1 + 1 / 7, 0])


def test_asked_after_the_training_part_the_window_ends_with_it():
    late = log_of([[0, 1], [2, 1]], ["ts", "ts"], times=[[10, 9_000], [100, 50]])
    scores = scores_of(RecentPopular(window_ms=10).fit(late, 3), late)
    assert np.floor(scores[0]).tolist() == [0, 0, 1]
    assert np.floor(scores[1]).tolist() == [0, 0, 0]


def test_asked_at_an_unknown_time_the_window_ends_with_the_training_part():
    log = log_of([[0, 1], [2, 1]], ["ts", "ts"], times=[[10, NO_TIME], [100, 50]])
    assert np.floor(scores_of(RecentPopular(window_ms=10).fit(log, 3), log)[0]).tolist() == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window_ms", [1, 20, 133, ALL])
def test_sliding_counts_equal_counting_each_window_anew(seed, window_ms):
    log = random_log(seed, num_users=31)
    baseline = RecentPopular(window_ms=window_ms).fit(log, 17)
    blocks = list(target_blocks(log, Part.TEST))
    found = np.floor(np.concatenate([baseline.score(block) for block in blocks]))
    asked = np.concatenate([block.times_ms for block in blocks])
    want = [window_counts(log, time, window_ms, 17) for time in asked]
    assert found.tolist() == np.array(want).tolist()


def test_the_window_is_chosen_on_validation():
    fresh = HOUR_MS // 2  # each item is popular for an hour, item 0 was long ago
    items, times, parts = [], [], []
    for hour in range(1, 9):
        items.append([0, 0, hour, hour, hour])
        start = 10_000 * HOUR_MS + hour * 10 * HOUR_MS
        times.append([0, 1, start, start + 1, start + fresh])
        parts.append("ttttv")
    log = log_of(items, parts, times)
    baseline = RecentPopular(exclude_seen=False).fit(log, 9)
    assert baseline.chosen == {"window_ms": HOUR_MS}


def test_no_training_event_at_or_after_the_time_of_asking_counts():
    log = log_of([[0, 0, 1], [2, 2, 2, 1]], ["tts", "ttts"], times=[[1, 2, 5], [5, 6, 7, 9]])
    scores = scores_of(RecentPopular().fit(log, 3), log)
    assert (scores[0].argmax(), scores[0][2]) == (0, 0)


def test_without_times_the_newest_events_of_each_user_count():
    log = log_of([[0, 0, 0, 1, 9], [0, 2, 1, 9]], ["tttts", "ttts"])
    scores = scores_of(RecentPopular(newest=2).fit(log, 10), log)
    assert np.floor(scores[0])[:3].tolist() == [1, 2, 1]
    assert scores[0][0] == pytest.approx(1 + 4 / 8)
    assert RecentPopular(newest=2).fit(log, 10).chosen == {"newest": 2}


def test_without_times_and_validation_everything_counts():
    log = log_of([[0, 0, 1, 2]], ["ttts"])
    assert RecentPopular().fit(log, 3).chosen == {"newest": "all"}


def test_an_empty_training_part_gives_equal_scores():
    log = log_of([[0], [1]], ["s", "s"])
    for baseline in (Popular(), RecentPopular()):
        assert scores_of(baseline.fit(log, 2), log).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("kind", [Popular, RecentPopular])
def test_scores_are_float32_and_fresh(kind):
    log = random_log()
    block: TargetBlock = next(target_blocks(log, Part.TEST))
    baseline = kind().fit(log, 17)
    scores = baseline.score(block)
    kept = scores.copy()
    scores[:] = 0
    assert scores.dtype == np.float32
    assert baseline.score(block).tolist() == kept.tolist()
