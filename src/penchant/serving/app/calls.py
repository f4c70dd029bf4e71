"""One request as a handler sees it: decoded ids, the query, the body, and who asks.

Everything is read here once. Nothing waits: the body is all there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from pydantic import BaseModel, ValidationError

from penchant.serving.app.keys import LOCAL, Key
from penchant.serving.app.refusals import RefusedError, said_of
from penchant.serving.app.replies import JSON, orjson
from penchant.serving.limits import LONGEST_ID, MOST_EVENTS

LINES: Final = "application/x-ndjson"
_LINES_TOO: Final = (LINES, "application/ndjson", "application/jsonl", "application/x-jsonlines")
Kind = TypeVar("Kind", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Parameters
    ----------
    ids
        What stands in the path, decoded.
    key
        Who asks.
    """

    request_id: str
    ids: Mapping[str, str] = field(default_factory=dict)
    query: bytes = b""
    media_type: str = ""
    body: bytes = b""
    key: Key = LOCAL

    def query_as(self, kind: type[Kind]) -> Kind:
        """Return what stands behind the question mark.

        Raises
        ------
        RefusedError
            When it is not what it must be.
        """
        try:
            text = self.query.decode("ascii")
            given = dict(parse_qsl(text, True, errors="strict", max_num_fields=100))
        except ValueError as error:
            raise RefusedError(422, "bad_query", f"The query cannot be read: {error}.") from None
        return _checked(kind, given)

    def json(self) -> Any:
        """Return the body.

        Raises
        ------
        RefusedError
            When it is not said to be JSON (415), or is none (400).
        """
        if self.media_type != JSON:
            raise RefusedError(
                415,
                "bad_content_type",
                f'The body must be {JSON} but is "{self.media_type[:60]}".',
                f"Send the header Content-Type: {JSON}.",
            )
        return _parsed(self.body, "The body")

    def message(self, kind: type[Kind]) -> Kind:
        """Return the body as what it must be."""
        return _checked(kind, self.json())

    def mapping(self) -> dict[str, Any]:
        """Return the body, which must be an object."""
        given = self.json()
        if not isinstance(given, dict):
            raise RefusedError(
                422, "bad_value", f"The body must be an object but is {_name(given)}."
            )
        return given

    def entries(self) -> tuple[list[Any], bool]:
        """Return the entries of a list or of lines, and whether it was a single one, no list.

        Raises
        ------
        RefusedError
            When there are too many (413), or a line is no JSON (400).
        """
        if self.media_type in _LINES_TOO:
            lines = [line for line in self.body.split(b"\n") if line.strip()]
            _check_number(lines)
            return [_parsed(line, f"Line {n}") for n, line in enumerate(lines, 1)], False
        given = self.json()
        if not isinstance(given, list):
            return [given], True
        _check_number(given)
        return given, False


def decoded(segment: str) -> str:
    """Return an id as it was before it was percent-encoded.

    Raises
    ------
    RefusedError
        When it is no text that an id can be.

    Examples
    --------
    >>> decoded("a%2Fb"), decoded("%E6%B1%89"), decoded("..")
    ('a/b', '汉', '..')
    """
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text or len(text) > LONGEST_ID:
        raise RefusedError(
            422,
            "bad_id",
            f"An id must be 1 to {LONGEST_ID} characters of UTF-8, none of them NUL, but is "
            f'"{segment[:60]}".',
            "Percent-encode it, / included.",
        )
    return text


def checked_list(kind: type[Kind], given: Sequence[Any]) -> list[Kind]:
    """Return entries as what each must be, or refuse the first that is not."""
    return [_checked(kind, entry, f"Entry {place}") for place, entry in enumerate(given)]


def _checked(kind: type[Kind], given: Any, where: str = "") -> Kind:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        said = said_of(error, kind)
        text = f"{where}: {said}" if where else said
        raise RefusedError(422, "bad_value", text) from None


def _parsed(body: bytes, what: str) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise RefusedError(400, "not_json", f"{what} must be JSON, and is not: {error}.") from None


def _check_number(entries: Sequence[Any]) -> None:
    if len(entries) > MOST_EVENTS:
        raise RefusedError(
            413,
            "too_many",
            f"A call holds at most {MOST_EVENTS:,} entries but has {len(entries):,}.",
            "Send them in several calls.",
        )


def _name(given: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(given), "a number")
