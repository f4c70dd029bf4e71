"""The live law: replaying a log through `Live` gives the ranks of the offline evaluator."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant import EventLog
from penchant.config import build_roles
from penchant.evaluation.model_ranker import ModelRanker
from penchant.events.arrays import LogArrays, Part
from penchant.sequences.ranking import ranks, seen_items
from penchant.sequences.targets import target_blocks
from penchant.serving import Event, Live, Ranker

from ..decoders import small_settings
from .world import ITEMS, TYPES, make_bundle, make_log, make_users

ML_100K = Path(__file__).parents[2] / "data" / "ml-100k"


def offline_ranks(
    bundle, log: LogArrays, objective: str = "", users: pl.DataFrame | None = None
) -> dict[tuple[int, int], tuple[int, bool]]:
    """Return rank and whether it was left out (rank 0), by user and place in the history."""
    found = {}
    roles = build_roles(bundle.config, bundle.event_types)
    told = {"objective": objective, "profiles": bundle.profiles(users)}
    ranker = ModelRanker(bundle.model, roles=roles, **told)
    targets = roles.with_targets(log, bundle.model.place_of(objective))
    for block in target_blocks(targets, Part.TEST):
        ranked = ranks(ranker.score(block), block, seen=seen_items(block, roles.seen_types))
        places = block.rows - block.starts
        users = block.users[block.owner]
        for user, place, rank, left_out in zip(
            users, places, ranked.rank, ranked.is_left_out, strict=True
        ):
            found[int(user), int(place)] = (0 if left_out else int(rank), bool(left_out))
    return found


def live_ranks(
    bundle, histories: dict[str, list[Event]], log: LogArrays, objective: str = "", users=()
) -> dict[tuple[int, int], tuple[int, bool]]:
    """Replay a log in the order of time: what is trained on at once, then one by one, asking."""
    roles = build_roles(bundle.config, bundle.event_types)
    log = roles.with_targets(log, bundle.model.place_of(objective))
    rows = sorted(
        (event.timestamp, int(log.offsets[user]) + place, user, place)
        for user, history in enumerate(histories.values())
        for place, event in enumerate(history)
    )
    of_user = list(histories.values())
    num_before = [log.part[row] == Part.TEST for _, row, _, _ in rows].index(True)
    found = {}
    now = rows[num_before][0]
    with Live(bundle, clock=lambda: now) as live:
        for user_id, attributes in zip(histories, users, strict=False):
            live.put_user(user_id, attributes)
        live.observe([of_user[user][place] for _, _, user, place in rows[:num_before]])
        for time, row, user, place in rows[num_before:]:
            now, event = time, of_user[user][place]
            if log.part[row] == Part.TEST:
                found[user, place] = rank_of(live, event, bundle.vocabulary, objective)
            assert live.observe(event).accepted == 1
    return found


def rank_of(live: Live, event: Event, items, objective: str = "") -> tuple[int, bool]:
    """Return the rank of an event's item in the list before it, ties against it."""
    if event.item_id not in items:
        return len(items) + 1, False
    for k in (50, len(items)):
        answer = live.recommend(event.user_id, k=k, at=event.timestamp, objective=objective)
        scores = {item.item_id: item.score for item in answer}
        own, last = scores.get(event.item_id), answer.items[-1].score
        if own is not None and (own > last or k == len(items)):
            return sum(score >= own for score in scores.values()), False
    return 0, True


def by_user(events: list[dict]) -> dict[str, list[Event]]:
    histories: dict[str, list[Event]] = {}
    for event in events:
        histories.setdefault(event["user_id"], []).append(Event.of(event))
    return histories


def cut_in_time(bundle, histories: dict[str, list[Event]]) -> LogArrays:
    """Return histories as a log whose last events are the test part."""
    all_of_it = Ranker(bundle).arrays(
        [[event.logged(0) for event in history] for history in histories.values()]
    )
    is_test = all_of_it.time_ms >= np.quantile(all_of_it.time_ms, 0.6)
    return LogArrays(
        all_of_it.item_index,
        all_of_it.event_type,
        all_of_it.value,
        all_of_it.time_ms,
        np.where(is_test, Part.TEST, Part.TRAIN).astype(np.int8),
        all_of_it.offsets,
    )


ENCODERS = [
    {"kind": "gru"},
    {"kind": "linear"},
    {"kind": "transformer", "window": 4, "position": "bias_and_time"},
    {"kind": "bert", "window": 5},
    {"kind": "language_model", "window": 4},
]


TIMED = {
    "behaviour": {"use_elapsed": True, "use_calendar": True},
    "readout": {"query_calendar": True},
}
BUYS_FROM_VIEWS = {
    "events": {"history_types": ["view"], "target_types": ["buy"]},
    "evaluation": {"seen_types": ["buy"]},
}
TWO_OBJECTIVES = {
    "events": {"history_types": ["buy"]},
    "objectives": {"view": {"types": ["view"]}, "any": {"types": ["buy", "view"]}},
    "evaluation": {"seen_types": ["view"]},
}
SEVERAL = {"head": {"kind": "several", "num_interests": 3, "normalised": True, "temperature": 0.2}}
MIXTURE = {"head": {"kind": "mixture", "num_components": 3}}


@pytest.mark.parametrize(
    ("settings", "objective", "types"),
    [
        ({}, "", {"view", "buy"}),
        (TIMED, "", {"view", "buy"}),
        (BUYS_FROM_VIEWS | TIMED, "", {"buy"}),
        (TWO_OBJECTIVES, "", {"view"}),
        (TWO_OBJECTIVES | TIMED, "any", {"view", "buy"}),
        (SEVERAL, "", {"view", "buy"}),
        (MIXTURE, "", {"view", "buy"}),
    ],
    ids=[
        "plain",
        "timed",
        "buys from views",
        "first objective",
        "second objective",
        "several interests",
        "mixture of logits",
    ],
)
@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder["kind"])
def test_replaying_a_log_gives_the_ranks_of_the_offline_evaluator(
    encoder, settings, objective, types
):
    encoder = encoder | small_settings(encoder["kind"])
    bundle = make_bundle(seed=5, encoder=encoder, **settings)
    histories = by_user(make_log(num_users=40, seed=9))
    log = cut_in_time(bundle, histories)
    offline = offline_ranks(bundle, log, objective)
    live = live_ranks(bundle, histories, log, objective)
    is_target = np.isin(log.event_type, [TYPES.index(name) for name in types])
    assert len(offline) == ((log.part == Part.TEST) & is_target).sum() > 40
    assert {rank for rank, _ in offline.values()} >= {0, 1, 2, 3, len(ITEMS) + 1}
    assert live == offline


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder["kind"])
def test_replaying_a_log_gives_those_ranks_where_attributes_are_read(encoder):
    users = make_users(40)
    encoder = encoder | small_settings(encoder["kind"])
    bundle = make_bundle(seed=5, users=users, encoder=encoder, profile={"kind": "prefix"})
    histories = by_user(make_log(num_users=40, seed=9))
    users = users[[int(user_id[1:]) for user_id in histories]]  # as they come in the log
    log = cut_in_time(bundle, histories)
    offline = offline_ranks(bundle, log, users=users)
    assert live_ranks(bundle, histories, log, users=users.to_dicts()) == offline
    assert live_ranks(bundle, histories, log) != offline


@pytest.fixture(scope="module")
def ml_100k():
    if not (ML_100K / "events.parquet").is_file():
        pytest.skip(f"needs {ML_100K}: penchant fetch ml-100k --out {ML_100K}")
    return EventLog.read(ML_100K / "events.parquet").prepare(split="time:0.9")


@pytest.mark.timeout(600)  # half a minute on two idle cores, several on busy ones
def test_replaying_a_hundred_users_of_ml_100k_gives_the_offline_ranks(ml_100k):
    bundle = make_bundle(seed=7, items=ml_100k.items.ids, types=ml_100k.event_types)
    tested = np.unique(ml_100k.log.user[ml_100k.log.part == Part.TEST])[:100]
    log = ml_100k.log.users(tested)
    histories = {
        ml_100k.users.id(int(user)): [
            Event(
                user_id=ml_100k.users.id(int(user)),
                item_id=ml_100k.items.id(int(item)) if item >= 0 else "of the test part alone",
                timestamp=time_ms / 1000,
                event_type=ml_100k.event_types[kind],
                value=float(value),
            )
            for item, time_ms, kind, value in zip(*_rows(log, place), strict=True)
        ]
        for place, user in enumerate(tested)
    }
    offline, live = offline_ranks(bundle, log), live_ranks(bundle, histories, log)
    assert len(histories) == 100
    assert offline == live


def _rows(log: LogArrays, user: int):
    own = log.users(np.array([user]))
    return own.item_index, own.time_ms, own.event_type, own.value
