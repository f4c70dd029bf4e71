"""What goes wrong becomes a status code and a message here, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from penchant.errors import (
    ConfigError,
    CorruptStoreError,
    EnvironmentFault,
    InputError,
    MissingExtraError,
    MissingFileError,
    PenchantError,
    StaleDocumentError,
    StaleMemoryError,
    UnknownItemError,
    UnknownUserError,
    UsageError,
)
from penchant.registry import nearest
from penchant.serving.app.replies import Reply, json_reply

_log = logging.getLogger("penchant.http")

STATUS_OF: Final[tuple[tuple[type[PenchantError], int], ...]] = (
    (UnknownItemError, 404),
    (UnknownUserError, 404),
    (StaleDocumentError, 409),
    (MissingExtraError, 503),
    (CorruptStoreError, 503),
    (StaleMemoryError, 503),
    (MissingFileError, 422),
    (EnvironmentFault, 503),
    (InputError, 422),
    (UsageError, 422),
    (ConfigError, 422),
)
"""The first that fits counts; errors of the tree that are not here are faults of ours."""
RETRY_S: Final = 1


class RefusedError(PenchantError):
    """A request that is not answered, for a reason of HTTP alone.

    Parameters
    ----------
    status, code
        What the caller is told.
    headers
        Beside those that every answer has.
    beside
        What stands in the body beside the error.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.beside = dict(beside or {})


def busy(message: str) -> RefusedError:
    """Return the answer to what cannot be taken up now."""
    return RefusedError(
        503, "busy", message, "Try again in a moment.", {"Retry-After": str(RETRY_S)}
    )


def refused(error: BaseException, request_id: str) -> Reply:
    """Return the reply to an error; what is a fault of ours is logged, and told as no more."""
    headers: Mapping[str, str] = {}
    beside: Mapping[str, Any] = {}
    if isinstance(error, RefusedError):
        status, code, message = error.status, error.code, str(error)
        headers, beside = error.headers, error.beside
    elif isinstance(error, ValidationError):
        status, code, message = 422, "bad_value", said_of(error)
    else:
        status, code, message = _of_the_tree(error, request_id)
    if status == 503:
        headers = {"Retry-After": str(RETRY_S), **headers}
    body = {"error": {"code": code, "message": message, "request_id": request_id}, **beside}
    return json_reply(body, status, headers)


def _of_the_tree(error: BaseException, request_id: str) -> tuple[int, str, str]:
    for kind, status in STATUS_OF:
        if isinstance(error, kind):
            return status, error.code, str(error)
    where = " < ".join(
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)[-12:])
    )  # without the message, which may hold what somebody sent
    told = {"request_id": request_id, "error": type(error).__name__, "where": where}
    _log.error("fault", extra={"told": told})
    return 500, "fault", "A fault of ours. The log has it under this request_id."


def said_of(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return one sentence on what a message must hold, and what was found first.

    Examples
    --------
    >>> class Asked(BaseModel):
    ...     k: int
    >>> try:
    ...     Asked(k="ten")
    ... except ValidationError as wrong:
    ...     said_of(wrong)
    "k: input should be a valid integer, unable to parse string as an integer, but is 'ten'."
    """
    first, *more = error.errors(include_url=False)
    place = ".".join(str(part) for part in first["loc"]) or "the body"
    what = first["msg"].removeprefix("Value error, ")
    found = repr(first.get("input"))
    shown = "" if first["type"] in ("missing", "extra_forbidden") else f", but is {found[:60]}"
    hint = ""
    if first["type"] == "extra_forbidden" and model is not None:
        what = "is not known here"
        hint = " " + nearest(str(first["loc"][-1]), list(model.model_fields))
    others = f" {len(more)} more faults." if more else ""
    return f"{place}: {what[:1].lower()}{what[1:]}{shown}.{hint}{others}"
