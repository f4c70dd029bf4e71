"""The ASGI application: from bytes to a call, to a handler in a thread, and back to bytes.

Every request gets an id, a line in the log and a place in the figures, whatever comes of it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from penchant.errors import MissingExtraError
from penchant.serving.app.calls import Call, decoded
from penchant.serving.app.keys import LOCAL, Key
from penchant.serving.app.logs import log_request
from penchant.serving.app.openapi import description, page
from penchant.serving.app.refusals import RefusedError, refused
from penchant.serving.app.replies import Reply, json_reply
from penchant.serving.app.routes import ROUTES, Route
from penchant.serving.app.service import Service
from penchant.serving.limits import MOST_BODY_BYTES

try:
    from starlette.middleware.cors import CORSMiddleware
    from starlette.routing import Route as PathRoute
    from starlette.routing import Router
except ImportError as error:
    raise MissingExtraError(
        "The HTTP interface needs starlette.", "pip install 'penchant[serve]'"
    ) from error

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_TRACE: Final = "penchant.trace"
NO_ROUTE: Final = "none"
MOST_PASSED_OVER: Final = 4 * MOST_BODY_BYTES
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class GoneError(Exception):
    """The caller went away before all was said."""


@dataclass(slots=True)
class Trace:
    """What is known of a request on its way."""

    request_id: str
    route: str = NO_ROUTE
    key: Key = LOCAL
    status: int = 0
    is_read: bool = False


def build_app(service: Service) -> Any:
    """Return the application of a service; its lifespan starts and ends the service."""
    paths: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = route
    routes = [PathRoute(path, Resource(service, methods)) for path, methods in paths.items()]
    document = json_reply(description(ROUTES)).body
    plain = {
        "/openapi.json": Reply(document),
        "/docs": Reply(page(ROUTES).encode(), media_type="text/html; charset=utf-8"),
    }
    routes += [PathRoute(path, Constant(path, reply)) for path, reply in plain.items()]

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.close()

    inner: Any = Router(routes, redirect_slashes=False, default=nowhere, lifespan=lifespan)
    if service.settings.cors_origins:
        inner = CORSMiddleware(
            inner,
            allow_origins=service.settings.cors_origins,
            allow_methods=_METHODS,
            allow_headers=["X-API-Key", "X-Request-Id", "Authorization", "Content-Type"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    return Door(inner, service)


class Door:
    """What all requests come in by.

    Parameters
    ----------
    inner
        The application behind it.
    service
        Whose figures are kept.
    """

    def __init__(self, inner: Any, service: Service) -> None:
        self._inner = inner
        self._service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request, and see it out."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        begun_s = time.perf_counter()
        trace = scope[_TRACE] = Trace(_request_id(scope["headers"]))
        raw = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
        scope["path"] = raw.decode("latin-1")  # as it was sent: a / inside an id stays %2F

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                named = (b"x-request-id", trace.request_id.encode("ascii"))
                message["headers"] = [*message["headers"], named]
            await send(message)

        try:
            await self._inner(scope, receive, sending)
        finally:
            self._note(scope["method"], trace, time.perf_counter() - begun_s)

    def _note(self, method: str, trace: Trace, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        self._service.metrics.request(known, trace.route, trace.status, seconds)
        log_request(
            {
                "method": known,
                "route": trace.route,
                "status": trace.status,
                "ms": round(seconds * 1000, 2),
                "request_id": trace.request_id,
                "key": trace.key.id,
            }
        )


class Resource:
    """All methods of one path.

    Parameters
    ----------
    service
        What answers.
    methods
        The routes of the path.
    """

    def __init__(self, service: Service, methods: dict[str, Route]) -> None:
        self._service = service
        self._methods = methods

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, whatever happens."""
        trace: Trace = scope[_TRACE]
        try:
            reply = await self._reply(scope, receive, trace)
        except GoneError:
            return
        except Exception as error:
            reply = refused(error, trace.request_id)
            await _passed_over(receive, trace, dict(scope["headers"]))
        await reply.send(send)

    async def _reply(self, scope: Any, receive: Any, trace: Trace) -> Reply:
        route = _of_method(self._methods, scope["method"], trace)
        headers = dict(scope["headers"])
        if route.role != "open":
            trace.key = self._service.admit(headers, route.role)
        ids = {name: decoded(text) for name, text in scope["path_params"].items()}
        media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
        body = b""
        if route.body != "none":
            body = await _body(receive, headers.get(b"content-length", b""), trace)
        call = Call(
            trace.request_id,
            ids,
            scope["query_string"],
            media_type.strip().lower(),
            body,
            trace.key,
        )
        work = partial(route.handler, self._service, call)
        return await self._service.pool.run(work, route.aside)


class Constant:
    """A path that always gives the same.

    Parameters
    ----------
    path, reply
        Which, and what.
    """

    def __init__(self, path: str, reply: Reply) -> None:
        self._path = path
        self._reply = reply

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer."""
        trace: Trace = scope[_TRACE]
        try:
            _check_method(("GET",), scope["method"])
            trace.route = self._path
            reply = self._reply
        except RefusedError as error:
            reply = refused(error, trace.request_id)
        await reply.send(send)


async def nowhere(scope: Any, _receive: Any, send: Any) -> None:
    """Answer what has no route."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    told = RefusedError(404, "no_such_route", "There is nothing here.", "Look at /docs.")
    await refused(told, scope[_TRACE].request_id).send(send)


def _of_method(methods: dict[str, Route], method: str, trace: Trace) -> Route:
    _check_method(methods, method)
    route = methods["GET" if method == "HEAD" else method]
    trace.route = route.path
    return route


def _check_method(methods: Iterable[str], method: str) -> None:
    """Refuse a method that a path does not have; who may GET may ask for the HEAD."""
    known = set(methods) | ({"HEAD"} if "GET" in methods else set())
    if method not in known:
        allowed = ", ".join(sorted(known))
        raise RefusedError(
            405,
            "method_not_allowed",
            f"{method[:20]} is not among what this path takes: {allowed}.",
            headers={"Allow": allowed},
        )


async def _body(receive: Callable[[], Any], length: bytes, trace: Trace) -> bytes:
    """Return the whole body; one that is too long is not kept to its end."""
    if _number(length) > MOST_BODY_BYTES:
        raise _too_long()
    parts, size = [], 0
    while not trace.is_read:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        trace.is_read = not message.get("more_body", False)
        if size > MOST_BODY_BYTES:
            raise _too_long()
    return b"".join(parts)


async def _passed_over(
    receive: Callable[[], Any], trace: Trace, headers: dict[bytes, bytes]
) -> None:
    """Read what is left of the body of a request that is refused, and keep none of it.

    Whoever is still sending would see a broken connection in place of the answer. One who asked
    before sending, or has very much to send, is answered at once.
    """
    length = _number(headers.get(b"content-length", b""))
    is_there = length > 0 or b"transfer-encoding" in headers
    if not is_there or b"expect" in headers or length > MOST_PASSED_OVER:
        return
    size = 0
    while not trace.is_read and size <= MOST_PASSED_OVER:
        message = await receive()
        size += len(message.get("body", b""))
        trace.is_read = not message.get("more_body", False)


def _number(text: bytes) -> int:
    return int(text[:20]) if text.isdigit() else 0


def _too_long() -> RefusedError:
    return RefusedError(
        413,
        "too_long",
        f"A body holds at most {MOST_BODY_BYTES:,} bytes.",
        "Send it in several calls.",
    )


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that the caller gave, or one of ours."""
    for name, given in headers:
        if name == b"x-request-id":
            text = given.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return uuid.uuid4().hex
