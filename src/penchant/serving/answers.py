"""What is answered over HTTP, as models: the OpenAPI document is made of these.

Answers are written without them, for speed, and tests hold every answer against them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What is answered; a field that is not named here is a fault."""

    model_config = ConfigDict(extra="forbid")


class RejectionAnswer(Answer):
    """Why an event was not let in."""

    index: int
    code: str
    message: str


class ObserveAnswer(Answer):
    """What became of events."""

    accepted: int
    duplicates: int
    rejected: list[RejectionAnswer]
    event_ids: list[str | None]


class RankedAnswer(Answer):
    """An item and its place."""

    item_id: str
    score: float
    rank: int
    value: float | None = None


class RecommendAnswer(Answer):
    """A list, and what it rests on."""

    items: list[RankedAnswer]
    model_version: str
    num_events: int
    history_complete: bool
    request_id: str
    truncated_by: list[str] | None = None


class SimilarAnswer(Answer):
    """Items most like one."""

    items: list[RankedAnswer]
    model_version: str


class UserAnswer(Answer):
    """What is kept of a user; of one who is unknown, nothing."""

    user_id: str
    attributes: dict[str, Any]
    num_events: int
    history_complete: bool
    read: list[str] = Field(description="Attributes that the model reads.")


class KeptEvent(Answer):
    """An event as it is kept."""

    user_id: str
    item_id: str
    timestamp: float
    event_type: str
    value: float | None
    event_id: str
    session_id: str | None
    request_id: str | None


class EventsAnswer(Answer):
    """Events of a user by time; `cursor` leads to the next page, and is null at the end."""

    events: list[KeptEvent]
    cursor: str | None
    history_complete: bool


class ExportAnswer(BaseModel):
    """Everything that is kept of a user."""

    user_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]


class ForgetAnswer(Answer):
    """What was deleted, place by place."""

    user_id: str
    num_events: int
    num_event_ids: int
    num_memories: int
    num_attributes: int
    num_snapshots: int
    num_impressions: int
    through_ms: int
    not_reached: list[str]


class DeletedAnswer(Answer):
    """An event that is no more."""

    event_id: str
    deleted: Literal[True]


class ItemAnswer(Answer):
    """An item and what is said of it."""

    item_id: str
    attributes: dict[str, Any]
    revision: int
    hidden: bool


class ItemsAnswer(Answer):
    """Items that were put, then those of the model; `cursor` leads to the next page."""

    items: list[ItemAnswer]
    cursor: str | None


class PutItemAnswer(Answer):
    """What became of an item."""

    item_id: str
    can_be_recommended: bool
    message: str


class PutItemsAnswer(Answer):
    """What became of many items, in the order given."""

    items: list[PutItemAnswer]


class ImpressionAnswer(Answer):
    """How much of it was kept: nothing that was told before, or of a user who was forgotten."""

    accepted: int


class ModelAnswer(Answer):
    """The model that answers, and how many processes answer with it."""

    model_version: str
    encoder: str
    num_items: int
    facts: dict[str, Any]
    num_workers: int


class AuditEntryAnswer(Answer):
    """Who changed what, and when."""

    number: int
    time_ms: int
    who: str
    what: str
    before: Any
    after: Any


class AuditAnswer(Answer):
    """Entries, the newest first."""

    entries: list[AuditEntryAnswer]


class QuestionAnswer(Answer):
    """An item to ask somebody new about."""

    item_id: str
    rank: int
    num_users: int
    share: float


class OnboardingAnswer(Answer):
    """Questions in the order of asking."""

    items: list[QuestionAnswer]
    model_version: str


class LiveAnswer(Answer):
    """The process lives."""

    status: Literal["live"]


class CheckAnswer(Answer):
    """One thing that must be there."""

    ok: bool
    message: str


class ReadyAnswer(Answer):
    """Whether requests can be answered."""

    status: Literal["ready", "not ready"]
    checks: dict[str, CheckAnswer]


class ErrorBody(Answer):
    """What went wrong."""

    code: str
    message: str
    request_id: str


class ErrorAnswer(Answer):
    """An error."""

    error: ErrorBody
    rejected: list[RejectionAnswer] | None = Field(None, description="Of an atomic batch.")
