"""A change of the model: found by version or path, read, told to all workers, and waited for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from penchant.bundle import MARKER, Bundle, bundle_directory
from penchant.errors import CorruptBundleError, InputError, MissingFileError, PenchantError
from penchant.events.directories import read_manifest
from penchant.serving.app.following import MODEL, Follower
from penchant.serving.app.refusals import RefusedError
from penchant.serving.messages import ModelMessage

LONGEST_S: Final = 120.0
LOOK_S: Final = 0.05


def change_model(
    follower: Follower,
    asked: ModelMessage,
    models_dir: str | None,
    who: str,
    longest_s: float = LONGEST_S,
) -> int:
    """Let all workers of the store answer with another model; return how many there are.

    Raises
    ------
    RefusedError
        When not all do after a while (503); the change goes on.
    InputError
        When there is no such model, or a worker cannot read it: all answer with the old one then.
    StaleDocumentError
        When somebody else changed it at the same time.
    """
    store = follower.live.store
    before = store.get_document(MODEL)
    path = str(_place(follower, asked, models_dir))
    version = before.content["version"]
    if path != before.content["path"]:
        version = _read(follower, path)
    content = {**before.content, "version": version, "path": path}
    now_ms = follower.live.now_ms()
    kept = store.put_document(MODEL, content, revision=before.revision, who=who, time_ms=now_ms)
    faults = _awaited(follower, kept.revision, longest_s)
    if faults:
        store.put_document(MODEL, before.content, revision=kept.revision, who=who, time_ms=now_ms)
        raise InputError(
            f"A worker cannot answer with {version}: {faults[0]}", "All stay as before."
        )
    return len(follower.workers())


def _awaited(follower: Follower, revision: int, longest_s: float) -> list[str]:
    """Wait until all workers have followed; return what faults they had."""
    deadline = time.monotonic() + longest_s
    follower.look()
    while True:
        workers = follower.workers()
        faults = [each.fault for each in workers if each.fault and each.revision >= revision]
        behind = sum(each.revision < revision for each in workers)
        if faults or not behind:
            return faults
        if time.monotonic() > deadline:
            raise RefusedError(
                503,
                "model_change_pending",
                f"{behind} of {len(workers)} workers do not answer with the model yet.",
                "Look at GET /v1/model, and ask again.",
            )
        time.sleep(LOOK_S)


def _place(follower: Follower, asked: ModelMessage, models_dir: str | None) -> Path:
    """Return the folder of the model that is asked for."""
    if (asked.version is None) == (asked.path is None):
        raise InputError("Say either version or path, and exactly one of them.")
    if asked.version is not None and asked.version == follower.live.model_version:
        return Path(follower.live.store.get_document(MODEL).content["path"])
    if models_dir is None:
        raise InputError(
            "A model is changed to one under --models-dir, and the service has none.",
            "Start it with: penchant serve RUN --models-dir DIR",
        )
    folder = Path(models_dir).resolve()
    if asked.version is not None:
        return _of_version(folder, asked.version)
    assert asked.path is not None
    try:
        place = (folder / asked.path).resolve()
        is_inside = "\0" not in asked.path and place.is_relative_to(folder) and place.is_dir()
    except (OSError, ValueError):
        is_inside = False
    if not is_inside:
        raise InputError(
            f'path must be a folder under --models-dir but is "{asked.path[:100]}".',
            'Say {"path": "name of a run"}.',
        )
    return place


def _of_version(folder: Path, version: str) -> Path:
    """Return the folder that holds a bundle, looked for in two levels."""
    known: list[str] = []
    for marker in sorted({*folder.glob(f"*/{MARKER}"), *folder.glob(f"*/bundle/{MARKER}")}):
        try:
            found = read_manifest(marker.parent, MARKER, "bundle", 10**6).get("id")
        except PenchantError:
            continue
        if found == version:
            return marker.parent
        known.append(str(found))
    raise InputError(
        f'version must be that of a bundle under --models-dir but is "{version[:40]}".',
        f"There are: {', '.join(known) or 'none'}.",
    )


def _read(follower: Follower, path: str) -> str:
    """Read a bundle once, before anybody is told; return its version."""
    try:
        bundle = Bundle.load(bundle_directory(path))
    except (MissingFileError, CorruptBundleError, OSError) as error:
        raise InputError(f"There is no bundle that can be read: {error}") from None
    follower.prepare(path, bundle)
    return bundle.id


def told_model(follower: Follower) -> dict[str, Any]:
    """Return what is said of the model that answers."""
    bundle = follower.live.bundle
    version = bundle.id
    return {
        "model_version": version,
        "encoder": bundle.config.encoder.kind,
        "num_items": len(bundle.vocabulary),
        "facts": bundle.facts,
        "num_workers": sum(each.version == version for each in follower.workers()),
    }
