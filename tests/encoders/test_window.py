"""The window of raw events that a model keeps for an encoder which carries nothing."""

from __future__ import annotations

import torch

from penchant.encoders import EventWindow, state_bytes
from penchant.encoders.window import EMPTY
from penchant.packed import NO_TIME, PackedEvents

CPU = torch.device("cpu")


def two_users() -> PackedEvents:
    return PackedEvents.from_lists(
        [[4, 2, 9], [7]],
        times_ms=[[100, 250, 300], [70]],
        event_types=[[1, 0, 1], [2]],
        values=[[0.5, float("nan"), 3.0], [1.0]],
    )


def after(window: EventWindow, events: PackedEvents, last_time_ms: list[int]) -> EventWindow:
    return window.after(window.show(events, torch.tensor(last_time_ms)))


def test_the_newest_events_stand_at_the_end_and_older_ones_fall_out() -> None:
    kept = after(EventWindow.empty(2, 2, CPU), two_users(), [NO_TIME, NO_TIME])
    assert kept.item_index.tolist() == [[2, 9], [EMPTY, 7]]
    assert kept.event_type.tolist() == [[0, 1], [0, 2]]
    assert kept.time_ms.tolist() == [[250, 300], [NO_TIME, 70]]
    assert kept.value[0].isnan().tolist() == [True, False]
    assert kept.before_ms.tolist() == [100, NO_TIME]
    assert kept.num_kept.tolist() == [2, 1]


def test_kept_events_are_shown_before_new_ones_and_marked_as_old() -> None:
    kept = after(EventWindow.empty(2, 2, CPU), two_users(), [NO_TIME, NO_TIME])
    new = PackedEvents.from_lists([[5], [6, 8]], times_ms=[[900], [80, 95]])
    shown = kept.show(new, torch.tensor([300, 70]))
    assert shown.events.item_index.tolist() == [2, 9, 5, 7, 6, 8]
    assert shown.events.event_type.tolist() == [0, 1, 0, 2, 0, 0]
    assert shown.events.time_ms.tolist() == [250, 300, 900, 70, 80, 95]
    assert shown.events.offsets.tolist() == [0, 3, 6]
    assert shown.is_new.tolist() == [False, False, True, False, True, True]
    assert shown.before_ms.tolist() == [100, NO_TIME]
    later = kept.after(shown)
    assert later.item_index.tolist() == [[9, 5], [6, 8]]
    assert later.before_ms.tolist() == [250, 70]


def test_users_without_new_events_keep_their_windows() -> None:
    kept = after(EventWindow.empty(2, 3, CPU), two_users(), [NO_TIME, NO_TIME])
    for lists in ([[], []], [[], [1]]):
        later = after(kept, PackedEvents.from_lists(lists), [300, 70])
        for old, new in zip(kept, later, strict=True):
            torch.testing.assert_close(old[0], new[0], equal_nan=True)


def test_an_emptied_window_goes_on_from_the_time_of_the_last_event() -> None:
    kept = after(EventWindow.empty(2, 2, CPU), two_users(), [NO_TIME, NO_TIME]).emptied()
    assert kept.num_kept.tolist() == [0, 0]
    shown = kept.show(PackedEvents.from_lists([[5], []]), torch.tensor([300, 70]))
    assert shown.events.item_index.tolist() == [5]
    assert shown.before_ms.tolist() == [300, 70]


def test_an_event_takes_eighteen_bytes() -> None:
    # 4 for the item, 2 for the type, 4 for the value, 8 for the time; and one time before them.
    assert state_bytes(EventWindow.empty(3, 10, CPU)) == 10 * (4 + 2 + 4 + 8) + 8
