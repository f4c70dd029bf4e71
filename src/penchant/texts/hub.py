"""Models by their hub name: from the copy that this machine keeps, fetched only on request."""

from __future__ import annotations

import importlib.util
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from penchant.errors import EnvironmentFault
from penchant.texts.loading import require_transformers

REACH_S: Final = 5.0
_WANTED: Final = ["*.safetensors", "*.json", "*.txt", "*.model"]


def local_snapshot(name: str) -> Path | None:
    """Return the copy of a model that this machine keeps, None where there is none."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def fetch_snapshot(name: str) -> Path:
    """Fetch the safetensors and settings of a model from the hub; never its code.

    Raises
    ------
    EnvironmentFault
        When the hub cannot be reached or does not give it.
    MissingExtraError
        When the hub's client is not installed.
    """
    require_transformers("huggingface_hub")
    from huggingface_hub import constants, snapshot_download

    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=REACH_S).close()
        return Path(snapshot_download(name, allow_patterns=_WANTED))
    except urllib.error.HTTPError as error:
        error.close()
        raise _unreachable(name, f"{constants.ENDPOINT} answers {error.code}") from error
    except Exception as error:  # the client raises those of the libraries below it
        raise _unreachable(name, (str(error).splitlines() or [type(error).__name__])[0]) from error


def _unreachable(name: str, reason: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"The text model {name} cannot be fetched from the hub: {reason}.",
        "Copy its folder to this machine and give its path, or use a short name "
        "(penchant text-models).",
    )
