"""A client of the HTTP interface, for programs that send events and show lists.

It needs nothing but the standard library, keeps a connection for each thread, tries again where the
service says so, and gives events ids, so that a retry counts once.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from penchant.errors import EnvironmentFault, InputError, PenchantError

AGAIN: Final = (429, 503)
"""Status codes after which the same may be asked again."""
LONGEST_PAUSE_S: Final = 10.0


class ServiceError(PenchantError, RuntimeError):
    """The service refused; `status`, `code` and `request_id` are those of its answer."""

    def __init__(self, status: int, code: str, message: str, request_id: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Recommended:
    """An item of a list."""

    item_id: str
    score: float
    rank: int
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendations:
    """A list, and what it rests on; send its `request_id` with what came of it."""

    items: tuple[Recommended, ...]
    model_version: str
    num_events: int
    history_complete: bool
    request_id: str
    truncated_by: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Recommended]:
        return iter(self.items)

    @property
    def item_ids(self) -> list[str]:
        """The ids, best first."""
        return [item.item_id for item in self.items]


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of events; `rejected` says of which index why."""

    accepted: int
    duplicates: int
    rejected: tuple[Mapping[str, Any], ...]
    event_ids: tuple[str | None, ...]


class Client:
    """Speaks with one service; safe to use from threads.

    Parameters
    ----------
    url
        `http://127.0.0.1:8000`.
    api_key
        Where the service asks for one.
    timeout_s
        Of one answer.
    retries
        How often the same is asked again where the service says later, or cannot be reached.

    Raises
    ------
    InputError
        When the address is none.
    """

    def __init__(
        self, url: str, api_key: str | None = None, timeout_s: float = 30.0, retries: int = 3
    ) -> None:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise InputError(
                f'The address of a service must look like http://127.0.0.1:8000 but is "{url}".'
            )
        self._place = place
        self._headers = {"Accept": "application/json"}
        if api_key is not None:
            self._headers["X-API-Key"] = api_key
        self._timeout_s = timeout_s
        self._retries = retries
        self._own = threading.local()

    def observe(
        self, events: Mapping[str, Any] | Iterable[Mapping[str, Any]], atomic: bool = False
    ) -> Observed:
        """Send events, at most 10,000; durable when this returns."""
        given = [events] if isinstance(events, Mapping) else list(events)
        named = [{"event_id": uuid.uuid4().hex, **event} for event in given]
        told = self._ask("POST", "/v1/events", named, {"atomic": "true"} if atomic else {})
        return Observed(
            told["accepted"], told["duplicates"], tuple(told["rejected"]), tuple(told["event_ids"])
        )

    def recommend(self, user_id: str | None = None, k: int = 10, **asked: Any) -> Recommendations:
        """Return a list; `asked` is what else `POST /v1/recommendations` takes."""
        body = {"k": k, **asked} | ({} if user_id is None else {"user_id": user_id})
        told = self._ask("POST", "/v1/recommendations", body)
        told["items"] = tuple(Recommended(**item) for item in told["items"])
        return Recommendations(**{**told, "truncated_by": tuple(told.get("truncated_by") or ())})

    def shown(self, request_id: str, item_ids: Sequence[str], user_id: str | None = None) -> None:
        """Say which items of a list were really shown, in the order of their positions."""
        items = [{"item_id": item, "position": place} for place, item in enumerate(item_ids, 1)]
        body = {"request_id": request_id, "items": items}
        self._ask("POST", "/v1/impressions", body | ({"user_id": user_id} if user_id else {}))

    def similar(self, item_id: str, k: int = 10) -> tuple[Recommended, ...]:
        """Return the items most like one."""
        told = self._ask("GET", f"/v1/items/{_coded(item_id)}/similar", None, {"k": k})
        return tuple(Recommended(**item) for item in told["items"])

    def put_items(self, items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Put items; say of each whether it can be recommended."""
        found: list[dict[str, Any]] = self._ask("POST", "/v1/items", list(items))["items"]
        return found

    def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some attributes of an item; `None` takes one away."""
        return self._ask("PATCH", f"/v1/items/{_coded(item_id)}", dict(changes))

    def hide_item(self, item_id: str) -> dict[str, Any]:
        """Take an item out of all lists until it is put again."""
        return self._ask("DELETE", f"/v1/items/{_coded(item_id)}")

    def items(self, query: str = "") -> Iterator[dict[str, Any]]:
        """Go through the items whose id or title begins so."""
        yield from self._pages("/v1/items", "items", {"query": query})

    def user(self, user_id: str) -> dict[str, Any]:
        """Return what is kept of a user."""
        return self._ask("GET", f"/v1/users/{_coded(user_id)}")

    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a user's attributes in place of those before."""
        return self._ask("PUT", f"/v1/users/{_coded(user_id)}", dict(attributes))

    def events(self, user_id: str) -> Iterator[dict[str, Any]]:
        """Go through the events of a user by time."""
        yield from self._pages(f"/v1/users/{_coded(user_id)}/events", "events", {})

    def forget(self, user_id: str) -> dict[str, Any]:
        """Delete all that is kept of a user; return the receipt."""
        return self._ask("DELETE", f"/v1/users/{_coded(user_id)}")

    def model(self) -> dict[str, Any]:
        """Return what is said of the model that answers."""
        return self._ask("GET", "/v1/model")

    def change_model(self, *, version: str | None = None, path: str | None = None) -> str:
        """Change the model; return its version when all workers answer with it."""
        asked = {"version": version, "path": path}
        body = {name: value for name, value in asked.items() if value is not None}
        return str(self._ask("PUT", "/v1/model", body)["model_version"])

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()
            self._own.connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pages(self, path: str, name: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            told = self._ask("GET", path, None, {**query, **({"cursor": cursor} if cursor else {})})
            yield from told[name]
            cursor = told["cursor"]
            if cursor is None:
                return

    def _ask(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask, and ask again where that may help; return the answer."""
        target = self._place.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        for left in range(self._retries, -1, -1):
            try:
                status, headers, answer = self._sent(method, target, data)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if not left:
                    raise EnvironmentFault(
                        f"The service at {self._place.netloc} cannot be reached: {error!r}.",
                        "Start it with: penchant serve RUN",
                    ) from error
                time.sleep(0.1 * 2 ** (self._retries - left))
                continue
            if status in AGAIN and left:
                time.sleep(min(float(headers.get("Retry-After", 1)), LONGEST_PAUSE_S))
                continue
            return _checked(status, answer)
        raise AssertionError("the last try returns or raises")

    def _sent(
        self, method: str, target: str, data: bytes | None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            kind = http.client.HTTPSConnection if self._place.scheme == "https" else (
                http.client.HTTPConnection
            )  # fmt: skip
            assert self._place.hostname is not None
            connection = kind(self._place.hostname, self._place.port, timeout=self._timeout_s)
            self._own.connection = connection
        more = {} if data is None else {"Content-Type": "application/json"}
        connection.request(method, target, data, {**self._headers, **more})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def _checked(status: int, answer: bytes) -> dict[str, Any]:
    """Return an answer, or raise what the service says is wrong."""
    try:
        told: dict[str, Any] = json.loads(answer)
        if status < 400:
            return told
        error = told["error"]
        raise ServiceError(status, error["code"], error["message"], error["request_id"])
    except (ValueError, KeyError, TypeError):
        raise ServiceError(
            status, "no_answer", f"The service answered {status} in no form that is known.", ""
        ) from None


def _coded(text: str) -> str:
    """Return an id as it stands in a path.

    Examples
    --------
    >>> _coded("a/b"), _coded(".."), _coded("汉")
    ('a%2Fb', '%2E%2E', '%E6%B1%89')
    """
    coded = quote(text, safe="")
    return coded.replace(".", "%2E") if coded in (".", "..") else coded
