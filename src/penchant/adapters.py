"""Large pretrained modules inside a model: frozen, adapted by LoRA, or trained as a whole.

What is frozen is not written with the model: `leave_out_frozen` keeps it out of the state and has
it come from the base again when the state is loaded, if the base is still the same.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError, InputError, MissingExtraError
from penchant.registry import nearest

Adapt = Literal["frozen", "lora", "full"]
"""What of a pretrained module is trained: nothing, low-rank additions to it, or all of it."""

BASE_LAYER: Final = "base_layer."
"""What peft adds to the name of a weight that it has put an addition beside."""

M = TypeVar("M", bound=nn.Module)


def adapted(module: M, adapt: Adapt, rank: int, room: str = "encoder") -> M:
    """Return a pretrained module with what is to be trained of it marked so.

    Parameters
    ----------
    module
        Is changed.
    adapt
        What is trained.
    rank
        Rank of the additions where they are.
    room
        The section of the configuration, for messages.

    Raises
    ------
    ConfigError
        When `adapt` is unknown or the rank is not above 0.
    MissingExtraError
        When there is no peft.
    """
    if adapt not in get_args(Adapt):
        raise ConfigError(
            f'{room}.adaptation has no value "{adapt}".', nearest(adapt, list(get_args(Adapt)))
        )
    if adapt == "lora":
        if rank < 1:
            raise ConfigError(
                f"{room}.lora_rank must be 1 or more but is {rank}.",
                f"Set {room}.lora_rank=8, or {room}.adaptation=frozen.",
            )
        return with_lora(module, rank)
    return module if adapt == "full" else freeze(module)


def freeze(module: M) -> M:
    """Return the module, no weight of which is trained."""
    return module.requires_grad_(False)


def with_lora(module: M, rank: int, targets: Iterable[str] | None = None) -> M:
    """Return the module, frozen, with a trained addition of low rank beside some of its matrices.

    Parameters
    ----------
    module
        Of `transformers`, or any module where `targets` are named. Is changed.
    rank
        Rank r of the additions.
    targets
        Last parts of the names of the layers to add to; when left out those that peft knows for
        the architecture (queries and values), else every linear layer.

    Raises
    ------
    MissingExtraError
        When there is no peft.

    Notes
    -----
    An addition B A x · 16 / r starts at zero, so that the module starts as it was. A layer of E by
    F numbers gets r · (E + F) trained ones.

    References
    ----------
    E. Hu et al., "LoRA: low-rank adaptation of large language models", 2021, equation 3.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN
    except ImportError as error:
        raise MissingExtraError(
            "Training a pretrained model by LoRA needs peft.", "pip install 'penchant[text]'"
        ) from error
    chosen: Any = None if targets is None else list(targets)
    if chosen is None and _architecture(module) not in KNOWN:
        chosen = "all-linear"
    with warnings.catch_warnings():  # it tells that it turns the layers of GPT-2 around
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=16, target_modules=chosen), module)
    return module


def without_lora(module: M) -> M:
    """Return the module with its additions of low rank added to the matrices they stand beside.

    Relations
    ---------
    Computes what it computed with the additions.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, part in list(module.named_modules()):
        if isinstance(part, BaseTunerLayer):
            part.merge()
            above, _, own = name.rpartition(".")
            setattr(module.get_submodule(above), own, part.get_base_layer())
    return module


def trained_parameters(module: nn.Module) -> int:
    """Return how many numbers of a module are trained.

    Examples
    --------
    >>> pair = nn.ModuleList([nn.Linear(3, 2), freeze(nn.Linear(5, 2))])
    >>> trained_parameters(pair), trained_share(pair)
    (8, 0.4)
    """
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


def trained_share(module: nn.Module) -> float:
    """Return which share of a module's numbers is trained; 0 of none."""
    every = sum(weight.numel() for weight in module.parameters())
    return trained_parameters(module) / max(every, 1)


def leave_out_frozen(module: nn.Module, base: str) -> None:
    """Keep the frozen weights of a module out of its state, which holds their fingerprint instead.

    Parameters
    ----------
    module
        With its base weights loaded and what is trained marked. Weights that are frozen now are
        left out from now on.
    base
        Where the weights come from: a name or a folder, for messages.

    Notes
    -----
    `state_dict` of the module, or of any that holds it, lacks the frozen weights and has a buffer
    `base_fingerprint`. `load_state_dict` takes such a state, strictly too, and keeps the frozen
    weights as they are; it raises `InputError` where the state was made on top of others. Nothing
    is done where nothing is frozen.
    """
    frozen = {
        name: weight for name, weight in module.named_parameters() if not weight.requires_grad
    }
    if not frozen:
        return
    names = list(frozen)

    def leave_out(_: nn.Module, state: dict[str, Any], prefix: str, *__: object) -> None:
        for name in names:
            state.pop(prefix + name, None)

    def put_back(held: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
        kept = state.get(f"{prefix}base_fingerprint")
        if kept is not None:
            _check_fingerprint(kept, _buffer(held), base)
        for name in names:
            state.setdefault(prefix + name, held.get_parameter(name).detach())

    module.register_buffer("base_fingerprint", fingerprint(frozen))
    object.__setattr__(module, "base", base)  # past what torch has modules hold
    module.register_state_dict_post_hook(leave_out)
    module.register_load_state_dict_pre_hook(put_back)


class Base(NamedTuple):
    """Where frozen weights inside a model come from, and what is trained beside them.

    `name` or folder, twelve digits of the `fingerprint`, and the numbers of the module that they
    stand in: all, and those that are trained.
    """

    name: str
    fingerprint: str
    num_parameters: int
    num_trained: int


def bases(module: nn.Module) -> list[Base]:
    """Return the bases of all parts of a module that have frozen weights left out."""
    return [
        Base(
            str(part.base),
            told(_buffer(part)),
            sum(weight.numel() for weight in part.parameters()),
            trained_parameters(part),
        )
        for part in module.modules()
        if "base_fingerprint" in part._buffers
    ]


def fingerprint(weights: Mapping[str, Tensor]) -> Tensor:
    """Return (32,) uint8, the SHA-256 of names and numbers; zeros of weights without numbers.

    Relations
    ---------
    The same whether or not there are additions beside the weights.
    """
    device = next(iter(weights.values())).device
    if device.type == "meta":
        return torch.zeros(32, dtype=torch.uint8, device=device)
    digest = hashlib.sha256()
    for name, weight in sorted(
        (name.replace(BASE_LAYER, ""), weight) for name, weight in weights.items()
    ):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return torch.tensor(list(digest.digest()), dtype=torch.uint8, device=device)


def told(mark: Tensor) -> str:
    """Return the first twelve digits of a fingerprint.

    Examples
    --------
    >>> told(torch.arange(32, dtype=torch.uint8) + 250)
    'fafbfcfdfeff'
    """
    return bytes(mark.cpu().tolist()).hex()[:12]


def _check_fingerprint(kept: Tensor, found: Tensor, base: str) -> None:
    if not torch.equal(kept.cpu(), found.cpu()):
        raise InputError(
            f"The model must be loaded on top of the weights that it was trained on, fingerprint "
            f"{told(kept)}, but those of {base} have {told(found)}.",
            f"Put the weights back that {base} had, or train anew.",
        )


def _buffer(module: nn.Module) -> Tensor:
    return module.get_buffer("base_fingerprint")


def _architecture(module: nn.Module) -> str:
    return str(getattr(getattr(module, "config", None), "model_type", ""))
