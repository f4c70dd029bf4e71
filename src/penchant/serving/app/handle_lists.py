"""Lists over HTTP, and what was shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penchant.serving.app.calls import Call
from penchant.serving.app.replies import Reply, json_reply
from penchant.serving.events import time_ms_of
from penchant.serving.messages import ImpressionMessage, RecommendMessage, RecommendQuery
from penchant.stores import ServedItem, ServedList, ShownList

if TYPE_CHECKING:
    from penchant.serving.app.service import Service
    from penchant.serving.results import RecommendResult


def recommend(service: Service, call: Call) -> Reply:
    """Return a list: `POST /v1/recommendations`."""
    asked = call.message(RecommendMessage)
    history = [each if isinstance(each, str) else each.model_dump() for each in asked.history or ()]
    with service.metrics.timed("recommend"):
        result = service.live.recommend(
            asked.user_id,
            asked.k,
            asked.at,
            asked.exclude_seen,
            asked.objective,
            asked.user,
            history,
            asked.candidates,
            asked.exclude or (),
        )
    return _told(service, call, asked.user_id, result)


def recommend_briefly(service: Service, call: Call) -> Reply:
    """Return a list: `GET /v1/users/{user_id}/recommendations`."""
    asked = call.query_as(RecommendQuery)
    user_id = call.ids["user_id"]
    at = None if asked.at is None else _number_or_text(asked.at)
    with service.metrics.timed("recommend"):
        result = service.live.recommend(user_id, asked.k, at, asked.exclude_seen, asked.objective)
    return _told(service, call, user_id, result)


def put_impression(service: Service, call: Call) -> Reply:
    """Keep what was shown: `POST /v1/impressions`."""
    told = call.message(ImpressionMessage)
    store, user_id = service.live.store, told.user_id
    if user_id is None:  # it goes with its user when that one is forgotten
        service.served.flush()
        served = store.impression(told.request_id).served
        user_id = None if served is None else served.user_id
    at_ms = service.live.now_ms() if told.shown_at is None else time_ms_of(told.shown_at)
    items = tuple((each.item_id, each.position) for each in told.items)
    kept = store.put_shown([ShownList(told.request_id, user_id, items, at_ms)])
    return json_reply({"accepted": kept})


def _told(service: Service, call: Call, user_id: str | None, result: RecommendResult) -> Reply:
    """Return a list, and keep that it was answered."""
    if service.settings.keep_lists:
        slots = tuple(ServedItem(item.item_id, item.score) for item in result.items)
        now_ms = service.live.now_ms()
        service.served.keep(
            ServedList(call.request_id, user_id, slots, result.model_version, now_ms)
        )
    body: dict[str, Any] = {
        "items": [item.to_dict() for item in result.items],
        "model_version": result.model_version,
        "num_events": result.num_events,
        "history_complete": result.history_complete,
        "request_id": call.request_id,
    }
    if result.truncated_by:
        body["truncated_by"] = result.truncated_by
    return json_reply(body)


def _number_or_text(given: str) -> float | str:
    """Return epoch seconds as a number, anything else as it is."""
    try:
        return float(given)
    except ValueError:
        return given
