"""Checkpoints: one file each, tensors beside a JSON header, put in place by a rename.

A file is there whole or not at all, however the process ends. Nothing is pickled; reading runs no
code.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from penchant.errors import CorruptBundleError

FORMAT: Final = 1


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and everything else fit for JSON.

    Parameters
    ----------
    tensors
        Names are dotted; the first word is the owner (`model`, `optimizer`, `random`, `carried`).
    state
        Counters, history and settings.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]

    def of(self, owner: str) -> dict[str, Tensor]:
        """Return the tensors of an owner, under the names it gave them."""
        return {
            name.removeprefix(f"{owner}."): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(f"{owner}.")
        }

    def save(self, path: Path) -> None:
        """Write the file beside `path`, see it to the disk, and rename it into place."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        header = {"format": str(FORMAT), "state": json.dumps(self.state)}
        # Cloned, since tied weights share memory and a file holds each name by itself.
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in self.tensors.items()}
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, header
        )
        sync(unfinished)
        unfinished.replace(path)
        sync(path.parent)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises
        ------
        CorruptBundleError
            When the file is cut, is no checkpoint, or was written by a newer version.
        """
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                # Cloned, so that nothing goes on living in the mapped file.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            found, state = int(header["format"]), json.loads(header["state"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise CorruptBundleError(
                f"{path} is not a whole checkpoint: {error}.", "Train again without --resume."
            ) from error
        if found > FORMAT:
            raise CorruptBundleError(
                f"{path} has format {found}; this version reads up to {FORMAT}.",
                "Install a newer penchant.",
            )
        return cls(tensors, state)


def sync(path: Path) -> None:
    """See a file or a directory to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows does not open directories
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
