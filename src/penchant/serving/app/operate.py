"""What runs a service, over HTTP: the model, the audit log, questions, health, metrics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from penchant.errors import PenchantError
from penchant.serving.app.calls import Call
from penchant.serving.app.changing import change_model, told_model
from penchant.serving.app.metrics import CONTENT_TYPE
from penchant.serving.app.refusals import RefusedError
from penchant.serving.app.replies import Reply, json_reply
from penchant.serving.messages import AuditQuery, ModelMessage, OnboardingQuery
from penchant.serving.onboarding import Onboarding

if TYPE_CHECKING:
    from penchant.serving.app.service import Service


def get_model(service: Service, _call: Call) -> Reply:
    """Return what is said of the model: `GET /v1/model`."""
    return json_reply(told_model(service.follower))


def put_model(service: Service, call: Call) -> Reply:
    """Change the model: `PUT /v1/model`."""
    asked = call.message(ModelMessage)
    change_model(service.follower, asked, service.settings.models_dir, call.key.id)
    return json_reply(told_model(service.follower))


def audit(service: Service, call: Call) -> Reply:
    """Return who changed what: `GET /v1/audit`."""
    asked = call.query_as(AuditQuery)
    entries = service.live.store.audit_log(asked.limit, asked.before)
    return json_reply({"entries": [asdict(entry) for entry in entries]})


def onboarding(service: Service, call: Call) -> Reply:
    """Return what to ask somebody new: `GET /v1/onboarding`."""
    asked, bundle = call.query_as(OnboardingQuery), service.live.bundle
    if bundle.questions is None:
        raise RefusedError(
            404,
            "no_questions",
            f"The model {bundle.id} keeps no questions.",
            "Choose them with: penchant onboard RUN --keep",
        )
    chosen = Onboarding.from_dict(bundle.questions).first(asked.k)
    items = [
        {
            "item_id": each.item_id,
            "rank": place,
            "num_users": each.num_users,
            "share": each.share,
        }
        for place, each in enumerate(chosen.questions, start=1)
    ]
    return json_reply({"items": items, "model_version": bundle.id})


def live(_service: Service, _call: Call) -> Reply:
    """Say that the process lives: `GET /health/live`."""
    return json_reply({"status": "live"})


def ready(service: Service, _call: Call) -> Reply:
    """Say whether requests can be answered: `GET /health/ready`."""
    checks = {"model": {"ok": True, "message": service.live.model_version}}
    try:
        service.live.store.changes()
        checks["store"] = {"ok": True, "message": "It answers."}
    except PenchantError as error:
        checks["store"] = {"ok": False, "message": error.code}
    is_ready = all(check["ok"] for check in checks.values())
    body = {"status": "ready" if is_ready else "not ready", "checks": checks}
    return json_reply(body, 200 if is_ready else 503)


def metrics(service: Service, _call: Call) -> Reply:
    """Return figures for Prometheus: `GET /metrics`."""
    return Reply(service.metrics.text(), media_type=CONTENT_TYPE)
