"""What a store costs: events a second in bulk, bytes a user, and the time of single calls.

`python benchmarks/store_costs.py --num-users 1000000` ingests one event of each user in batches and
gives some of them memories. Times of calls that write include the wait for the disk, which is told
beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from penchant.stores import LoggedEvent, Store, open_store

BATCH, NUM_CALLS, NUM_THREADS = 10_000, 300, 16
START_MS = 1_700_000_000_000


def event(number: int, name: str, user: int) -> LoggedEvent:
    """Return an event with an id of its own."""
    return LoggedEvent(
        f"user-{user}", f"item-{number % 5_000}", START_MS + number, f"{name}-{number}"
    )


def ingest(store: Store, num_users: int) -> float:
    """Append one event of each user; return events a second."""
    start = time.perf_counter()
    for first in range(0, num_users, BATCH):
        numbers = range(first, min(first + BATCH, num_users))
        store.append_many([event(number, "bulk", number) for number in numbers])
    return num_users / (time.perf_counter() - start)


def milliseconds(act: Callable[[int], object]) -> dict[str, float]:
    """Return the median and the 99th percentile of a call."""
    times = []
    for number in range(NUM_CALLS):
        start = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - start) * 1000)
    return {
        "p50_ms": round(statistics.median(times), 3),
        "p99_ms": round(sorted(times)[int(NUM_CALLS * 0.99)], 3),
    }


def observe(store: Store, number: int, state: bytes) -> None:
    """Keep an event and the memory that it moved, in one transaction."""
    user_id = f"user-{number}"
    with store.transaction(user_id):
        store.append(event(number, "observed", number))
        standing = store.standing(user_id, "bundle")
        through = standing.last_sequence
        moved = replace(standing.memory, state=state, num_events=2, applied_through=through)
        store.put_memory(user_id, "bundle", moved)


def appends_at_once(store: Store) -> float:
    """Let threads append; return events a second."""

    def work(thread: int) -> None:
        for number in range(100):
            store.append(event(number, f"thread-{thread}", number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(NUM_THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return NUM_THREADS * 100 / (time.perf_counter() - start)


def main() -> None:
    """Measure and print one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-users", type=int, default=100_000)
    parser.add_argument("--state-bytes", type=int, default=8_192)
    parser.add_argument("--store", help="address; a file of SQLite that is deleted when left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"sqlite:///{Path(folder) / 'costs.db'}"
        with open_store(url) as store, (Path(folder) / "plain").open("wb", buffering=0) as plain:
            told: dict[str, object] = {"num_users": options.num_users}
            told["ingested_per_s"] = round(ingest(store, options.num_users))
            told["disk_bytes_per_user"] = round(store.stats().disk_bytes / options.num_users)
            state = os.urandom(options.state_bytes)
            told["observe"] = milliseconds(lambda number: observe(store, number, state))
            told["standing"] = milliseconds(lambda n: store.standing(f"user-{n}", "bundle"))
            told["changes"] = milliseconds(lambda _: store.changes())
            told["page_of_events"] = milliseconds(lambda n: store.events(f"user-{n}", limit=50))
            told["appends_at_once_per_s"] = round(appends_at_once(store))
            told["forget"] = milliseconds(lambda n: store.forget(f"user-{n}", 0))
            told["fsync"] = milliseconds(lambda _: (plain.write(b"x" * 4096), os.fsync(plain)))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
