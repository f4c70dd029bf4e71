"""Requests drawn from an OpenAPI document: mostly such as it asks for, some that it forbids.

Strategies of hypothesis for the little of JSON Schema that the service's document uses. A test
draws a few hundred, `benchmarks/fuzz_http.py` as many as it is told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

NASTY = (
    "", "a/b", "..", "汉字", "'; DROP TABLE users; --", "\0", "x" * 600, "tea", "rum", "NaN",
    "1e999", "2099-01-01", "1970-01-01T00:00:00", "%2F", "{}", "\U0001f375", "e1", "e2", "u1",
    "0:0", "put:1",
)  # fmt: skip
NUMBERS = (0, 1, -1, 10, 1000, 1001, 2**31, 2**63, 2**70, 1e300, -1e300, 0.5, 2e6, 4e9, 1e-320)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(NASTY), st.text(max_size=9)
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NASTY), inner),
    max_leaves=6,
)
BODIES = (b"", b"{", b"null", b"NaN", b"\xff\xfe", b"[" * 2_000, b'{"k": 1e999}', b'{"a":1,"a":2}')
MEDIA_TYPES = ("application/json", "application/x-ndjson", "text/plain", "", "application/json;q=1")


@dataclass(frozen=True)
class Request:
    """A request to send."""

    method: str
    path: str
    route: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def requests_of(document: dict[str, Any]) -> st.SearchStrategy[Request]:
    """Return a strategy of requests to all paths and methods of a document."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return st.sampled_from(operations).flatmap(lambda one: _request(document, *one))


def _request(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> st.SearchStrategy[Request]:
    inside = [one for one in operation["parameters"] if one["in"] == "path"]
    behind = [one for one in operation["parameters"] if one["in"] == "query"]
    content = operation.get("requestBody", {}).get("content")
    return st.builds(
        _built,
        st.just((method.upper(), path)),
        st.fixed_dictionaries({one["name"]: _text() for one in inside}),
        st.fixed_dictionaries(
            {}, optional={one["name"]: _value(document, one["schema"]) for one in behind}
        ),
        st.none() if content is None else _body(document, content),
        st.sampled_from(MEDIA_TYPES) if content else st.just(""),
        st.booleans(),
    )


def _built(
    place: tuple[str, str],
    ids: dict[str, str],
    query: dict[str, Any],
    body: bytes | None,
    media_type: str,
    is_said: bool,
) -> Request:
    method, route = place
    path = route
    for name, text in ids.items():
        path = path.replace(f"{{{name}}}", quote(text, safe="").replace(".", "%2E"))
    if query:
        path += "?" + urlencode({name: _said(value) for name, value in query.items()})
    headers = (
        {} if body is None else {"content-type": "application/json" if is_said else media_type}
    )
    return Request(method, path, route, headers, body)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(document: dict[str, Any], content: dict[str, Any]) -> st.SearchStrategy[bytes]:
    values = _value(document, content["application/json"]["schema"])
    lines = st.lists(values, max_size=3).map(lambda many: b"\n".join(_json(one) for one in many))
    return st.one_of(values.map(_json), values.map(_json), lines, st.sampled_from(BODIES))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "replace")


def _text() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(NASTY), st.text(max_size=20).filter(_is_encodable))


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _value(document: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values of a schema; one in several is anything at all."""
    fitting = st.deferred(lambda: _fitting(document, schema))
    return st.one_of(fitting, fitting, fitting, ANYTHING)


def _fitting(document: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return _value(document, document["components"]["schemas"][name])
    if "anyOf" in schema:
        return st.one_of([_value(document, one) for one in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "object":
        return _object(document, schema)
    if kind == "array":
        return st.lists(_value(document, schema.get("items", {})), max_size=4)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        "string": _text(),
        "integer": st.integers(schema.get("minimum", -5), min(schema.get("maximum", 99), 2000)),
        "number": st.one_of(st.sampled_from(NUMBERS), st.floats(allow_nan=False)),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return plain.get(kind, ANYTHING)


def _object(document: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    named = {name: _value(document, one) for name, one in schema.get("properties", {}).items()}
    needed = {name: named.pop(name) for name in schema.get("required", []) if name in named}
    fixed = st.fixed_dictionaries(needed, optional=named)
    further = schema.get("additionalProperties")
    if not further:
        return fixed
    other = _value(document, further if isinstance(further, dict) else {})
    names = st.sampled_from(("title", "colour", "price", "age", "job", "", "\0", "汉"))
    return st.builds(
        lambda more, own: {**more, **own}, st.dictionaries(names, other, max_size=3), fixed
    )
