"""Penchant and its peers on the same data, the same targets and the same machine, in one run.

    python benchmarks/peers DATA [--peers rectools,recbole,penchant] [--epochs 1] [--repeats 3]

DATA is a folder of `penchant prepare`. Each peer runs in an environment of its own, kept under
runs/peers. All are given one architecture (see `measures.Settings`) and the full softmax.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from environments import PEERS, ROOT, UnavailableError, python_of
from measures import Settings, Task
from report import ratios, summary, text
from task import task_of

from penchant.errors import PenchantError
from penchant.events import PreparedData

HERE = Path(__file__).parent


class FailedError(Exception):
    """A peer's program ended without figures."""


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="a folder made by penchant prepare")
    add("--peers", default=",".join(PEERS), help="which, in the order of each round")
    add("--window", type=int, default=50, help="train on the last so many targets of each user")
    add("--users", type=int, default=0, help="take so many users by chance, for a quick look")
    add("--epochs", type=int, default=1, help="most epochs of one run")
    add("--repeats", type=int, default=3, help="rounds, in each of which every peer runs once")
    add("--threads", type=int, default=2, help="threads of each peer")
    add("--dropout", type=float, default=0.2, help="dropout, everywhere where a peer has it")
    add("--heads", type=int, default=2, help="heads of the self-attention")
    add("--batch", action="append", default=[], metavar="PEER=N", help="not its usual batch size")
    add("--validate", action="store_true", help="rank the validation targets after each epoch")
    add("--until", type=float, default=0.0, metavar="NDCG", help="train until NDCG@10 is reached")
    add("--config", default="default", help="Penchant's recipe, under what all peers share")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="settings of Penchant's own; with encoder.kind=… nothing else is said of the encoder",
    )
    add("--python", default=sys.executable, help="makes the environments of the peers")
    add("--envs", type=Path, default=ROOT / "runs" / "peers", help="where these are kept")
    add("--json", action="store_true", help="print everything as JSON")
    told = parser.parse_args()
    for line in told.batch:
        peer, _, size = line.partition("=")
        if peer not in PEERS or not size.isdigit():
            parser.error(f"--batch takes {' or '.join(PEERS)}, = and a size, but is {line!r}")
    if min(told.epochs, told.repeats, told.threads) < 1 or told.window < 2:
        parser.error("--epochs, --repeats and --threads must be 1 or more and --window 2 or more")
    return told


def chosen_peers(names: str) -> list[str]:
    """Return the peers named, each once."""
    peers = list(dict.fromkeys(names.split(",")))
    if unknown := [name for name in peers if name not in PEERS]:
        sys.exit(f"--peers may name {', '.join(PEERS)}, but {unknown[0]!r} is none of them.")
    return peers


def settings_of(told: argparse.Namespace, name: str) -> Settings:
    """Return what one peer is told."""
    sizes = dict(line.split("=", 1) for line in told.batch)
    own = {"data": str(told.data.resolve()), "config": told.config, "set": told.set}
    config = Path(told.config)
    if config.is_file():
        own["config"] = str(config.resolve())
    return Settings(
        num_heads=told.heads,
        dropout_rate=told.dropout,
        num_epochs=told.epochs,
        num_threads=told.threads,
        validate=told.validate or told.until > 0,
        until_ndcg=told.until,
        batch_size=int(sizes.get(name, 0)),
        own=own if name == "penchant" else {},
    )


def environment(num_threads: int) -> dict[str, str]:
    """Return the variables of a peer's program: its threads, no accelerator, nothing of ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PENCHANT_", "PYTHON"))
    }
    pools = ("OMP_NUM", "MKL_NUM", "OPENBLAS_NUM", "NUMEXPR_NUM", "POLARS_MAX")
    threads = {f"{pool}_THREADS": str(num_threads) for pool in pools}
    return {**kept, **threads, "CUDA_VISIBLE_DEVICES": ""}


def figures_of(command: list[str], log: Path, num_threads: int) -> dict[str, Any]:
    """Run a program in a folder of its own and return the figures it prints last.

    Raises
    ------
    FailedError
        When it ends otherwise; says where its words are kept.
    """
    with (
        tempfile.TemporaryDirectory(prefix="peer-") as scratch,
        log.open("w", encoding="utf-8") as noise,
    ):
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
            cwd=scratch,
            env=environment(num_threads),
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:  # what it printed besides is of no use
        said = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
        last = said[-1] if said else "nothing"
        raise FailedError(f"ended with {done.returncode} and said: {last} (all of it: {log})")
    return json.loads(lines[-1])


class Rounds:
    """Peers in turn, round after round; one that fails is left out of the rest."""

    def __init__(self, told: argparse.Namespace, task_file: Path) -> None:
        self.told, self.task_file = told, task_file
        self.names = chosen_peers(told.peers)
        self.logs = told.envs / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.runs: dict[str, list[dict[str, Any]]] = {name: [] for name in self.names}
        self.failed: dict[str, str] = {}
        self.rates: list[float] = []
        self.pythons: dict[str, Path] = {}

    def install(self) -> None:
        """Make the environments that are missing."""
        for name in self.names:
            try:
                self.pythons[name] = python_of(PEERS[name], self.told.envs, self.told.python)
            except UnavailableError as error:
                self.fail(name, str(error))

    def fail(self, name: str, reason: str) -> None:
        self.failed[name] = reason
        print(f"failed: {reason}", file=sys.stderr, flush=True)

    def run(self) -> None:
        """Make all rounds."""
        for number in range(1, self.told.repeats + 1):
            self.rates.append(self.matrix_gflops())
            for name in self.names:
                if name in self.failed:
                    continue
                try:
                    self.runs[name].append(self.one(name, number))
                except FailedError as error:
                    self.fail(name, f"{name} {error}")

    def matrix_gflops(self) -> float:
        threads = self.told.threads
        command = [sys.executable, str(HERE / "matrix_rate.py"), str(threads)]
        return figures_of(command, self.logs / "matrix.log", threads)["gflops"]

    def one(self, name: str, number: int) -> dict[str, Any]:
        """Run one peer once."""
        told = json.dumps(asdict(settings_of(self.told, name)))
        command = [str(self.pythons[name]), str(PEERS[name].script), str(self.task_file), told]
        found = figures_of(command, self.logs / f"{name}-{number}.log", self.told.threads)
        seconds = ", ".join(f"{each:.1f}" for each in found["train_s"])
        ndcg = f", NDCG@10 {found['ndcg'][-1]:.4f}" if found["ndcg"] else ""
        print(f"round {number}: {name} {seconds} s{ndcg}", file=sys.stderr, flush=True)
        return found

    def document(self, task: Task) -> dict[str, Any]:
        """Return everything that was measured."""
        told = self.told
        runs = {name: own for name, own in self.runs.items() if own and name not in self.failed}
        return {
            "data": str(told.data),
            "task": {
                "num_users": task.num_users,
                "num_items": task.num_items,
                "num_targets": task.num_targets,
                "window": task.window,
            },
            "asked": {
                **asdict(settings_of(told, "")),
                "repeats": told.repeats,
                "config": told.config,
                "set": told.set,
            },
            "matrix_gflops": statistics.median(self.rates),
            "matrix_gflops_of_rounds": self.rates,
            "peers": summary(runs, self.rates, task.num_targets, told.until),
            "ratios": ratios(runs),
            "failed": self.failed,
            "runs": self.runs,
        }


def main() -> int:
    told = parsed()
    try:
        task = task_of(PreparedData.load(told.data), told.window, told.users)
    except PenchantError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        task_file = Path(folder) / "task.npz"
        task.save(task_file)
        rounds = Rounds(told, task_file)
        rounds.install()
        rounds.run()
    document = rounds.document(task)
    print(json.dumps(document, indent=2) if told.json else text(document))
    return int(bool(rounds.failed))


if __name__ == "__main__":
    sys.exit(main())
