"""`penchant serve` for real: a process, a socket, signals, and several workers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from ..cli.conftest import invoke

START_S = 60.0
NUM_SENT = 2_000


class Served:
    """A service in a process of its own."""

    def __init__(self, process, address) -> None:
        self.process = process
        self.address = address

    def ask(self, method, path, body=None, **headers):
        """Return status and answer of a request on a connection of its own."""
        data = None if body is None else json.dumps(body).encode()
        told = {"content-type": "application/json", **headers}
        request = urllib.request.Request(self.address + path, data, told, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def end(self) -> tuple[int, str]:
        """Send the signal that ends it; return its exit code and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        _, logged = self.process.communicate(timeout=60)
        return self.process.returncode, logged


@contextmanager
def served(*arguments, cwd):
    """Run `penchant serve` on a free port until the block is left."""
    command = [sys.executable, "-m", "penchant", "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+(?=/docs)", line)
        assert found, line + process.stderr.read()
        service = Served(process, found[0])
        deadline = time.monotonic() + START_S
        while True:
            try:
                status, _ = service.ask("GET", "/health/ready")
                assert status == 200
                break
            except urllib.error.URLError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def run(bundles):
    return bundles / "first"


@pytest.mark.timeout(180)
def test_what_was_taken_up_when_the_signal_came_is_answered_and_kept(run, tmp_path):
    with served(run, "--store", "sqlite:///s.db", cwd=tmp_path) as service:
        assert service.ask("POST", "/v1/events", {"user_id": "汉/u", "item_id": "tea"})[0] == 200
        status, listed = service.ask("GET", "/v1/users/%E6%B1%89%2Fu/recommendations?k=3")
        assert (status, len(listed["items"]), listed["num_events"]) == (200, 3, 1)
        answers = []

        def send(name):
            events = [{"user_id": f"{name}-{n % 9}", "item_id": "rum"} for n in range(NUM_SENT)]
            answers.append(service.ask("POST", "/v1/events", events))

        threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        pending = 0
        while not answers and pending < 4:  # all four are inside, none is answered
            text = urllib.request.urlopen(f"{service.address}/metrics").read().decode()
            pending = float(re.search(r"^penchant_pending_requests (\S+)", text, re.M)[1])
        code, logged = service.end()
        for thread in threads:
            thread.join()
        assert [(status, body["accepted"]) for status, body in answers] == [(200, NUM_SENT)] * 4
        assert code == 0
        assert all(json.loads(line) for line in logged.splitlines())
    with served(run, "--store", "sqlite:///s.db", cwd=tmp_path) as service:
        counts = [service.ask("GET", f"/v1/users/{name}-0")[1]["num_events"] for name in "abcd"]
        assert counts == [NUM_SENT // 9 + 1] * 4


@pytest.mark.timeout(180)
def test_two_workers_answer_as_one(run, bundles, tmp_path):
    arguments = ("--store", "sqlite:///s.db", "--workers", 2, "--models-dir", bundles)
    with served(run, *arguments, cwd=tmp_path) as service:
        deadline = time.monotonic() + START_S
        while service.ask("GET", "/v1/model")[1]["num_workers"] < 2:
            assert time.monotonic() < deadline
        for place in range(1, 21):  # connections go to either worker
            event = {"user_id": "u", "item_id": "tea", "event_id": f"e{place}"}
            assert service.ask("POST", "/v1/events", event)[1]["accepted"] == 1
            assert service.ask("GET", "/v1/users/u")[1]["num_events"] == place
        status, changed = service.ask("PUT", "/v1/model", {"path": "second"})
        assert (status, changed["num_workers"]) == (200, 2)
        versions = {service.ask("GET", "/v1/users/u/recommendations")[1]["model_version"]
                    for _ in range(20)}  # fmt: skip
        assert versions == {changed["model_version"]}
        service.ask("DELETE", "/v1/items/kiwi")
        for _ in range(10):
            listed = service.ask("GET", "/v1/users/u/recommendations")[1]["items"]
            assert "kiwi" not in [item["item_id"] for item in listed]
        text = urllib.request.urlopen(f"{service.address}/metrics").read().decode()
        assert 'penchant_events_total{outcome="accepted"} 20.0' in text
        code, logged = service.end()
        assert code == 0
        processes = {json.loads(line)["process"] for line in logged.splitlines()
                     if '"request"' in line}  # fmt: skip
        assert len(processes) == 2


@pytest.mark.timeout(120)
def test_a_body_that_is_too_long_is_refused_before_it_is_read(run, tmp_path):
    with served(run, "--store", "memory://", cwd=tmp_path) as service:
        body = [{"user_id": "u", "item_id": "tea", "note": "x" * 12_000_000}]
        status, answer = service.ask("POST", "/v1/events", body)
        assert (status, answer["error"]["code"]) == (413, "too_long")
        assert service.ask("GET", "/v1/users/u")[1]["num_events"] == 0


def refused(*arguments):
    result = invoke("serve", *arguments)
    return result.exit_code, result.output + (result.stderr or "")


def test_what_cannot_be_served_is_refused_in_words(run, tmp_path):
    memory = (run, "--store", "memory://")
    for arguments, code, said in (
        ((*memory, "--host", "0.0.0.0"), 2, "must ask for keys"),
        ((*memory, "--workers", 2), 2, "lives in one process"),
        ((*memory, "--workers", 0), 2, "must be 1 or more"),
        ((*memory, "--port", 70_000), 2, "from 0 to 65535"),
        ((*memory, "--api-keys", tmp_path / "none.json"), 1, "There is no file of API keys"),
        ((*memory, "--models-dir", tmp_path / "none"), 2, "must be a folder"),
        ((tmp_path / "none", "--store", "memory://"), 1, "There is no directory"),
        ((run, "--store", "mysql://x"), 1, "A store address must look like"),
        ((*memory, "--host", "192.0.2.1", "--no-auth"), 3, "cannot be taken"),
    ):
        found, output = refused(*arguments)
        assert (found, said in " ".join(output.split())) == (code, True), output


def test_keys_are_made_listed_and_taken_away(tmp_path):
    path = tmp_path / "keys.json"
    made = invoke("keys", "create", "--role", "write", "--file", path, "--rate-limit", 5, "--json")
    told = json.loads(made.stdout)
    assert told["key"].startswith(f"pk_{told['id']}_")
    listed = json.loads(invoke("keys", "list", "--file", path, "--json").stdout)["keys"]
    assert [(key["id"], key["role"], key["rate_limit"]) for key in listed] == [
        (told["id"], "write", 5.0)
    ]
    assert invoke("keys", "create", "--role", "owner", "--file", path).exit_code == 2
    assert invoke("keys", "revoke", "00000000", "--file", path).exit_code == 1
    assert invoke("keys", "revoke", told["id"], "--file", path).exit_code == 0
    assert json.loads(invoke("keys", "list", "--file", path, "--json").stdout)["keys"] == []
    code, output = refused("runs/none", "--api-keys", path, "--store", "memory://")
    assert (code, "must hold a key" in output) == (1, True)
