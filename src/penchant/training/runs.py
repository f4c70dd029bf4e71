"""A run: the directory of one training, from its first second to its bundle.

`run.json` says what it is, on which data, and how far it has come. It stands under its final name
from the start, so that a training that was stopped in any way can be taken up again.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import polars as pl
import torch

from penchant.config import Config
from penchant.errors import (
    ConfigError,
    CorruptBundleError,
    InputError,
    MissingFileError,
    OutputExistsError,
)
from penchant.events import PreparedData
from penchant.training.checkpoints import sync

FORMAT: Final = 1
State = Literal["running", "interrupted", "diverged", "done"]

CHANGEABLE: Final = frozenset(
    f"training.{name}"
    for name in (
        "checkpoint_minutes", "device", "learning_rate", "max_gradient_norm", "max_minutes",
        "num_epochs", "num_threads", "patience", "tracker",
    )
)  # fmt: skip
"""Settings that may be others when a training is taken up again."""


@dataclass(frozen=True)
class Run:
    """The directory of a training.

    Parameters
    ----------
    path
        Where it is.
    """

    path: Path

    @property
    def bundle(self) -> Path:
        """Directory of the bundle, once the training is done."""
        return self.path / "bundle"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last.safetensors"

    @property
    def tensorboard(self) -> Path:
        """Directory of the event files."""
        return self.path / "tensorboard"

    @property
    def history(self) -> Path:
        """One line of JSON per epoch."""
        return self.path / "history.jsonl"

    def best(self, epoch: int) -> Path:
        """Return the file with the weights of an epoch that was the best."""
        return self.path / "checkpoints" / f"best-{epoch:04d}.safetensors"

    @property
    def manifest(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises
        ------
        MissingFileError
            When there is no run here.
        CorruptBundleError
            When the file cannot be read, or a newer version wrote it.
        """
        file = self.path / "run.json"
        if not file.is_file():
            raise MissingFileError(
                f"{self.path} holds no run: there is no {file}.",
                "Name the directory that was given to penchant train --out.",
            )
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            found = int(manifest["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptBundleError(
                f"{file} cannot be read: {error}.", "Train again with --overwrite."
            ) from error
        if found > FORMAT:
            raise CorruptBundleError(
                f"{file} has format {found}; this version reads up to {FORMAT}.",
                "Install a newer penchant.",
            )
        return manifest

    @property
    def config(self) -> Config:
        """The configuration it was started with, changes on resuming included.

        Raises
        ------
        MissingFileError
            When there is no run here.
        """
        file = self.path / "config.toml"
        if not file.is_file():
            raise MissingFileError(f"{self.path} holds no run: there is no {file}.")
        return Config.from_toml(file.read_text(encoding="utf-8"), str(file))

    @classmethod
    def create(
        cls,
        path: str | Path,
        data: PreparedData,
        config: Config,
        *,
        overwrite: bool = False,
        data_path: str | Path | None = None,
        origin: Mapping[str, Any] = MappingProxyType({}),
    ) -> Run:
        """Make the directory of a new training; `origin` says what it starts from.

        Raises
        ------
        OutputExistsError
            When the path is taken and `overwrite` is off, or by something that is no run.
        """
        run = cls(Path(path))
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            run._clear(overwrite)
        run.path.mkdir(parents=True, exist_ok=True)
        write_text(run.path / "config.toml", config.to_toml())
        now = _now()
        manifest = {
            "format": FORMAT,
            "kind": "run",
            "state": "running",
            "data": {
                "path": None if data_path is None else str(Path(data_path).resolve()),
                "fingerprint": data.manifest.get("fingerprint"),
            },
            "seed": config.training.seed,
            **origin,
            "versions": versions(),
            "started_at": now,
            "updated_at": now,
            "epoch": 0,
            "test_looks": 0,
        }
        run._write(manifest)
        return run

    @classmethod
    def resume(
        cls, path: str | Path, data: PreparedData, config: Config | None
    ) -> tuple[Run, Config]:
        """Open a run to go on with it; returns it with its configuration.

        Raises
        ------
        MissingFileError
            When there is no run.
        InputError
            When it was trained on other data, or not at all.
        ConfigError
            When a setting is another one that the weights or the order of the data depend on.
        """
        run = cls(Path(path))
        manifest, before = run.manifest, run.config
        if "transferred_from" in manifest:
            raise InputError(
                f"A training must be there to be gone on with, but {run.path} was transferred.",
                f"Train from it: penchant train DATA --out RUN --warm-start {run.path}",
            )
        kept, found = manifest["data"]["fingerprint"], data.manifest.get("fingerprint")
        if kept != found:
            raise InputError(
                f"{run.path} was trained on data with fingerprint {kept}, but this is {found}.",
                f"Give the data of {manifest['data']['path']}, or train anew.",
            )
        config = before if config is None else config
        fixed = [key for key in before.differences(config) if key not in CHANGEABLE]
        if fixed:
            raise ConfigError(
                f"On resuming, a training keeps its settings, but {', '.join(fixed)} differ "
                f"from {run.path / 'config.toml'}.",
                "Leave out --config and --set, or train anew into another directory.",
            )
        for unfinished in (*run.path.glob(".*.*.*"), *run.last.parent.glob(".*.*.*")):
            unfinished.unlink()  # a kill while a file was written leaves its beginning
        write_text(run.path / "config.toml", config.to_toml())
        run.update(state="running", versions=versions())
        return run, config

    def update(self, **entries: Any) -> None:
        """Change entries of `run.json`."""
        self._write({**self.manifest, **entries, "updated_at": _now()})

    def count_test_look(self) -> int:
        """Count one more look at the test part and return the looks so far."""
        looks = int(self.manifest.get("test_looks", 0)) + 1
        self.update(test_looks=looks)
        return looks

    def write_history(self, records: Iterable[dict[str, Any]]) -> None:
        """Write all epochs, one line each."""
        write_text(self.history, "".join(f"{json.dumps(record)}\n" for record in records))

    def _write(self, manifest: dict[str, Any]) -> None:
        write_text(self.path / "run.json", json.dumps(manifest, indent=2) + "\n")

    def _clear(self, overwrite: bool) -> None:
        if not overwrite:
            raise OutputExistsError(
                f"{self.path} exists.", "Say --resume to go on there, or --overwrite to start anew."
            )
        if not (self.path / "run.json").is_file():
            raise OutputExistsError(
                f"{self.path} exists and is no run, so it is not overwritten.",
                "Choose another directory.",
            )
        shutil.rmtree(self.path)


def versions() -> dict[str, str]:
    """Return the versions that the numbers of a training depend on."""
    from importlib.metadata import version

    return {
        "penchant": version("penchant"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "polars": pl.__version__,
        "platform": platform.platform(),
    }


def write_text(path: Path, text: str) -> None:
    """Write a file beside `path`, see it to the disk, and rename it into place."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    sync(unfinished)
    unfinished.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
