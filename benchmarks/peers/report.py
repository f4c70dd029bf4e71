"""From the figures of interleaved runs to medians, ratios and the text that says them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

Figures = dict[str, Any]
OURS = "penchant"
NONE = "-"


def seconds_until(figures: Figures, ndcg: float) -> float | None:
    """Return the seconds of training, preparing not counted, until a validation figure is reached.

    Examples
    --------
    >>> seconds_until({"train_s": [10.0, 9.0], "ndcg": [0.02, 0.04]}, 0.03)
    19.0
    """
    for number, reached in enumerate(figures["ndcg"], start=1):
        if reached >= ndcg:
            return sum(figures["train_s"][:number])
    return None


def summary(
    runs: dict[str, list[Figures]], rates: list[float], num_targets: int, until_ndcg: float
) -> dict[str, Figures]:
    """Return the medians of each peer over its runs."""
    found = {}
    for name, own in runs.items():
        epoch_s = [statistics.median(one["train_s"]) for one in own]
        reached = [seconds_until(one, until_ndcg) for one in own] if until_ndcg else []
        found[name] = {
            "version": own[0]["version"],
            "torch": own[0]["torch"],
            "batch": own[0]["batch"],
            "own_targets": own[0].get("own_targets", num_targets),
            "epoch_s": statistics.median(epoch_s),
            "epoch_s_of_runs": epoch_s,
            "prepare_s": statistics.median(one["prepare_s"] for one in own),
            "targets_per_s": num_targets / statistics.median(epoch_s),
            "peak_memory_mb": statistics.median(one["peak_memory_mb"] for one in own),
            "ndcg": [one["ndcg"][-1] for one in own if one["ndcg"]],
            # a run that did not get there has no time: the median is told when all did
            "until_s": statistics.median(reached) if reached and None not in reached else None,
            "list_ms": statistics.median(one["list_ms"] for one in own),
        }
        if "memory_list_ms" in own[0]:
            found[name]["memory_list_ms"] = statistics.median(one["memory_list_ms"] for one in own)
        if "multiply_adds" in own[0]:
            found[name]["rate"] = share_of_rate(own, epoch_s, rates)
    return found


def share_of_rate(own: list[Figures], epoch_s: list[float], rates: list[float]) -> Figures:
    """Return which share of the rate of a large product is reached, run by run and in the middle.

    The multiply-adds of the forward passes count three times, once forward and twice backward;
    what is computed anew on the way back is not counted.
    """
    parts = own[0]["multiply_adds"]
    gflops = [2 * 3 * sum(parts.values()) / seconds / 1e9 for seconds in epoch_s]
    shares = [reached / rate for reached, rate in zip(gflops, rates, strict=False)]
    return {
        "multiply_adds": parts,
        "gflops": statistics.median(gflops),
        "share": statistics.median(shares),
        "shares": shares,
    }


def ratios(runs: dict[str, list[Figures]]) -> dict[str, float]:
    """Return how many times as fast an epoch of ours is, the median over the rounds."""
    if OURS not in runs:
        return {}
    ours = [statistics.median(one["train_s"]) for one in runs[OURS]]
    return {
        name: statistics.median(
            statistics.median(one["train_s"]) / fast for one, fast in zip(own, ours, strict=False)
        )
        for name, own in runs.items()
        if name != OURS
    }


ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("epoch, s", lambda f: f"{f['epoch_s']:,.1f}"),
    ("targets/s", lambda f: f"{f['targets_per_s']:,.0f}"),
    ("peak memory, MB", lambda f: f"{f['peak_memory_mb']:,.0f}"),
    ("one list, ms", lambda f: f"{f['list_ms']:.1f}"),
    ("list from memory, ms", lambda f: _or_none(f.get("memory_list_ms"), ".2f")),
    ("preparing, s", lambda f: f"{f['prepare_s']:.1f}"),
    ("batch", lambda f: f["batch"]),
    ("targets of its own", lambda f: f"{f['own_targets']:,}"),
    ("version", lambda f: f["version"]),
    ("torch", lambda f: f["torch"]),
)


def _or_none(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def text(document: dict[str, Any]) -> str:
    """Return the figures as lines to read."""
    peers, asked = document["peers"], document["asked"]
    rows = list(ROWS)
    if asked["validate"]:
        rows.insert(4, ("validation NDCG@10", lambda f: _or_none(_middle(f["ndcg"]), ".4f")))
    if asked["until_ndcg"]:
        title = f"s of training to {asked['until_ndcg']:g}"
        rows.insert(5, (title, lambda f: _or_none(f["until_s"], ",.1f")))
    task = document["task"]
    head = [
        f"{task['num_users']:,} users, {task['num_items']:,} items, "
        f"{task['num_targets']:,} targets (the last {task['window']} of each user); "
        f"{asked['num_threads']} threads, "
        f"medians of {asked['repeats']} interleaved runs",
        f"a large float32 matrix product: {document['matrix_gflops']:.1f} GFLOP/s",
    ]
    told = [f"failed: {reason}" for reason in document["failed"].values()]
    if not peers:
        return "\n".join(head + told)
    lines = [*head, " " * 22 + "".join(f"{name:>16}" for name in peers)]
    for title, cell in rows:
        lines.append(f"{title:22}" + "".join(f"{cell(found):>16}" for found in peers.values()))
    for name, times in document["ratios"].items():
        lines.append(f"{OURS} trains {times:.1f} times as many targets a second as {name}")
    return "\n".join(lines + _rate_lines(document) + told)


def _middle(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _rate_lines(document: dict[str, Any]) -> list[str]:
    rate = document["peers"].get(OURS, {}).get("rate")
    if rate is None:
        return []
    parts = rate["multiply_adds"]
    told = " + ".join(f"{name} {count / 1e9:,.2f}" for name, count in parts.items())
    epoch_s = document["peers"][OURS]["epoch_s"]
    return [
        f"{OURS}: 2 x 3 x ({told}) = {6 * sum(parts.values()) / 1e9:,.1f} GFLOP in {epoch_s:.1f} s "
        f"= {rate['gflops']:.1f} GFLOP/s, {rate['share']:.0%} of that rate",
    ]
