"""Makes one vector of the vectors of a text's tokens: ways of pooling, and layers behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError, CorruptBundleError
from penchant.texts.layout import read_json

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
_ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "Tanh": nn.Tanh, "Identity": nn.Identity, "ReLU": nn.ReLU, "GELU": nn.GELU, "SiLU": nn.SiLU,
}  # fmt: skip


def pool(hidden: Tensor, mask: Tensor, modes: Sequence[str]) -> Tensor:
    """Return (n, modes · H) vectors of texts; zeros for a text without tokens.

    Parameters
    ----------
    hidden, mask
        (n, L, H) vectors of tokens, and (n, L) bool, which of them are real.
    modes
        Keys of `POOLS`; the vectors of several are put side by side.

    Examples
    --------
    >>> hidden = torch.tensor([[[1.0], [5.0], [9.0]]])
    >>> pool(hidden, torch.tensor([[True, True, False]]), ["mean", "lasttoken"]).tolist()
    [[3.0, 5.0]]
    """
    parts = [POOLS[mode](hidden, mask) for mode in modes]
    return torch.where(mask.any(1, keepdim=True), torch.cat(parts, 1), 0.0)


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
