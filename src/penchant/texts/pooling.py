"""How one vector is made of the vectors of a text's tokens, as the model's own files say.

The layout is that of sentence-transformers: `modules.json` lists the layers, each in a folder of
its own. A folder without one is pooled as its kind is: a decoder's last token, an encoder's mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError, CorruptBundleError

Pool = Callable[[Tensor, Tensor], Tensor]
"""From (n, L, H) vectors of tokens and (n, L) bool, which are real, to (n, H)."""


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return _sum(hidden, mask) / _count(mask)


def _mean_of_root(hidden: Tensor, mask: Tensor) -> Tensor:
    return _sum(hidden, mask) / _count(mask).sqrt()


def _weighted_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    place = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    weights = (mask * place).to(hidden.dtype)  # (n, L)
    total = weights.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("nlh,nl->nh", hidden, weights) / total


def _max(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.masked_fill(~mask[..., None], float("-inf")).amax(1)


def _first(hidden: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG001  one form for all
    return hidden[:, 0]


def _last(hidden: Tensor, mask: Tensor) -> Tensor:
    last = (mask.sum(1) - 1).clamp(min=0)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def _sum(hidden: Tensor, mask: Tensor) -> Tensor:
    return torch.einsum("nlh,nl->nh", hidden, mask.to(hidden.dtype))


def _count(mask: Tensor) -> Tensor:
    return mask.sum(1, keepdim=True).clamp(min=1)


POOLS: Final[dict[str, Pool]] = {
    "cls": _first,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_of_root,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
_SPELLINGS: Final = {
    "cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean",
    "weightedmean_tokens": "weightedmean",
}  # fmt: skip
_ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "Tanh": nn.Tanh, "Identity": nn.Identity, "ReLU": nn.ReLU, "GELU": nn.GELU, "SiLU": nn.SiLU,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pooling:
    """What happens behind the transformer.

    Parameters
    ----------
    modes
        Keys of `POOLS`; the vectors of several are put side by side.
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

    def pooled(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return (n, modes · H) from (n, L, H); zeros for a text without tokens."""
        parts = [POOLS[mode](hidden, mask) for mode in self.modes]
        return torch.where(mask.any(1, keepdim=True), torch.cat(parts, 1), 0.0)


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


def dense_layer(folder: Path) -> nn.Sequential:
    """Return the layer that a Dense folder holds.

    Raises
    ------
    ConfigError
        When its activation is not known here.
    CorruptBundleError
        When its files are not whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    settings = read_json(folder / "config.json")
    activation = str(settings.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise ConfigError(
            f"{folder} has the activation {activation}, which is not known here.",
            f"Known: {', '.join(_ACTIVATIONS)}.",
        )
    has_bias = bool(settings.get("bias", True))
    linear = nn.Linear(settings["in_features"], settings["out_features"], has_bias)
    try:
        weights = load_file(folder / "model.safetensors")
        linear.load_state_dict({key.removeprefix("linear."): w for key, w in weights.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CorruptBundleError(
            f"The weights of {folder} cannot be read: {error}.", "Copy the whole folder again."
        ) from error
    return nn.Sequential(linear, _ACTIVATIONS[activation]())


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
    if not modes or not modes <= set(POOLS):
        raise ConfigError(
            f"{path} asks for the pooling {', '.join(sorted(modes)) or 'none'}: not known.",
            f"Known: {', '.join(POOLS)}.",
        )
    return tuple(mode for mode in POOLS if mode in modes)


def _prompt(folder: Path) -> str:
    """Return what the model wants before every text."""
    path = folder / "config_sentence_transformers.json"
    settings = read_json(path) if path.exists() else {}
    return str((settings.get("prompts") or {}).get(settings.get("default_prompt_name") or "") or "")
