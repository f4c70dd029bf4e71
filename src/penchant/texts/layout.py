"""Reads from a model's own files how one vector is made of the vectors of a text's tokens.

The layout is that of sentence-transformers: `modules.json` lists the layers, each in a folder of
its own. Nothing is loaded here, and torch is not asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penchant.errors import ConfigError, CorruptBundleError

POOLINGS: Final = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""Ways of pooling, in the order in which their vectors stand side by side."""

_SPELLINGS: Final = {
    "cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean",
    "weightedmean_tokens": "weightedmean",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pooling:
    """What happens behind the transformer.

    Parameters
    ----------
    modes
        Of `POOLINGS`; the vectors of several are put side by side.
    is_normalised
        Whether vectors have unit length.
    dense
        Folders of layers between pooling and normalising.
    max_tokens
        Tokens that the model was made for, 0 where it does not say.
    prompt
        What stands before every text.
    is_lower_case
        Whether texts are read without case.
    folder
        Folder of the transformer within that of the model.
    """

    modes: tuple[str, ...]
    is_normalised: bool = False
    dense: tuple[str, ...] = ()
    max_tokens: int = 0
    prompt: str = ""
    is_lower_case: bool = False
    folder: str = ""


def read_pooling(folder: Path) -> Pooling | None:
    """Return what a model's files say of its pooling, None where they say nothing.

    Raises
    ------
    ConfigError
        When the model has a layer that is not known here.
    CorruptBundleError
        When one of its files cannot be read.
    """
    if not (folder / "modules.json").exists():
        return None
    found: dict[str, Any] = {"modes": ("mean",), "dense": ()}
    for module in read_json(folder / "modules.json", list):
        kind, place = str(module["type"]).rpartition(".")[2], str(module.get("path", ""))
        if kind == "Transformer":
            found |= _of_transformer(folder, place)
        elif kind == "Pooling":
            found["modes"] = _modes(folder / place / "config.json")
        elif kind == "Dense":
            found["dense"] += (place,)
        elif kind == "Normalize":
            found["is_normalised"] = True
        elif kind != "Dropout":
            raise ConfigError(
                f"The text model {folder} has a layer {module['type']}, which is not known here.",
                "Known: Transformer, Pooling, Dense, Normalize, Dropout.",
            )
    return Pooling(**found, prompt=_prompt(folder))


def read_json(path: Path, kind: type = dict) -> Any:
    """Return what a JSON file of a model holds.

    Raises
    ------
    CorruptBundleError
        When it is not there or cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CorruptBundleError(
            f"The text model {path.parent} has no {path.name}.", "Copy the whole folder again."
        ) from None
    except ValueError as error:
        raise CorruptBundleError(
            f"{path} is no JSON: {error}.", "Copy the whole folder again."
        ) from error
    if not isinstance(found, kind):
        raise CorruptBundleError(
            f"{path} must hold a JSON {kind.__name__} but holds a {type(found).__name__}.",
            "Copy the whole folder again.",
        )
    return found


def _of_transformer(folder: Path, place: str) -> dict[str, Any]:
    """Return what the transformer's own settings say of the reading of texts."""
    path = folder / place / "sentence_bert_config.json"
    settings = read_json(path) if path.exists() else {}
    return {
        "folder": place,
        "max_tokens": int(settings.get("max_seq_length") or 0),
        "is_lower_case": bool(settings.get("do_lower_case")),
    }


def _modes(path: Path) -> tuple[str, ...]:
    """Return the ways of pooling that a Pooling layer names, in either of its spellings."""
    settings = read_json(path)
    if settings.get("include_prompt") is False:
        raise ConfigError(
            f"{path} leaves the prompt out of the pooling, which is not known here.",
            "Use another model.",
        )
    start = "pooling_mode_"
    named = settings.get("pooling_mode") or [
        key.removeprefix(start) for key, on in settings.items() if key.startswith(start) and on
    ]
    modes = {_SPELLINGS.get(mode, mode) for mode in ([named] if isinstance(named, str) else named)}
    if not modes or not modes <= set(POOLINGS):
        raise ConfigError(
            f"{path} asks for the pooling {', '.join(sorted(modes)) or 'none'}: not known.",
            f"Known: {', '.join(POOLINGS)}.",
        )
    return tuple(mode for mode in POOLINGS if mode in modes)


def _prompt(folder: Path) -> str:
    """Return what the model wants before every text."""
    path = folder / "config_sentence_transformers.json"
    settings = read_json(path) if path.exists() else {}
    return str((settings.get("prompts") or {}).get(settings.get("default_prompt_name") or "") or "")
