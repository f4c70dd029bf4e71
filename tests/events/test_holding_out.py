import numpy as np
import polars as pl
import pytest

from penchant.errors import InputError, UsageError
from penchant.events.arrays import LogArrays, Part
from penchant.events.columns import event_frame
from penchant.events.holding_out import HeldOutItems, HoldOut
from penchant.events.log import EventLog
from penchant.events.preparing import prepare

# a b c d e f are items; the last of each user is its test target, the one before its validation
LOG = """
    u abcdef
    v bdacb
    w eaf
    x cc
    y f
"""


def frame_of(text, **tables):
    rows = [
        (user, item, 10 * place + len(user))
        for user, items in map(str.split, text.strip().splitlines())
        for place, item in enumerate(items)
    ]
    return event_frame(
        pl.DataFrame(rows, schema=["user_id", "item_id", "time_ms"], orient="row"), **tables
    )


def histories(data):
    """Return {user: its items, `.` for training, `v` and `t` for its targets, in their order}."""
    log, found = data.log, {}
    for row in range(log.num_events):
        user = data.users.id(int(log.user[row]))
        mark = {Part.TRAIN: ".", Part.VALIDATION: "v", Part.TEST: "t"}[Part(int(log.part[row]))]
        found[user] = found.get(user, "") + data.items.id(int(log.item_index[row])) + mark
    return found


def held_out(monkeypatch, validation, test):
    """Let the draw fall on given items; codes are in the order of the first rows, a b c d e f."""
    codes = [np.array(["abcdef".index(item) for item in items]) for items in (validation, test)]
    monkeypatch.setattr(HoldOut, "draw", lambda *_: HeldOutItems(*codes))


def test_a_held_out_item_is_met_as_a_target_of_its_own_part_alone(monkeypatch):
    held_out(monkeypatch, "c", "f")
    data = prepare(frame_of(LOG), "leave-one-out", hold_out=HoldOut(0.2, seed=7))
    assert histories(prepare(frame_of(LOG), "leave-one-out")) == {
        "u": "a.b.c.d.evft",
        "v": "b.d.a.cvbt",
        "w": "e.avft",
        "x": "c.c.",
        "y": "f.",
    }
    assert histories(data) == {
        "u": "a.b.d.evft",  # c in training is dropped, f as a test target stays
        "v": "b.d.a.cvbt",  # c as a validation target stays
        "w": "e.avft",
    }
    assert data.manifest["split"]["held_out"] == {
        "share": 0.2,
        "seed": 7,
        "validation": {"items": 1, "targets": 1},
        "test": {"items": 1, "targets": 2},
    }
    steps = [(step["name"], step["num_dropped"]) for step in data.manifest["steps"]]
    assert steps[-1] == ("other events of held-out items", 4)


def test_a_target_of_the_other_part_goes_and_no_other_event_takes_its_place(monkeypatch):
    held_out(monkeypatch, "f", "ae")
    data = prepare(frame_of(LOG), "leave-one-out", hold_out=HoldOut(0.3))
    # f is for validation and was only tested on; a and e are for testing and were never so
    assert histories(data) == {"u": "b.c.d.", "v": "b.d.cvbt", "x": "c.c."}
    assert data.manifest["notes"][-2:] == [
        "None of the 1 items held out for validation is a target there; hold out more, or draw "
        "with another seed.",
        "None of the 2 items held out for test is a target there; hold out more, or draw with "
        "another seed.",
    ]


def test_held_out_items_stay_in_the_vocabulary_with_their_attributes(monkeypatch):
    items = pl.DataFrame({"item_id": [*"fabcde"], "weight": [9.0, 1.0, 2.0, 7.0, 4.0, 6.0]})
    held_out(monkeypatch, "c", "f")
    data = prepare(frame_of(LOG, items=items), "leave-one-out", hold_out=HoldOut(0.2))
    assert data.items.ids == tuple("abdecf"), "what is not trained on comes last"
    assert data.manifest["split"]["vocabulary"]["without_training_events"] == 2
    trained = np.array([1.0, 2.0, 4.0, 6.0])  # attributes are fitted on a b d e
    want = (np.array([1, 2, 4, 6, 7, 9]) - trained.mean()) / trained.std()
    assert data.features.numeric[:, 0] == pytest.approx(want, rel=1e-5)


def test_an_item_that_lost_all_its_events_is_still_a_candidate(monkeypatch):
    held_out(monkeypatch, "f", "ae")
    data = prepare(frame_of(LOG), "leave-one-out", hold_out=HoldOut(0.3))
    assert data.items.ids == tuple("bcdaef")
    assert not np.isin(data.log.item_index, [3, 4, 5]).any()


def test_warm_targets_are_the_same_events_as_without_held_out_items():
    draw = np.random.default_rng(3)
    text = "\n".join(
        f"u{user} " + "".join(draw.choice([*"abcdefghijklmnopqrsu"], draw.integers(3, 12)))
        for user in range(60)
    )
    whole = prepare(frame_of(text), "leave-one-out")
    data = prepare(frame_of(text), "leave-one-out", hold_out=HoldOut(0.15, seed=2))
    trained = np.bincount(data.log.train.item_index, minlength=20) > 0
    assert (~trained).sum() == 2 * 3  # 20 · .15
    found, cold = histories(data), {"v": set(), "t": set()}
    for user, before in histories(whole).items():
        for mark, of_part in cold.items():
            if mark not in before:
                continue
            target = before[before.index(mark) - 1] + mark
            if trained[data.items.ids.index(target[0])]:
                assert target in found[user]
            elif target in found.get(user, ""):
                of_part.add(target[0])
    assert cold["v"]
    assert cold["t"]
    assert not cold["v"] & cold["t"]


def test_one_seed_draws_the_same_items_whatever_the_order_of_the_rows():
    rows = frame_of(LOG).frame.drop("order").collect()
    first, again, other = (
        prepare(event_frame(each), "leave-one-out", hold_out=HoldOut(0.2, seed=seed))
        for each, seed in ((rows, 4), (rows[::-1], 4), (rows, 5))
    )
    straight = EventLog.read(rows.rename({"time_ms": "timestamp"})).prepare(
        "leave-one-out", hold_out_items=0.2, hold_out_seed=4
    )
    assert histories(first) == histories(again) == histories(straight)
    assert histories(first) != histories(other)


def test_two_draws_share_no_item_and_hold_out_the_share_each():
    ids = pl.Series([f"i{place}" for place in range(57)])
    has_events = np.arange(57) % 3 > 0
    drawn = HoldOut(0.2).draw(ids, has_events)
    assert len(drawn.validation) == len(drawn.test) == 8  # 38 · .2 = 7.6
    both = np.concatenate([drawn.validation, drawn.test])
    assert len(np.unique(both)) == 16
    assert has_events[both].all()


def test_the_summary_tells_what_was_held_out(monkeypatch):
    held_out(monkeypatch, "c", "f")
    data = prepare(frame_of(LOG), "leave-one-out", hold_out=HoldOut(0.2, seed=7))
    lines = data.summary_text().splitlines()
    assert (
        "held out     items: 1 for validation (1 targets), 1 for test (2 targets); "
        "drawn with seed 7"
    ) in lines
    assert "dropped      4 events: other events of held-out items" in lines


def test_a_log_without_training_events_of_other_items_is_refused(monkeypatch):
    frame = frame_of("u abb\nv caa")  # a b c are coded in this order
    held_out(monkeypatch, "c", "a")
    with pytest.raises(InputError, match="No event is left to train on after the step: other ev"):
        prepare(frame, "leave-one-out", hold_out=HoldOut(0.3))


@pytest.mark.parametrize("share", [0.0, 0.5, -0.1, float("nan")])
def test_shares_that_leave_nothing_on_one_side_are_refused(share):
    with pytest.raises(UsageError) as raised:
        HoldOut(share)
    assert f"must lie between 0 and 0.5, but is {share}" in str(raised.value)


def test_a_share_of_less_than_one_item_is_refused():
    with pytest.raises(InputError) as raised:
        prepare(frame_of(LOG), "leave-one-out", hold_out=HoldOut(0.05))
    assert str(raised.value) == (
        "Items to hold out must be at least one, but a share of 0.05 of 6 items is none. "
        "Hold out 0.17 or more."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "time:0.9"}, "under the split leave-one-out alone, but it is time:0.9"),
        ({"split": None}, "under the split leave-one-out alone, but it is time:0.9"),
        ({"cold": "drop"}, "cold must be keep beside them, but it is drop"),
        ({"hold_out_seed": -1}, "must not be below 0 but is -1"),
    ],
)
def test_what_does_not_go_with_held_out_items_is_refused(options, message):
    rows = frame_of(LOG).frame.drop("order").collect().rename({"time_ms": "timestamp"})
    with pytest.raises(UsageError) as raised:
        EventLog.read(rows).prepare(**{"split": "leave-one-out", "hold_out_items": 0.2, **options})
    assert message in str(raised.value)


def test_without_a_held_out_item_all_events_stay():
    item = np.array([0, 1, 2])
    log = LogArrays(item, item, item, item, np.array([0, 1, 2]), np.array([0, 3]))
    nothing = np.zeros(0, dtype=np.int64)
    assert HeldOutItems(nothing, nothing).keeps(log).all()
