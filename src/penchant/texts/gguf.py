"""Makes a folder of safetensors from a GGUF file, once.

Reading GGUF takes the better part of a minute, reading the folder a second. The numbers are those
of the file, without their packing, rounded to bfloat16.
"""

from __future__ import annotations

import contextlib
import copy
import io
import tempfile
from pathlib import Path

from penchant.errors import CorruptBundleError
from penchant.texts.loading import quietly, require_transformers
from penchant.texts.packages import move_into_place
from penchant.texts.places import cache_folder
from penchant.texts.weights import digest_of


def converted(path: Path) -> Path:
    """Return the folder that holds a GGUF model as safetensors, made if it is not there yet.

    Raises
    ------
    MissingExtraError
        When transformers or gguf is not installed.
    CorruptBundleError
        When the file cannot be read.
    """
    require_transformers()
    place = cache_folder() / "text-models" / f"gguf-{digest_of(path)[:16]}"
    if not place.is_dir():
        require_transformers("gguf")
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as name:
            _convert(path, Path(name) / "new")
            move_into_place(Path(name) / "new", place)
    return place


def _convert(path: Path, into: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quietly(), contextlib.redirect_stderr(io.StringIO()):  # it draws bars of its own
        try:
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            packed = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
        except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
            raise CorruptBundleError(
                f"The GGUF file {path} cannot be read: {error}.", "Copy or fetch it again."
            ) from error
        settings = copy.deepcopy(packed.config)
        if hasattr(settings, "quantization_config"):  # the library saves no model that has one
            del settings.quantization_config
        plain = AutoModelForCausalLM.from_config(settings)
        plain.load_state_dict(packed.state_dict())
        plain.tie_weights()
        plain.to(torch.bfloat16).save_pretrained(into)
        tokenizer.save_pretrained(into)
