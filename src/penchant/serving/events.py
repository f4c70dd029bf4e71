"""Events on their way in: what a caller may write, checked once, and what the log keeps of it.

Numbers are epoch seconds, texts ISO 8601 (without offset: UTC). An event without a time happened
when it arrived.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any, Final

from penchant.errors import InputError
from penchant.serving.limits import LONGEST_ID
from penchant.stores import LoggedEvent

LATEST_S: Final = 253_402_300_800
"""The end of the year 9999; greater numbers are milliseconds taken for seconds."""
GREATEST_VALUE: Final = 3.4e38
"""What a single-precision number holds."""


class RejectedError(InputError):
    """An event that is not let in; `code` is the one that a caller is told."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a user did with an item.

    Parameters
    ----------
    timestamp
        Epoch seconds, a datetime or an ISO 8601 text; the time of arrival when left out.
    value
        A rating, a price, seconds watched.
    event_id
        Unique in the store, so that a repeat is not counted twice; made when left out.
    request_id
        The list that it came from, where it came from one.

    Examples
    --------
    >>> Event(user_id="u1", item_id="item 5", timestamp="2026-05-01T12:00:00").time_ms
    1777636800000
    """

    user_id: str
    item_id: str
    timestamp: float | datetime | str | None = None
    event_type: str = "event"
    value: float | None = None
    event_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None

    @property
    def time_ms(self) -> int | None:
        """Milliseconds since 1970, `None` where no time was given."""
        return None if self.timestamp is None else time_ms_of(self.timestamp)

    @classmethod
    def of(cls, given: Event | Mapping[str, Any]) -> Event:
        """Take an event from a mapping; names that are not fields of an event are left out.

        Raises
        ------
        RejectedError
            When a user or an item is missing, or something that was given is no event.
        """
        if isinstance(given, Event):
            return given
        if not isinstance(given, Mapping):
            raise RejectedError(
                "not_an_event",
                f"An event must be an Event or a mapping but is {type(given).__name__}.",
                "Give user_id, item_id and, where known, timestamp.",
            )
        known = {field.name for field in fields(cls)}
        for name in ("user_id", "item_id"):
            if given.get(name) is None:
                raise RejectedError(
                    "missing_field", f"An event must have a {name}, and this one has none."
                )
        return cls(**{name: entry for name, entry in given.items() if name in known})

    def logged(self, now_ms: int) -> LoggedEvent:
        """Return the event as a log keeps it.

        Raises
        ------
        RejectedError
            When a field has a value that it cannot have.
        """
        time_ms = self.time_ms
        return LoggedEvent(
            user_id=_id("user_id", self.user_id),
            item_id=_id("item_id", self.item_id),
            time_ms=now_ms if time_ms is None else time_ms,
            event_id=uuid.uuid4().hex if self.event_id is None else _id("event_id", self.event_id),
            event_type=_id("event_type", self.event_type),
            value=value_of(self.value),
            session_id=None if self.session_id is None else _id("session_id", self.session_id),
            request_id=None if self.request_id is None else _id("request_id", self.request_id),
            arrival_time=time_ms is None,
        )


def time_ms_of(given: object) -> int:
    """Return milliseconds since 1970 of epoch seconds, a datetime or an ISO 8601 text.

    Raises
    ------
    RejectedError
        When it is none of these, or a number that cannot be seconds.

    Examples
    --------
    >>> time_ms_of(1.5), time_ms_of("1970-01-01T01:00:00+01:00"), time_ms_of("1970-01-02")
    (1500, 0, 86400000)
    """
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise RejectedError(
                "bad_timestamp",
                f'timestamp must be epoch seconds or ISO 8601 but is "{str(given)[:40]}".',
                "Write 1777636800 or 2026-05-01T12:00:00Z.",
            ) from None
    if isinstance(given, datetime) and given == given:  # pandas' missing time is no number either
        aware = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
        since = aware - datetime(1970, 1, 1, tzinfo=UTC)
        return round(since.total_seconds() * 1000)
    seconds = _number("timestamp", given)
    if abs(seconds) >= LATEST_S:
        raise RejectedError(
            "bad_timestamp",
            f"timestamp must be epoch seconds but is {given}, after the year 9999.",
            "Divide milliseconds by 1000.",
        )
    return round(seconds * 1000)


def value_of(given: object) -> float | None:
    """Return the value of an event, `None` where there is none or, as in a frame, NaN.

    Raises
    ------
    RejectedError
        When it is no finite number of single precision.

    Examples
    --------
    >>> value_of(4), value_of(float("nan")), value_of(None)
    (4.0, None, None)
    """
    if given is None or (isinstance(given, Real) and given != given):
        return None
    value = _number("value", given)
    if abs(value) > GREATEST_VALUE:
        raise RejectedError(
            "bad_value", f"value must be at most {GREATEST_VALUE:g} in size but is {value:g}."
        )
    return value


def _number(name: str, given: object) -> float:
    is_number = isinstance(given, Real) and not isinstance(given, bool)  # NumPy's are among them
    try:
        number = float(given) if is_number else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RejectedError(
            f"bad_{name}", f"{name} must be a finite number but is {str(given)[:40]!r}."
        )
    return number


def _id(name: str, given: object) -> str:
    text = str(given) if isinstance(given, str | Integral) and not isinstance(given, bool) else ""
    if not text:
        raise RejectedError(
            f"bad_{name}", f"{name} must be a text that is not empty but is {str(given)[:40]!r}."
        )
    if len(text) > LONGEST_ID or "\0" in text:
        raise RejectedError(
            f"bad_{name}",
            f"{name} must have at most {LONGEST_ID} characters, none of them NUL, but is "
            f"{text[:40]!r}… of {len(text)}.",
        )
    return text


def _id_or_none(name: str, given: object) -> str | None:
    return None if given is None else _id(name, given)
