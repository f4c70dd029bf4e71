from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from penchant.baselines import RecentPopular, SegmentPopular
from penchant.baselines.segment_popular import COUNTS, SETTINGS, SegmentCounts
from penchant.baselines.user_segments import UserSegments
from penchant.errors import CorruptBundleError
from penchant.events import EventLog, FeatureEncoder, Part
from penchant.sequences.targets import target_blocks

DAY_S = 86_400
PLANS = pl.DataFrame({"plan": ["free", "free", "paid"], "home": ["x", "y", "y"]})
INFINITE = float("inf")


def popular(strength: float) -> SegmentPopular:
    """Return counts of three items: 6, 3 and 1 events in all, of which paying users had 0, 3, 1."""
    segments = UserSegments.fit(FeatureEncoder.fit(PLANS), PLANS)  # free, paid; y, x
    offsets, item, num = [0, 0, 2, 2, 3], [1, 2, 0], [3, 1, 2]
    counts = SegmentCounts(*(np.array(each, np.int64) for each in (offsets, item, num)))
    return SegmentPopular(segments, np.array([6.0, 3.0, 1.0]), counts, strength, {"newest": 2})


def prepared(num_users: int = 60, seed: int = 4, **options):
    """Prepare a log in which users of plan a take even items and those of plan b odd ones."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(num_users):
        own = np.arange(user % 2, 20, 2)
        start = 1_000 * DAY_S + user * DAY_S
        for place, item in enumerate(draw.permutation(own)[: 5 + user % 3]):
            rows.append((f"u{user:02}", f"i{item:02}", start + 600 * place))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    users = pl.DataFrame(
        {
            "user_id": [f"u{user:02}" for user in range(num_users)],
            "plan": [("a", "b")[user % 2] for user in range(num_users)],
        }
    )
    split = options.pop("split", "time:0.8")
    return EventLog.read(events, users=users, **options).prepare(split=split)


def test_without_attributes_shares_are_those_of_the_whole():
    shares = popular(10.0).shares(pl.DataFrame({"plan": [None, "gold"]}))
    assert shares == pytest.approx(np.array([[6, 3, 1], [6, 3, 1]]) / 10)


def test_a_segment_is_mixed_with_the_whole():
    # paid: 4 events; with 10 of the whole (0 + 6) / 14, (3 + 3) / 14 and (1 + 1) / 14
    assert popular(10.0).shares(pl.DataFrame({"plan": ["paid"]}))[0] == pytest.approx(
        np.array([6, 6, 2]) / 14
    )


def test_infinite_strength_leaves_segments_out():
    asked = pl.DataFrame({"plan": ["paid"]})
    assert popular(INFINITE).shares(asked)[0] == pytest.approx(np.array([6, 3, 1]) / 10)
    assert popular(INFINITE).counted(asked) == []


def test_quotients_of_several_segments_are_damped():
    # home x had item 0 twice: quotients to the whole (2 + 6) / 12 / .6 for it and 10 / 12 otherwise
    found = popular(10.0).shares(pl.DataFrame({"plan": ["paid"], "home": ["x"]}))[0]
    of_plan = np.array([6 / 14 / 0.6, 6 / 14 / 0.3, 2 / 14 / 0.1])
    of_home = np.array([8 / 12 / 0.6, 10 / 12, 10 / 12])
    weight = np.array([0.6, 0.3, 0.1]) * (of_plan * of_home) ** (1 / np.sqrt(2))
    assert found == pytest.approx(weight / weight.sum())


def test_only_attributes_of_kept_segments_count():
    asked = pl.DataFrame({"home": ["x"], "plan": ["free"]})
    assert popular(10.0).counted(asked) == ["home"]


def test_an_item_that_nobody_took_has_no_share():
    counts = replace(popular(10.0), whole=np.array([6.0, 3.0, 1.0, 0.0]))
    assert counts.shares(pl.DataFrame({"plan": ["paid"]}))[0, 3] == 0


def test_two_kinds_of_users_get_two_lists():
    data = prepared()
    found = SegmentPopular.of(data)
    assert found.strength < INFINITE
    asked = found.shares(pl.DataFrame({"plan": ["a", "b"]}))
    best = np.argsort(-asked, axis=1)[:, :8]
    remainders = [[int(data.items.id(item)[1:]) % 2 for item in row] for row in best.tolist()]
    assert remainders == [[0] * 8, [1] * 8]


@pytest.mark.parametrize("timed", [True, False])
def test_without_attributes_the_order_is_that_of_recent_popularity(timed):
    data = prepared(split="time:0.8" if timed else "leave-one-out")
    if not timed:
        data = replace(data, log=replace(data.log, time_ms=np.full(data.log.num_events, -(2**62))))
    found = SegmentPopular.of(data)
    [(kind, setting)] = found.chosen.items()
    assert kind == ("window_ms" if timed else "newest")
    setting = 2**62 if setting == "all" else setting
    recent = RecentPopular(**{kind: setting}).fit(data.log, len(data.items))
    block = next(target_blocks(data.log, Part.TEST))
    last = recent.score(block)[-1]  # asked past the training part
    [whole] = found.shares(pl.DataFrame({"plan": [None]}))
    assert np.argsort(-whole, kind="stable").tolist() == np.argsort(-last, kind="stable").tolist()


def test_segments_of_few_users_are_left_out():
    found = SegmentPopular.of(prepared(num_users=18))  # nine of each plan, fewer in training
    assert len(found.counts.num_events) == 0
    assert found.counted(pl.DataFrame({"plan": ["a"]})) == []


def test_nothing_of_the_test_part_reaches_the_counts():
    data = prepared()
    is_test = data.log.part == Part.TEST
    other = np.where(is_test, (data.log.item_index + 3) % 20, data.log.item_index)
    changed = replace(data, log=replace(data.log, item_index=other))
    first, second = SegmentPopular.of(data), SegmentPopular.of(changed)
    assert first.whole.tolist() == second.whole.tolist()
    assert first.strength == second.strength
    assert first.chosen == second.chosen


def test_a_log_without_validation_takes_what_is_given():
    data = prepared()
    data = replace(data, log=data.log.where(data.log.part != Part.VALIDATION))
    found = SegmentPopular.of(data)
    assert found.strength == 1_000
    assert found.chosen == {"window_ms": 30 * DAY_S * 1_000}


@pytest.mark.parametrize("strength", [30.0, INFINITE])
def test_counts_are_the_same_after_loading(strength, tmp_path):
    saved = popular(strength)
    saved.save(tmp_path)
    loaded = SegmentPopular.load(tmp_path)
    assert loaded is not None
    asked = pl.DataFrame({"plan": ["paid", None], "home": ["y", "x"]})
    assert loaded.shares(asked).tolist() == saved.shares(asked).tolist()
    assert loaded.chosen == {"newest": 2}


def test_nothing_stored_is_none_and_a_cut_file_is_refused(tmp_path):
    assert SegmentPopular.load(tmp_path) is None
    popular(10.0).save(tmp_path)
    (tmp_path / COUNTS).unlink()
    with pytest.raises(CorruptBundleError, match=r"first_list\.json is cut or altered"):
        SegmentPopular.load(tmp_path)
    (tmp_path / SETTINGS).write_text("{")
    with pytest.raises(CorruptBundleError, match=r"first_list\.json is cut or altered"):
        SegmentPopular.load(tmp_path)
