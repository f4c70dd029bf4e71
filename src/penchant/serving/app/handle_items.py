"""Items over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from penchant.serving.app.calls import Call, checked_list
from penchant.serving.app.handle_users import attributes_of, without_null
from penchant.serving.app.refusals import RefusedError
from penchant.serving.app.replies import Reply, json_reply
from penchant.serving.item_listing import find_item, list_items
from penchant.serving.messages import ItemMessage, ItemsQuery, SimilarQuery

if TYPE_CHECKING:
    from penchant.serving.app.service import Service


def find_items(service: Service, call: Call) -> Reply:
    """Return a page of items: `GET /v1/items`."""
    asked = call.query_as(ItemsQuery)
    live = service.live
    page = list_items(live.store, live.bundle, asked.query, asked.limit, asked.cursor)
    return json_reply({"items": [asdict(item) for item in page.items], "cursor": page.cursor})


def get_item(service: Service, call: Call) -> Reply:
    """Return an item: `GET /v1/items/{item_id}`."""
    item_id = call.ids["item_id"]
    found = find_item(service.live.store, service.live.bundle, item_id)
    if found is None:
        raise RefusedError(404, "unknown_item", f'There is no item "{item_id}".')
    return json_reply(asdict(found))


def put_items(service: Service, call: Call) -> Reply:
    """Put items: `POST /v1/items`."""
    given, _ = call.entries()
    items = [_given(each) for each in checked_list(ItemMessage, given)]
    results = service.live.put_items(items)
    return json_reply({"items": [asdict(result) for result in results]})


def put_item(service: Service, call: Call) -> Reply:
    """Put an item: `PUT /v1/items/{item_id}`."""
    kept = without_null(attributes_of(call, "item_id"))
    result = service.live.put_item({**kept, "item_id": call.ids["item_id"]})
    return json_reply(asdict(result))


def patch_item(service: Service, call: Call) -> Reply:
    """Change an item: `PATCH /v1/items/{item_id}`."""
    result = service.live.patch_item(call.ids["item_id"], attributes_of(call, "item_id"))
    return json_reply(asdict(result))


def hide_item(service: Service, call: Call) -> Reply:
    """Hide an item: `DELETE /v1/items/{item_id}`."""
    service.live.hide_item(call.ids["item_id"])
    return get_item(service, call)


def similar(service: Service, call: Call) -> Reply:
    """Return items most like one: `GET /v1/items/{item_id}/similar`."""
    asked = call.query_as(SimilarQuery)
    found = service.live.similar(call.ids["item_id"], asked.k)
    items = [item.to_dict() for item in found]
    return json_reply({"items": items, "model_version": service.live.model_version})


def _given(item: ItemMessage) -> dict[str, Any]:
    return {**without_null(item.model_extra or {}), "item_id": item.item_id}
