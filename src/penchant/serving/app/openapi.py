"""The OpenAPI document and a plain page of all routes, both made of the table of routes."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from penchant import __version__
from penchant.serving.answers import ErrorAnswer
from penchant.serving.limits import LONGEST_ID, MOST_EVENTS
from penchant.serving.messages import Attributes

if TYPE_CHECKING:
    from penchant.serving.app.routes import Route

REFERENCE: Final = "#/components/schemas/{model}"
MEANING: Final = {
    400: "The body is no JSON.",
    401: "A key is needed.",
    403: "The key may not do this.",
    404: "There is no such thing.",
    409: "It conflicts with what is there.",
    413: "Too large, or too many.",
    415: "The body is said to be something else.",
    422: "A value is not what it must be.",
    429: "Too often; wait as long as Retry-After says.",
    503: "Not now; try again.",
}


def description(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI document."""
    models: dict[type[BaseModel], None] = {ErrorAnswer: None}
    for route in routes:
        models |= dict.fromkeys(each for each in (route.message, route.answer) if each)
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=REFERENCE
    )
    attributes = TypeAdapter(Attributes).json_schema(ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penchant",
            "version": __version__,
            "description": "Events in, lists out; the next list of a user has seen the event. Ids "
            "in a path are percent-encoded, / included.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas["$defs"], "Attributes": attributes},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": route.says,
        "operationId": route.handler.__name__,
        "tags": [route.path.split("/")[2 if route.path.startswith("/v1") else 1]],
        "x-role": route.role,
        "parameters": [*_ids(route), *_query(route)],
        "responses": _responses(route),
    }
    if route.role != "open":
        told["security"] = [{"key": []}]
    if route.body != "none":
        told["requestBody"] = {"required": True, "content": _content(route)}
    return told


def _ids(route: Route) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
    names = re.findall(r"{(\w+)}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def _query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    properties = route.query.model_json_schema(ref_template=REFERENCE)["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in properties.items()
    ]


def _content(route: Route) -> dict[str, Any]:
    if route.message is None:
        schema = {"$ref": REFERENCE.format(model="Attributes")}
        return {"application/json": {"schema": schema}}
    one = {"$ref": REFERENCE.format(model=route.message.__name__)}
    if route.body == "one":
        return {"application/json": {"schema": one}}
    many = {"type": "array", "items": one, "maxItems": MOST_EVENTS}
    lines = {"type": "string", "description": "One object a line."}
    return {
        "application/json": {"schema": {"anyOf": [one, many]}},
        "application/x-ndjson": {"schema": lines},
    }


def statuses(route: Route) -> list[int]:
    """Return the status codes of errors that a route may answer with."""
    found = set(route.also)
    if route.role != "open":
        found |= {401, 403, 429, 503}
    if route.body != "none":
        found |= {400, 413, 415, 422}
    if route.query is not None or "{" in route.path:
        found.add(422)
    return sorted(found)


def _responses(route: Route) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": REFERENCE.format(model="ErrorAnswer")}}}
    good: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    if route.answer is not None:
        schema = {"$ref": REFERENCE.format(model=route.answer.__name__)}
        good = {"application/json": {"schema": schema}}
    told = {str(status): {"description": MEANING[status], "content": error}
            for status in statuses(route)}  # fmt: skip
    if route.path == "/health/ready":
        told["503"]["content"] = good
    return {"200": {"description": "Done.", "content": good}, **told}


def page(routes: Sequence[Route]) -> str:
    """Return a page that lists all routes, without anything from a network."""
    rows = "\n".join(
        f"<tr><td><code>{route.method}</code></td><td><code>{html.escape(route.path)}</code></td>"
        f"<td>{route.role}</td><td>{html.escape(route.says)}</td></tr>"
        for route in routes
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Penchant</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem }}
td, th {{ padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #ddd }}
</style></head><body><h1>Penchant {__version__}</h1>
<p>All that is asked and answered, field by field: <a href="openapi.json">openapi.json</a>.
Keys go in the header <code>X-API-Key</code>; ids in a path are percent-encoded.</p>
<table><thead><tr><th>method</th><th>path</th><th>role</th><th></th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""
