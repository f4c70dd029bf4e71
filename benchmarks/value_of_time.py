"""What time is worth: the same training with all time inputs and with none, on the same targets.

    python benchmarks/value_of_time.py [DATA] [--config NAME] [--out DIR] [--seeds 1 2 3]

DATA is a folder made by `penchant prepare`; without one a small log is drawn whose next item
depends on the hour. Every training is a run of its own under DIR and is taken up where it stands.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant import EventLog
from penchant.bundle import Bundle
from penchant.config import Config, build_roles
from penchant.errors import UsageError
from penchant.evaluation import Estimate, ModelRanker, SeedsComparison, compare_over_seeds
from penchant.events import Part, PreparedData
from penchant.training import Run, train
from penchant.training.setup import with_choices

SIDES: dict[str, dict[str, Any]] = {
    "with": {
        "behaviour.use_elapsed": True,
        "behaviour.use_calendar": True,
        "readout.query_time": True,
        "readout.query_calendar": True,
        "interest.decay": "both",
    },
    "without": {
        "behaviour.use_elapsed": False,
        "behaviour.use_calendar": False,
        "readout.query_time": False,
        "readout.query_calendar": False,
        "interest.decay": "event",
    },
}
SHOWN = ("ndcg@10", "hit@10", "mrr@10")
DRAWN_SETTINGS = ("training.num_epochs=12", "training.learning_rate=0.01", "width=32")


def settings_of(side: str, config: Config) -> dict[str, Any]:
    """Return the time inputs of a side, those of the encoder included where it has any."""
    told, own = side == "with", config.encoder.settings
    settings = dict(SIDES[side])
    if "elapsed_decay" in own:
        settings["encoder.elapsed_decay"] = told
    if "position" in own:
        base = own["position"].removesuffix("_and_time")
        settings["encoder.position"] = f"{base}_and_time" if told else base
    return settings


def drawn_data(num_users: int = 120, num_items: int = 48) -> PreparedData:
    """Return a log in which the next item depends on its hour, and on nothing else."""
    draw = np.random.default_rng(0)
    users = np.repeat(np.arange(num_users), 30)
    hours = draw.integers(1, 40, len(users)).reshape(num_users, -1).cumsum(1).reshape(-1)
    items = (hours % 24) * num_items // 24 + draw.integers(0, 4, len(users))
    frame = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "item_id": [f"i{item % num_items}" for item in items],
            "timestamp": 1_700_000_000 + 3_600 * hours,
        }
    )
    return EventLog.read(frame, time_unit="s").prepare(split="leave-one-out")


def trained(data: PreparedData, data_path: Path | None, config: Config, place: Path) -> Bundle:
    """Return the bundle of a run, trained or gone on with where it is not done."""
    exists = (place / "run.json").is_file()
    if exists and Run(place).manifest["data"]["fingerprint"] != data.fingerprint:
        raise UsageError(f"{place} was trained on other data.", "Give another --out.")
    config, _ = with_choices(data, config)
    if exists and (changed := Run(place).config.differences(config)):
        raise UsageError(
            f"{place} was trained with another {', '.join(changed)}.", "Give another --out."
        )
    if not exists or Run(place).manifest["state"] != "done":
        print(f"training {place}", file=sys.stderr, flush=True)
        train(data, config, place, resume=exists, data_path=data_path)
    return Bundle.load(place)


def compare(
    data: PreparedData, bundles: Mapping[str, list[Bundle]], part: Part
) -> dict[str, SeedsComparison]:
    """Return the comparisons that are printed: with time against two ways to do without it."""
    config = bundles["with"][0].config
    roles = build_roles(config, data.event_types)

    def rankers(side: str, query_time: bool = True) -> list[ModelRanker]:
        models = [bundle.model for bundle in bundles[side]]
        return [ModelRanker(model, query_time=query_time, roles=roles) for model in models]

    others = {
        "without": rankers("without"),
        "with, not told when": rankers("with", query_time=False),
    }
    return {
        name: compare_over_seeds(
            rankers("with"),
            other,
            roles.with_targets(data.log),
            data.num_items,
            part,
            exclude_seen=config.evaluation.exclude_seen,
            seen_event_types=roles.seen_types,
        )
        for name, other in others.items()
    }


def told(estimate: Estimate, sign: str = "") -> str:
    """Return a figure with its interval."""
    return f"{estimate.value:{sign}.4f} [{estimate.low:{sign}.4f}, {estimate.high:{sign}.4f}]"


def show(compared: Mapping[str, SeedsComparison]) -> None:
    """Print the figures of each side and the paired differences."""
    first = next(iter(compared.values()))
    print(f"{first.num_targets:,} targets of {first.num_users:,} users; 95 % intervals over users")
    for metric in SHOWN:
        print(f"\n{metric}")
        print(f"  {'with':26} {told(first.first[metric])}  {_seeds(first.by_seed[metric][0])}")
        for name, found in compared.items():
            seeds = _seeds(found.by_seed[metric][1])
            print(f"  {name:26} {told(found.second[metric])}  {seeds}")
        for name, found in compared.items():
            print(f"  {'with − ' + name:26} {told(found.difference[metric], '+')}")


def _seeds(values: list[float]) -> str:
    return f"({', '.join(f'{value:.4f}' for value in values)})"


def main() -> None:
    """Train what is not trained yet, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--config", default="default", help="a recipe, or a TOML file")
    parser.add_argument("--out", type=Path, help="keeps the runs; a temporary folder without DATA")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--on", choices=("test", "validation"), default="test")
    for option, meant in (
        ("--set", "both sides"),
        ("--set-with", "the side with time"),
        ("--set-without", "the side without"),
    ):
        help_ = f"a setting of {meant}, key=value"
        parser.add_argument(option, action="append", default=[], metavar="KEY=VALUE", help=help_)
    asked = parser.parse_args()
    own = {"with": asked.set_with, "without": asked.set_without}
    with tempfile.TemporaryDirectory(prefix="value-of-time-") as scratch:
        out = asked.out or (Path("runs/value-of-time") if asked.data else Path(scratch))
        data = PreparedData.load(asked.data) if asked.data else drawn_data()
        changes = [*asked.set] if asked.data else [*DRAWN_SETTINGS, *asked.set]
        bundles = {}
        for side in SIDES:
            config = Config.load(asked.config, changes)
            config = config.override(settings_of(side, config)).override(own[side])
            bundles[side] = [
                trained(
                    data,
                    asked.data,
                    config.override({"training.seed": seed}),
                    out / f"{side}-{seed}",
                )
                for seed in asked.seeds
            ]
        if asked.on == "test":
            for place in sorted(out.glob("with*-*/run.json")):
                Run(place.parent).count_test_look()
        show(compare(data, bundles, Part[asked.on.upper()]))


if __name__ == "__main__":
    main()
