"""Events over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from penchant.serving.app.calls import Call
from penchant.serving.app.refusals import RefusedError
from penchant.serving.app.replies import Reply, json_reply
from penchant.serving.messages import ObserveQuery
from penchant.stores import Outcome

if TYPE_CHECKING:
    from penchant.serving.app.service import Service
    from penchant.serving.results import ObserveResult


def observe(service: Service, call: Call) -> Reply:
    """Record events: `POST /v1/events`."""
    is_atomic = call.query_as(ObserveQuery).atomic
    given, is_single = call.entries()
    with service.metrics.timed("observe"):
        result = service.live.observe(given, is_atomic)
    service.metrics.observed(result)
    if result.rejected and (is_single or is_atomic):
        raise _rejected(result, is_single)
    return json_reply(
        {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "rejected": [asdict(each) for each in result.rejected],
            "event_ids": result.event_ids,
        }
    )


def _rejected(result: ObserveResult, is_single: bool) -> RefusedError:
    """Return the refusal of a single event, or of a batch of which all or nothing is kept."""
    first = result.rejected[0]
    if is_single:
        status = 409 if first.code == Outcome.CONFLICT.value else 422
        return RefusedError(status, first.code, first.message)
    return RefusedError(
        422,
        "batch_rejected",
        f"{len(result.rejected)} of {len(result.event_ids)} events were rejected, so that none was "
        f"kept. The first is number {first.index}: {first.message}",
        beside={"rejected": [asdict(each) for each in result.rejected]},
    )
