"""What the HTTP interface adds to the engine: time on one connection, and processor per request.

    python benchmarks/http_overhead.py runs/quickstart

Beside the three hot routes stand the same calls of `Live` in this process, on a store of the same
kind. Medians; take them as ratios. The load generator is one thread with one connection.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from penchant import Live
from penchant.stores import open_store

ROUNDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--no-keep-lists", action="store_true")
    told = parser.parse_args()
    more = ["--no-keep-lists"] if told.no_keep_lists else []
    item_id = Live(told.run).bundle.vocabulary.id(0)
    with tempfile.TemporaryDirectory() as folder:
        alone = engine_times(told.run, folder, item_id, told.rounds)
        over = served_times(told.run, folder, item_id, told.rounds, told.threads, more)
    print(f"{'':<32}{'engine':>9}{'HTTP':>9}{'added':>9}{'server CPU':>12}   (ms, medians)")
    for name, (median, processor) in over.items():
        engine = alone.get(name, 0.0)
        print(f"{name:<32}{engine:9.2f}{median:9.2f}{median - engine:9.2f}{processor:12.2f}")


def timed(work: Callable[[int], object], rounds: int) -> float:
    """Return the median of a call in milliseconds."""
    times = []
    for place in range(rounds):
        begun = time.perf_counter()
        work(place)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times[rounds // 10 :])


def engine_times(run: str, folder: str, item_id: str, rounds: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    with open_store(f"sqlite:///{folder}/alone.db") as store:
        live = Live(run, store)
        event = {"user_id": "u", "item_id": item_id}
        observe = timed(lambda n: live.observe({**event, "user_id": f"u{n % 50}"}), rounds)
        recommend = timed(lambda n: live.recommend(f"u{n % 50}", 10), rounds)
    return {"POST /v1/events": observe, "GET …/recommendations": recommend,
            "POST /v1/recommendations": recommend}  # fmt: skip


def served_times(
    run: str, folder: str, item_id: str, rounds: int, threads: int, more: list[str]
) -> dict[str, tuple[float, float]]:
    command = [sys.executable, "-m", "penchant", "serve", str(Path(run).resolve()), "--port", "0",
               "--store", f"sqlite:///{folder}/served.db", "--threads", str(threads),
               "--no-log-requests", *more]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://([\d.]+):(\d+)", process.stderr.readline())
        assert found
        connection = connected(found[1], int(found[2]))
        own = psutil.Process(process.pid)

        def send(method: str, path: str, body: object = None) -> None:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200

        calls: dict[str, Callable[[int], object]] = {
            "GET /health/live": lambda _: send("GET", "/health/live"),
            "POST /v1/events": lambda n: send(
                "POST", "/v1/events", {"user_id": f"u{n % 50}", "item_id": item_id}
            ),
            "GET …/recommendations": lambda n: send("GET", f"/v1/users/u{n % 50}/recommendations"),
            "POST /v1/recommendations": lambda n: send(
                "POST", "/v1/recommendations", {"user_id": f"u{n % 50}"}
            ),
        }
        told = {}
        for name, call in calls.items():
            before = sum(own.cpu_times()[:2])
            median = timed(call, rounds)
            told[name] = median, (sum(own.cpu_times()[:2]) - before) * 1000 / rounds
        return told
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


def connected(host: str, port: int) -> http.client.HTTPConnection:
    """Return a connection as soon as the service answers."""
    while True:
        connection = http.client.HTTPConnection(host, port)
        try:
            connection.connect()
            return connection
        except OSError:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
