"""The document is true: it names what there is, and whatever is drawn from it breaks nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

from openapi_requests import requests_of
from penchant.serving.app.openapi import description
from penchant.serving.app.routes import ROUTES
from penchant.serving.app.settings import ServeSettings

from ..serving.test_later_items import mixture_bundle
from ..serving.world import make_bundle, make_users
from .conftest import serving

DOCUMENT = description(ROUTES)


def test_the_document_names_every_route_and_every_reference_leads_somewhere():
    told = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert told == {(route.method, route.path) for route in ROUTES}
    text = json.dumps(DOCUMENT)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(DOCUMENT["components"]["schemas"])
    operations = [one["operationId"] for methods in DOCUMENT["paths"].values()
                  for one in methods.values()]  # fmt: skip
    assert len(set(operations)) == len(operations)


def test_the_document_says_what_may_be_asked():
    asked = DOCUMENT["components"]["schemas"]["RecommendMessage"]
    assert asked["additionalProperties"] is False
    assert (asked["properties"]["k"]["minimum"], asked["properties"]["k"]["maximum"]) == (1, 1000)
    event = DOCUMENT["components"]["schemas"]["EventMessage"]
    assert event["required"] == ["user_id", "item_id"]
    query = DOCUMENT["paths"]["/v1/users/{user_id}/recommendations"]["get"]["parameters"]
    assert [one["name"] for one in query] == ["user_id", "k", "at", "exclude_seen", "objective"]
    assert "409" in DOCUMENT["paths"]["/v1/events"]["post"]["responses"]


def test_the_document_is_served(client):
    assert client.get("/openapi.json").json() == DOCUMENT


@pytest.fixture(scope="module", params=["titles", "attributes"])
def drawn_at(request, tmp_path_factory):
    """A service whose model reads titles of items, and one whose model reads users' attributes."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "titles":
        bundle = mixture_bundle("identity", "text", "features")
    else:
        bundle = make_bundle(users=make_users(), profile={"kind": "prefix"})
    bundle.save(folder / "run")
    told = ServeSettings(
        run=str(folder / "run"), store="memory://", models_dir=str(folder), log_requests=False
    )
    with serving(told) as client:
        yield client


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=requests_of(DOCUMENT))
def test_whatever_is_drawn_from_the_document_is_answered_as_documented(drawn_at, request):
    answer = drawn_at.request(
        request.method, request.path, headers=request.headers, content=request.body
    )
    assert answer.status_code != 503
