"""Loads modules, tokenizers through transformers: offline, silent, without code of others."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from penchant.errors import ConfigError, CorruptBundleError, MissingExtraError

_UNUSED: Final = ("pooler.",)
"""Weights that make no difference to the vectors of tokens."""


def require_transformers(package: str = "transformers") -> None:
    """Refuse to go on without a package of the extra `text`.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"This text model needs {package}, which is not installed.",
            "pip install 'penchant[text]', or use the text model hashing, which needs nothing.",
        )


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from talking, and leave its settings as they were."""
    from transformers.utils import logging

    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def load_module(folder: Path, settings: dict[str, Any]) -> nn.Module:
    """Return the transformer of a folder, float32, in evaluation mode.

    Raises
    ------
    ConfigError
        When the installed transformers does not know its kind, or it needs code of its own.
    CorruptBundleError
        When its weights are not those of its kind.
    """
    from transformers import AutoModel, AutoModelForTextEncoding

    loader = AutoModelForTextEncoding if settings.get("is_encoder_decoder") else AutoModel
    with quietly(), _told(folder):
        module, found = loader.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    missing = sorted(key for key in found["missing_keys"] if not key.startswith(_UNUSED))
    if missing or found["mismatched_keys"]:
        raise CorruptBundleError(
            f"The weights in {folder} are not those of its config.json: {len(missing)} are "
            f"missing{', the first ' + missing[0] if missing else ''}.",
            "Copy or fetch the model again.",
        )
    if getattr(module.config, "use_cache", False):
        module.config.use_cache = False  # of keys and values: it only costs memory here
    return module.to(torch.float32).eval()


def load_language_model(folder: Path, *, is_causal: bool) -> tuple[nn.Module, list[str]]:
    """Return the transformer of a folder with its head over words, float32, in evaluation mode.

    Parameters
    ----------
    folder
        Of the transformer.
    is_causal
        Whether the head tells the next word, and not hidden ones.

    Returns
    -------
    module, fresh
        And the names of the head's weights that the folder does not have, which start by chance.

    Raises
    ------
    ConfigError
        When the installed transformers does not know its kind, or such a head for it.
    CorruptBundleError
        When its other weights are not those of its kind.
    """
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    loader: Any = AutoModelForCausalLM if is_causal else AutoModelForMaskedLM
    with quietly(), _told(folder):
        module, found = loader.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    own = {name for name, _ in module.named_parameters()}
    fresh = sorted(name for name in found["missing_keys"] if name in own)
    inner = [name for name in fresh if name.startswith(f"{module.base_model_prefix}.")]
    if inner or found["mismatched_keys"]:
        raise CorruptBundleError(
            f"The weights in {folder} are not those of its config.json: {len(inner)} are "
            f"missing{', the first ' + inner[0] if inner else ''}.",
            "Copy or fetch the model again.",
        )
    return module.eval(), fresh


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a folder.

    Raises
    ------
    CorruptBundleError
        When there is none that can be read.
    """
    from transformers import AutoTokenizer

    with quietly(), _told(folder):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what transformers says of a folder into errors of this project."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise CorruptBundleError(
            f"The weights in {folder} are cut or damaged: {error}.", "Copy or fetch it again."
        ) from error
    except ImportError as error:
        raise MissingExtraError(
            f"The text model in {folder} needs a package: {_first_line(error)}",
            "Install it; pip install 'penchant[text]' holds what most models need.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        text = _first_line(error)
        if "trust_remote_code" in str(error):
            text = "it needs code of its own, which is not run"
        raise ConfigError(
            f"The text model in {folder} cannot be loaded: {text}",
            "Give a folder of a kind that the installed transformers knows.",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
