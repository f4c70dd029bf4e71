"""Send requests drawn from the OpenAPI document; any 5xx or undocumented status ends it.

    python benchmarks/fuzz_http.py runs/quickstart --requests 10000

The service runs in this process, on a store in memory. Prints how often each status was answered.
"""

from __future__ import annotations

import argparse
import collections
import logging
import sys
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from starlette.testclient import TestClient  # noqa: E402  after the filter of warnings

from openapi_requests import Request, requests_of  # noqa: E402  of the tools
from penchant.serving.app.door import build_app  # noqa: E402
from penchant.serving.app.openapi import description  # noqa: E402
from penchant.serving.app.routes import ROUTES  # noqa: E402
from penchant.serving.app.service import Service  # noqa: E402
from penchant.serving.app.settings import ServeSettings  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    document = description(ROUTES)
    counts: collections.Counter[int] = collections.Counter()
    service = Service(ServeSettings(run=told.run, store="memory://", log_requests=False))
    with TestClient(build_app(service), raise_server_exceptions=False) as client:

        def send(request: Request) -> None:
            answer = client.request(
                request.method, request.path, headers=request.headers, content=request.body
            )
            operation = document["paths"][request.route][request.method.lower()]
            if '"no_such_route"' in answer.text:  # an id that is empty makes another path
                counts[404] += 1
                return
            if answer.status_code >= 500 or str(answer.status_code) not in operation["responses"]:
                raise AssertionError(f"{request}: {answer.status_code} {answer.text[:500]}")
            counts[answer.status_code] += 1

        checks = list(HealthCheck)
        asked = settings(max_examples=told.requests, deadline=None, suppress_health_check=checks,
                         database=None)  # fmt: skip
        begun = time.perf_counter()
        seed(told.seed)(asked(given(requests_of(document))(send)))()
        taken = time.perf_counter() - begun
    print(f"{sum(counts.values()):,} requests in {taken:.0f} s, no 5xx, all as documented")
    for status, count in sorted(counts.items()):
        print(f"  {status}: {count:,}")


if __name__ == "__main__":
    main()
