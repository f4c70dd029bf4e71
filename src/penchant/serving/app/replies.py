"""A reply: bytes with a status and headers, sent over ASGI in two messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penchant.errors import MissingExtraError

try:
    import orjson
except ImportError as error:
    raise MissingExtraError(
        "The HTTP interface needs orjson.", "pip install 'penchant[serve]'"
    ) from error

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    body: bytes
    status: int = 200
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, send: Any) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.media_type.encode("latin-1")),
            (b"content-length", str(len(self.body)).encode("ascii")),
        ]
        headers += [
            (name.lower().encode("latin-1"), text.encode("latin-1"))
            for name, text in self.headers.items()
        ]
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body})


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply in JSON; NaN and infinities are null.

    Examples
    --------
    >>> json_reply({"score": float("nan")}).body
    b'{"score":null}'
    """
    return Reply(orjson.dumps(body), status, JSON, headers or {})
