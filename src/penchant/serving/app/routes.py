"""The table of all routes: what is asked where, by whom, and what is answered.

Routing and the OpenAPI document are made of this one table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel

from penchant.serving import answers, messages
from penchant.serving.app import handle_events, handle_items, handle_lists, handle_users, operate
from penchant.serving.app.calls import Call
from penchant.serving.app.replies import Reply
from penchant.serving.app.service import Service

Handler = Callable[[Service, Call], Reply]
Role = Literal["open", "read", "write", "admin"]
Body = Literal["none", "one", "one or many", "attributes", "changes"]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    Parameters
    ----------
    role
        What a key must have; `open` for everybody.
    says
        What it is for, one sentence.
    answer
        What 200 holds; `None` for what is no JSON.
    query, message
        What may stand behind the question mark, and in the body.
    body
        How the body is written.
    aside
        It has threads of its own: it is answered when all others are taken, or takes long.
    also
        Status codes beside those that follow from the rest.
    """

    method: str
    path: str
    role: Role
    says: str
    handler: Handler
    answer: type[BaseModel] | None
    query: type[BaseModel] | None = None
    message: type[BaseModel] | None = None
    body: Body = "none"
    aside: bool = False
    also: tuple[int, ...] = ()


_E, _U, _I, _M = "/v1/events", "/v1/users/{user_id}", "/v1/items", "/v1/model"
_ONE_ITEM: Final = f"{_I}/{{item_id}}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", _E, "write", "Record events; durable when answered.",
          handle_events.observe, answers.ObserveAnswer, messages.ObserveQuery,
          messages.EventMessage, "one or many", also=(409,)),
    Route("POST", "/v1/recommendations", "read", "A list for a user, a history, or both.",
          handle_lists.recommend, answers.RecommendAnswer, None,
          messages.RecommendMessage, "one"),
    Route("GET", f"{_U}/recommendations", "read", "A list for a user.",
          handle_lists.recommend_briefly, answers.RecommendAnswer, messages.RecommendQuery),
    Route("GET", _U, "read", "What is kept of a user.",
          handle_users.get_user, answers.UserAnswer),
    Route("PUT", _U, "write", "Attributes of a user, in place of those before.",
          handle_users.put_user, answers.UserAnswer, body="attributes"),
    Route("PATCH", _U, "write", "Change some attributes; null takes one away.",
          handle_users.patch_user, answers.UserAnswer, body="changes"),
    Route("DELETE", _U, "write", "Forget a user: all that is kept goes, and is counted.",
          handle_users.forget_user, answers.ForgetAnswer, aside=True),
    Route("GET", f"{_U}/events", "read", "The events of a user by time, in pages.",
          handle_users.list_events, answers.EventsAnswer, messages.EventsQuery),
    Route("DELETE", f"{_U}/events/{{event_id}}", "write", "Delete one event; it stays out.",
          handle_users.delete_event, answers.DeletedAnswer, also=(404,)),
    Route("GET", f"{_U}/export", "read", "Everything that is kept of a user.",
          handle_users.export_user, answers.ExportAnswer, aside=True),
    Route("GET", _I, "read", "Items whose id or title begins so, in pages.",
          handle_items.find_items, answers.ItemsAnswer, messages.ItemsQuery),
    Route("POST", _I, "write", "Put items; with a text a new one can be recommended at once.",
          handle_items.put_items, answers.PutItemsAnswer, None,
          messages.ItemMessage, "one or many", aside=True),
    Route("GET", _ONE_ITEM, "read", "An item.",
          handle_items.get_item, answers.ItemAnswer, also=(404,)),
    Route("PUT", _ONE_ITEM, "write", "Attributes of an item, in place of those before.",
          handle_items.put_item, answers.PutItemAnswer, body="attributes"),
    Route("PATCH", _ONE_ITEM, "write", "Change some attributes; null takes one away.",
          handle_items.patch_item, answers.PutItemAnswer, body="changes", also=(404,)),
    Route("DELETE", _ONE_ITEM, "write", "Hide an item: it is in no list until it is put again.",
          handle_items.hide_item, answers.ItemAnswer, also=(404,)),
    Route("GET", f"{_ONE_ITEM}/similar", "read", "Items most like one.",
          handle_items.similar, answers.SimilarAnswer, messages.SimilarQuery, also=(404,)),
    Route("POST", "/v1/impressions", "write", "What was really shown of a list.",
          handle_lists.put_impression, answers.ImpressionAnswer, None,
          messages.ImpressionMessage, "one"),
    Route("GET", _M, "read", "The model that answers.",
          operate.get_model, answers.ModelAnswer),
    Route("PUT", _M, "admin", "Change the model; answered when all workers answer with it.",
          operate.put_model, answers.ModelAnswer, None, messages.ModelMessage, "one",
          aside=True, also=(409,)),
    Route("GET", "/v1/audit", "admin", "Who changed what, the newest first.",
          operate.audit, answers.AuditAnswer, messages.AuditQuery),
    Route("GET", "/v1/onboarding", "read", "Which items to ask somebody new about.",
          operate.onboarding, answers.OnboardingAnswer, messages.OnboardingQuery, also=(404,)),
    Route("GET", "/health/live", "open", "Whether the process lives.",
          operate.live, answers.LiveAnswer, aside=True),
    Route("GET", "/health/ready", "open", "Whether requests can be answered; 503 if not.",
          operate.ready, answers.ReadyAnswer, aside=True, also=(503,)),
    Route("GET", "/metrics", "read", "Figures for Prometheus.",
          operate.metrics, None, aside=True),
)  # fmt: skip
