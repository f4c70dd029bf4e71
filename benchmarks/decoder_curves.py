"""What pretraining on text is worth to a sequence encoder: validation against steps, side by side.

    python benchmarks/decoder_curves.py DATA [--model smollm2] [--layers 6] [--steps 400]
        [--every 50] [--sides full scratch lora] [--window 50] [--set training.batch_events=1024]

DATA is a folder made by `penchant prepare`. Every side has the same settings and batches; what
differs is `encoder.adaptation`. Each runs in a process, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penchant.adapters import bases, trained_parameters
from penchant.config import Config
from penchant.events import PreparedData
from penchant.sequences.loader import TrainingBatch
from penchant.training import Run, SilentReporter
from penchant.training.setup import with_choices
from penchant.training.trainer import Trainer
from penchant.training.validation import validate

SIDES = ("frozen", "lora", "full", "scratch")
MEGABYTES = 2**20 if sys.platform == "darwin" else 2**10


def config_of(asked: argparse.Namespace, side: str) -> Config:
    """Return the settings of a side; chunks of a history are as long as the decoder's window."""
    encoder = {
        "kind": "language_model",
        "model": asked.model,
        "num_layers": asked.layers,
        "window": asked.window,
        "adaptation": side,
    }
    config = Config.load(asked.config)
    own = {"encoder": encoder, "training": {"window": asked.window, "tracker": "none"}}
    return config.override(own).override(asked.set)


def batches(trainer: Trainer, num_steps: int) -> Iterator[TrainingBatch]:
    """Yield so many batches, epoch after epoch."""
    epoch = 0
    while num_steps > 0:
        for batch in trainer.loader.epoch(epoch):
            if num_steps == 0:
                return
            num_steps -= 1
            yield batch
        trainer._carried, epoch = None, epoch + 1


def run_side(asked: argparse.Namespace, side: str) -> Iterator[dict[str, Any]]:
    """Train one side and yield a record at the start, and after every so many steps."""
    data = PreparedData.load(asked.data)
    config, _ = with_choices(data, config_of(asked, side))
    with tempfile.TemporaryDirectory(prefix="decoder-curves-") as scratch:
        run = Run.create(Path(scratch) / "run", data, config)
        trainer = Trainer(data, config, run, SilentReporter())
        losses, spent = [], Spent()
        for step, batch in enumerate(batches(trainer, asked.steps)):
            if step % asked.every == 0 and (step or asked.first):
                yield record(trainer, data, config, spent, losses)
                losses = []
            trainer.fitted.train()
            with spent:
                losses.append(trainer._step(batch.to(trainer.device))["sequence_loss"])
        yield record(trainer, data, config, spent, losses)


class Spent:
    """Seconds on the clock, and of the processor: on a busy machine the latter tell more."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    def __enter__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self.started[0]
        self.cpu_s += time.process_time() - self.started[1]


def record(
    trainer: Trainer, data: PreparedData, config: Config, spent: Spent, losses: list[float]
) -> dict[str, Any]:
    """Return what is known after some steps; validation counts to no time but its own."""
    encoder = trainer.model.encoder
    validating = Spent()
    with validating:
        figures = validate(trainer.model, data, config)
    steps = trainer.position.num_steps
    return {
        "steps": steps,
        "train_s": spent.wall_s,
        "train_cpu_s": spent.cpu_s,
        "validation_s": validating.wall_s,
        "validation_cpu_s": validating.cpu_s,
        "loss": sum(losses) / max(len(losses), 1),
        **figures,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTES,
        "encoder_trained": trained_parameters(encoder),
        "encoder_parameters": sum(weight.numel() for weight in encoder.parameters()),
        "base_trained": sum(base.num_trained for base in bases(encoder)),
    }


def show(side: str, told: dict[str, Any], is_first: bool) -> None:
    """Print a row of a curve, under its heading where it is the first."""
    if is_first:
        print(
            f"\n{side}: {told['encoder_trained']:,} of {told['encoder_parameters']:,} numbers of "
            f"the encoder are trained ({told['base_trained']:,} of them beside frozen ones)\n"
            "  steps  train s  ms/step  cpu ms/step     loss  ndcg@10   hit@10  valid. cpu  peak MB"
        )
    ms = 1_000 / max(told["steps"], 1)
    print(
        f"{told['steps']:7} {told['train_s']:8.1f} {told['train_s'] * ms:8.0f} "
        f"{told['train_cpu_s'] * ms:12.0f} {told['loss']:8.4f} {told['ndcg@10']:8.4f} "
        f"{told['hit@10']:8.4f} {told['validation_cpu_s']:11.1f} {told['peak_mb']:8.0f}",
        flush=True,
    )


def main() -> None:
    """Run every side in a process of its own and print its curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="smollm2", help="a short name, or a folder")
    parser.add_argument("--layers", type=int, default=6, help="first layers; all when 0")
    parser.add_argument("--window", type=int, default=50, help="events that an event sees at most")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=50, help="steps between validations")
    parser.add_argument("--first", action="store_true", help="validate before the first step too")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=["full", "scratch", "lora"])
    parser.add_argument("--config", default="default", help="a recipe, or a TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="keeps all figures as JSON lines")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        for told in run_side(asked, asked.sides[0]):
            print(json.dumps(told), flush=True)
        return
    kept = []
    for side in asked.sides:
        own = [*sys.argv[1:], "--alone", "--sides", side]
        with subprocess.Popen(
            [sys.executable, __file__, *own], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                told = json.loads(line)
                show(side, told, number == 0)
                kept.append({"side": side, **told})
        if process.returncode:
            sys.exit(process.returncode)
    if asked.out:
        asked.out.write_text("".join(json.dumps(each) + "\n" for each in kept))


if __name__ == "__main__":
    main()
