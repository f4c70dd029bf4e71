"""Users over HTTP: attributes, events, export, and forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from penchant.serving.app.calls import Call
from penchant.serving.app.refusals import RefusedError, said_of
from penchant.serving.app.replies import Reply, json_reply
from penchant.serving.messages import Attributes, EventsQuery
from penchant.stores import LoggedEvent

if TYPE_CHECKING:
    from penchant.serving.app.service import Service

_ATTRIBUTES: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(Attributes)
_MOST_DIGITS: Final = 18


def get_user(service: Service, call: Call) -> Reply:
    """Return what is kept of a user: `GET /v1/users/{user_id}`."""
    live, user_id = service.live, call.ids["user_id"]
    standing = live.store.standing(user_id, live.model_version)
    attributes = standing.user.attributes
    return json_reply(
        {
            "user_id": user_id,
            "attributes": attributes,
            "num_events": standing.num_events,
            "history_complete": standing.is_complete,
            "read": [
                each.name for each in live.bundle.user_encoder.attributes if each.name in attributes
            ],
        }
    )


def put_user(service: Service, call: Call) -> Reply:
    """Keep attributes in place of those before: `PUT /v1/users/{user_id}`."""
    given = attributes_of(call, "user_id")
    service.live.put_user(call.ids["user_id"], without_null(given))
    return get_user(service, call)


def patch_user(service: Service, call: Call) -> Reply:
    """Change some attributes: `PATCH /v1/users/{user_id}`."""
    service.live.store.patch_user(call.ids["user_id"], attributes_of(call, "user_id"))
    return get_user(service, call)


def forget_user(service: Service, call: Call) -> Reply:
    """Forget a user: `DELETE /v1/users/{user_id}`."""
    service.served.flush()
    receipt = service.live.forget(call.ids["user_id"])
    _note(service, call, "forget user")
    return json_reply(receipt.to_dict())


def list_events(service: Service, call: Call) -> Reply:
    """Return a page of events: `GET /v1/users/{user_id}/events`."""
    asked, user_id = call.query_as(EventsQuery), call.ids["user_id"]
    store, after = service.live.store, _place(asked.cursor)
    with store.reading():
        found = store.events(user_id, after=after, limit=asked.limit + 1)
        is_complete = store.history_complete(user_id)
    page = found[: asked.limit]
    cursor = "{}:{}".format(*page[-1].place) if len(found) > len(page) else None
    events = [told_event(event) for event in page]
    return json_reply({"events": events, "cursor": cursor, "history_complete": is_complete})


def delete_event(service: Service, call: Call) -> Reply:
    """Delete one event: `DELETE /v1/users/{user_id}/events/{event_id}`."""
    event_id = call.ids["event_id"]
    if not service.live.store.delete_event(call.ids["user_id"], event_id):
        raise RefusedError(404, "unknown_event", f'The user has no event "{event_id}".')
    _note(service, call, "delete event")
    return json_reply({"event_id": event_id, "deleted": True})


def export_user(service: Service, call: Call) -> Reply:
    """Return everything that is kept: `GET /v1/users/{user_id}/export`."""
    service.served.flush()
    found = service.live.store.export_user(call.ids["user_id"])
    _note(service, call, "export user")
    return json_reply(found)


def attributes_of(call: Call, id_name: str) -> dict[str, Any]:
    """Return the attributes that a body holds; an id beside them must be that of the path."""
    given = call.mapping()
    told = given.pop(id_name, call.ids[id_name])
    if told != call.ids[id_name]:
        raise RefusedError(422, "bad_id", f"{id_name} of the body must be that of the path.")
    try:
        return _ATTRIBUTES.validate_python(given)
    except ValidationError as error:
        raise RefusedError(422, "bad_value", said_of(error)) from None


def without_null(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as the engine takes them; what is null is not there."""
    return {name: entry for name, entry in attributes.items() if entry is not None}


def told_event(event: LoggedEvent) -> dict[str, Any]:
    """Return an event as it is told."""
    return {
        "user_id": event.user_id,
        "item_id": event.item_id,
        "timestamp": event.time_ms / 1000,
        "event_type": event.event_type,
        "value": event.value,
        "event_id": event.event_id,
        "session_id": event.session_id,
        "request_id": event.request_id,
    }


def _note(service: Service, call: Call, what: str) -> None:
    """Write to the audit log what was done to a user, who is named by a keyed digest alone."""
    store = service.live.store
    after = {"user": store.blind(call.ids["user_id"])}
    store.add_audit(call.key.id, what, service.live.now_ms(), after=after)


def _place(cursor: str | None) -> tuple[int, int] | None:
    """Return where a page ended."""
    if cursor is None:
        return None
    time_ms, _, sequence = cursor.partition(":")
    digits = time_ms.removeprefix("-"), sequence
    if not all(each.isascii() and each.isdigit() and len(each) <= _MOST_DIGITS for each in digits):
        raise RefusedError(
            422,
            "bad_value",
            f'cursor must be one that a page gave but is "{cursor[:40]}".',
            "Leave it out for the first page.",
        )
    return int(time_ms), int(sequence)
