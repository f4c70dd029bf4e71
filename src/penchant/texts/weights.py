"""Looks at a model's folder before anything is loaded: is it whole, is it safe, which is it.

Weights are taken from safetensors alone, which hold numbers and no code. The fingerprint is made
of all files that a vector depends on, and costs reading them once.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Final

from penchant.errors import CorruptBundleError, InputError
from penchant.texts.layout import read_json

FORMAT: Final = "1"
"""Changes when this room makes other vectors of the same files."""

_SETTINGS: Final = (
    "config.json", "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model",
    "sentencepiece.bpe.model",
)  # fmt: skip
_UNSAFE: Final = (".bin", ".pt", ".pth", ".h5", ".ckpt", ".msgpack")
_WRITER: Final = ("transformers_version", "_name_or_path", "torch_dtype", "dtype")


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights, each whole by its own account.

    Raises
    ------
    InputError
        When the folder holds no safetensors.
    CorruptBundleError
        When a file is cut, damaged or missing.
    """
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
        files = [folder / str(name) for name in names]
    else:
        files = [folder / "model.safetensors"]
        if not files[0].exists():
            raise _no_safetensors(folder)
    for file in files:
        _check_whole(file)
    return files


def fingerprint_of(folder: Path, transformer: str, pooling: str) -> str:
    """Return a hex digest of what the vectors of a model depend on.

    Parameters
    ----------
    folder, transformer
        The model's folder, and the folder of its transformer within.
    pooling
        How its vectors are pooled, in words.
    """
    places = {folder / name for name in _SETTINGS}
    places |= {folder / transformer / name for name in _SETTINGS}
    places |= {*folder.glob("*/config.json"), *folder.glob("*/model.safetensors")}
    places |= set(weight_files(folder / transformer))
    digest = hashlib.sha256(f"{FORMAT}\n{pooling}\n".encode())
    for path in sorted(place for place in places if place.exists()):
        found = _digest_of_settings(path) if path.name == "config.json" else digest_of(path)
        digest.update(f"{path.relative_to(folder).as_posix()} {found}\n".encode())
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; a process reads it once as long as it stays as it is."""
    told = path.stat()
    return _read_digest(path.resolve(), told.st_size, told.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _read_digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest_of_settings(path: Path) -> str:
    """Return the digest of a `config.json` without what only says who wrote it."""
    told = {key: value for key, value in read_json(path).items() if key not in _WRITER}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _check_whole(path: Path) -> None:
    """Compare a safetensors file with what its header says of it."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length)) if length <= size - 8 else None
        if header is None:
            raise ValueError(f"its header of {length} bytes does not fit into {size}")
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        if 8 + length + max(ends, default=0) != size:
            raise ValueError(f"it must be {8 + length + max(ends, default=0)} bytes but is {size}")
    except FileNotFoundError:
        raise CorruptBundleError(f"{path} is missing.", "Copy the whole folder again.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptBundleError(
            f"The weights {path} are cut or damaged: {error}.", "Copy or fetch the model again."
        ) from error


def _no_safetensors(folder: Path) -> InputError:
    """Return the error for a folder without safetensors, with what to do about what it has."""
    others = sorted(path for path in folder.glob("*") if path.suffix in _UNSAFE)
    if not others:
        return InputError(
            f"{folder} must hold a text model (config.json, model.safetensors) and does not.",
            "Give the folder that `save_pretrained` wrote.",
        )
    return InputError(
        f"{folder} must hold its weights as model.safetensors but holds {others[0].name}, which "
        "can carry code and is not opened.",
        'If you trust it, convert it once: python -c "from transformers import AutoModel; '
        f"AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\"",
    )
