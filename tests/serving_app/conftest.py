"""A service in process; every answer that a test gets is held against the OpenAPI document."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from dataclasses import replace

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from penchant.serving.answers import ErrorAnswer
from penchant.serving.app.door import build_app
from penchant.serving.app.openapi import statuses
from penchant.serving.app.routes import ROUTES
from penchant.serving.app.service import Service
from penchant.serving.app.settings import ServeSettings

from ..serving.world import make_bundle

NOW = 2_000_000.0


def route_of(method: str, raw_path: str):
    for route in ROUTES:
        pattern = re.sub(r"{\w+}", "[^/]+", route.path)
        if route.method == method and re.fullmatch(pattern, raw_path):
            return route
    return None


def check_documented(response) -> None:
    """Hold an answer against what the document says of its route."""
    assert response.headers["x-request-id"]
    request = response.request
    path = request.url.raw_path.decode().partition("?")[0]
    route = route_of(request.method, path)
    status = response.status_code
    assert status < 500 or status == 503, response.text
    if status >= 400 and request.method != "HEAD" and path != "/health/ready":
        said = ErrorAnswer.model_validate(response.json())
        assert said.error.request_id == response.headers["x-request-id"]
        assert "Traceback" not in response.text
        assert route is None or status in statuses(route), (route.path, status, response.text)
    elif route is not None and route.answer is not None and request.method != "HEAD":
        route.answer.model_validate(response.json())


class Checked(TestClient):
    """A client that lets no answer pass that is not as documented."""

    def request(self, *arguments, **named):
        response = super().request(*arguments, **named)
        check_documented(response)
        return response

    def unchecked(self, *arguments, **named):
        return super().request(*arguments, **named)

    def observe(self, *events, **named):
        return self.post("/v1/events", json=list(events), **named)

    def list_of(self, user_id, **asked):
        return self.get(f"/v1/users/{user_id}/recommendations", params=asked).json()


@contextmanager
def serving(settings: ServeSettings, clock=lambda: NOW, **changes):
    """Serve in process; gives the client, whose `service` is what answers."""
    service = Service(replace(settings, **changes), clock)
    with Checked(build_app(service), raise_server_exceptions=False) as client:
        client.service = service
        yield client


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """A folder of three models: two that know the same items, and one that is damaged."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("first", "second/bundle")):
        bundle = make_bundle(seed)
        bundle.model.float()  # as a training leaves it
        bundle.save(folder / name)
    (folder / "second" / "run.json").write_text('{"state": "done"}')
    make_bundle(seed=2).save(folder / "damaged")
    (folder / "damaged" / "weights.safetensors").write_bytes(b"none")
    return folder


@pytest.fixture(scope="session")
def settings(bundles):
    return ServeSettings(run=str(bundles / "first"), store="memory://", log_requests=False)


@pytest.fixture(scope="module")
def client(settings):
    """One service for all tests of a file: each uses users and items of its own."""
    with serving(settings) as client:
        yield client
