"""What is asked over HTTP, as models, checked once at the door.

The OpenAPI document is made of these. Names are those of the engine. Nothing here
needs a model, so a client may import it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from penchant.serving.limits import LONGEST_ID, MOST_ITEMS_OF_A_LIST

MOST_NAMED: Final = 10_000
"""Items of a history, of candidates, of exclusions."""


def _texted(given: Any) -> Any:
    """Return a whole number as the text that it is as an id."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("an id holds no NUL")
    return text


Id = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_ID),
    BeforeValidator(_texted),
    AfterValidator(_without_nul),
]
Word = Annotated[str, Field(max_length=LONGEST_ID)]
Scalar = str | bool | int | float | None
Attribute = Scalar | list[Scalar | list[Scalar]]
Attributes = Annotated[dict[Annotated[str, Field(min_length=1)], Attribute], Field(max_length=1000)]
Moment = float | str
"""Epoch seconds, or ISO 8601."""


class Message(BaseModel):
    """What somebody sends: a name that is not known is refused, and texts are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Query(BaseModel):
    """What stands behind the question mark; everything there is a text, and read as what it is."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class EventMessage(BaseModel):
    """Something that a user did with an item; further columns are passed over."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    user_id: Id
    item_id: Id
    timestamp: Moment | None = Field(None, description="Epoch seconds or ISO 8601; else: now.")
    event_type: Id = "event"
    value: float | None = None
    event_id: Id | None = Field(None, description="Makes a retry count once.")
    session_id: Id | None = None
    request_id: Id | None = Field(None, description="Of the list that it came from.")


class ObserveQuery(Query):
    """How a batch is kept."""

    atomic: bool = Field(False, description="All are kept, or none and 422.")


class HistoryEvent(Message):
    """An event of a given history."""

    item_id: Id
    timestamp: Moment | None = None
    event_type: Id = "event"
    value: float | None = None


class RecommendMessage(Message):
    """What a list is asked with; without `user_id` it is for somebody of whom nothing is kept."""

    user_id: Id | None = None
    history: Annotated[list[Id | HistoryEvent], Field(max_length=MOST_NAMED)] | None = None
    user: Attributes | None = Field(None, description="Attributes that count for this list.")
    k: Annotated[int, Field(ge=1, le=MOST_ITEMS_OF_A_LIST)] = 10
    at: Moment | None = Field(None, description="The time of asking; now when left out.")
    exclude_seen: bool = True
    objective: Word | None = None
    candidates: Annotated[list[Id], Field(max_length=MOST_NAMED)] | None = None
    exclude: Annotated[list[Id], Field(max_length=MOST_NAMED)] | None = None


class RecommendQuery(Query):
    """The short form of the same."""

    k: Annotated[int, Field(ge=1, le=MOST_ITEMS_OF_A_LIST)] = 10
    at: Word | None = Field(None, description="Epoch seconds or ISO 8601; now when left out.")
    exclude_seen: bool = True
    objective: Word | None = None


class SimilarQuery(Query):
    """How many."""

    k: Annotated[int, Field(ge=1, le=MOST_ITEMS_OF_A_LIST)] = 10


class EventsQuery(Query):
    """A page of events."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Word | None = None


class ItemsQuery(Query):
    """A page of items whose id or title begins so."""

    query: Word = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Word | None = None


class ItemMessage(BaseModel):
    """An item with its attributes beside its id."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Attribute]

    item_id: Id


class ShownItem(Message):
    """An item and its position on the page."""

    item_id: Id
    position: Annotated[int, Field(ge=1, le=10_000)]


class ImpressionMessage(Message):
    """What was really shown of a list."""

    request_id: Id
    user_id: Id | None = None
    items: Annotated[list[ShownItem], Field(min_length=1, max_length=MOST_ITEMS_OF_A_LIST)]
    shown_at: Moment | None = None


class ModelMessage(Message):
    """Which model is to answer: one of the two."""

    version: Word | None = None
    path: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


class AuditQuery(Query):
    """A page of the audit log."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[int, Field(ge=0, le=2**53)] | None = None


class OnboardingQuery(Query):
    """How many questions."""

    k: Annotated[int, Field(ge=1, le=50)] = 10
