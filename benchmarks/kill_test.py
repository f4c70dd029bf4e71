"""Kills a process that writes to a store, again and again, and looks for what it had acknowledged.

`python benchmarks/kill_test.py --rounds 100 --num-users 100000` kills with SIGKILL under load. No
acknowledged event may be lost, none be applied twice, and the store be ready again in time.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from penchant.stores import LoggedEvent, Store, open_store

BUNDLE = "kill-test"
NUM_BUSY_USERS = 40


@dataclass
class Tally:
    """What was found over all rounds."""

    num_acknowledged: int = 0
    num_lost: int = 0
    num_applied_wrongly: int = 0
    slowest_ready_s: float = 0.0

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost and nothing applied twice."""
        return not (self.num_lost or self.num_applied_wrongly)


def observe(store: Store, user_id: str, event_id: str, state_bytes: int) -> None:
    """Do to a store what the service does: event and memory in one transaction."""
    with store.transaction(user_id):
        store.append(LoggedEvent(user_id, "item", time.time_ns() // 10**6, event_id))
        standing = store.standing(user_id, BUNDLE)
        counted = standing.memory.num_events + 1
        moved = replace(
            standing.memory,
            state=counted.to_bytes(8) * (state_bytes // 8),
            num_events=counted,
            applied_through=standing.last_sequence,
        )
        store.put_memory(user_id, BUNDLE, moved)


def write(url: str, name: str, num_threads: int, state_bytes: int) -> None:
    """Write until killed, and tell each event that was acknowledged."""
    store, tell = open_store(url), threading.Lock()

    def work(thread: int) -> None:
        draw, count = random.Random(f"{name}/{thread}"), 0
        while True:
            user_id, event_id = f"busy-{draw.randrange(NUM_BUSY_USERS)}", f"{name}/{thread}/{count}"
            observe(store, user_id, event_id, state_bytes)
            with tell:
                print(json.dumps([user_id, event_id]), flush=True)
            count += 1

    for thread in range(num_threads):
        threading.Thread(target=work, args=(thread,)).start()


def one_round(url: str, name: str, options: argparse.Namespace, tally: Tally) -> None:
    """Start a writer, kill it, and check what it acknowledged."""
    command = [sys.executable, __file__, "--write", name, "--store", url]
    command += [
        "--num-threads",
        str(options.num_threads),
        "--state-bytes",
        str(options.state_bytes),
    ]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]  # the first acknowledgement: it is under way
    if not lines[0]:
        raise SystemExit(f"The writer of round {name} ended by itself, with {writer.wait()}.")
    delay = random.uniform(0.02, options.seconds)
    killer = threading.Timer(delay, lambda: writer.send_signal(signal.SIGKILL))
    killer.start()
    lines += writer.stdout.readlines()
    writer.wait()
    killer.join()
    acknowledged = [json.loads(line) for line in lines if line.endswith("]\n")]
    start = time.perf_counter()
    with open_store(url) as store:
        observe(store, "first again", f"{name}/again", options.state_bytes)
        tally.slowest_ready_s = max(tally.slowest_ready_s, time.perf_counter() - start)
        check(store, acknowledged, tally)


def check(store: Store, acknowledged: list[list[str]], tally: Tally) -> None:
    """Hold the logs and memories of the busy users against what was acknowledged."""
    tally.num_acknowledged += len(acknowledged)
    kept: set[tuple[str, str]] = set()
    for number in range(NUM_BUSY_USERS):
        user_id = f"busy-{number}"
        events, standing = store.events(user_id), store.standing(user_id, BUNDLE)
        kept |= {(user_id, event.event_id) for event in events}
        memory = standing.memory
        is_right = memory.num_events == len(events) == len({event.event_id for event in events})
        is_right &= not events or memory.applied_through == max(each.sequence for each in events)
        is_right &= memory.state[:8] == len(events).to_bytes(8) or not events
        tally.num_applied_wrongly += not is_right
    tally.num_lost += sum((user_id, event_id) not in kept for user_id, event_id in acknowledged)


def prefill(url: str, num_users: int, state_bytes: int) -> None:
    """Fill a store with users who have an event and a memory each."""
    with open_store(url) as store:
        for first in range(0, num_users, 5_000):
            with store.transaction():
                for number in range(first, min(first + 5_000, num_users)):
                    observe(store, f"quiet-{number}", f"quiet/{number}", state_bytes)


def main() -> int:
    """Run the rounds, or one writer of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="longest time before a kill")
    parser.add_argument("--num-users", type=int, default=0, help="users that are there before")
    parser.add_argument("--num-threads", type=int, default=8)
    parser.add_argument("--state-bytes", type=int, default=4_096)
    parser.add_argument("--store", help="address; a file of SQLite that is deleted when left out")
    parser.add_argument("--write", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.store, options.write, options.num_threads, options.state_bytes)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"sqlite:///{Path(folder) / 'kill.db'}"
        prefill(url, options.num_users, options.state_bytes)
        tally, run = Tally(), time.time_ns()
        for number in range(options.rounds):
            one_round(url, f"{run}/{number}", options, tally)
    told = {"rounds": options.rounds, "num_users": options.num_users, **vars(tally)}
    print(json.dumps(told))
    return 0 if tally.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
