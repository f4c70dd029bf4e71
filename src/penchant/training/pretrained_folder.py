"""A language model that has gone on learning, as a folder: whole or not there at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from penchant import __version__
from penchant.events import PreparedData
from penchant.events.directories import check_free, write_json, writing_directory
from penchant.texts import TextModel
from penchant.texts.huggingface import HuggingFaceTextModel
from penchant.texts.layout import read_json
from penchant.texts.loading import quietly
from penchant.training.text_pretraining import (
    PretrainedText,
    PretrainingSettings,
    Progress,
    pretrain_text,
)

FORMAT: Final = 1
MARKER: Final = "pretraining.json"
_LAYOUT: Final = (
    "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"
)  # fmt: skip


def adapt_text(
    data: PreparedData,
    model: TextModel | str,
    out: str | Path,
    settings: PretrainingSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[PretrainedText, dict[str, Any]]:
    """Train a language model on histories written as text, and write it as a folder.

    Parameters
    ----------
    data, model, settings, progress
        As `pretrain_text` takes them.
    out
        A folder as `save_pretrained` and sentence-transformers write it, which any text model is
        read from; what there is to tell stands in its `pretraining.json`.
    overwrite
        Replace such a folder.

    Returns
    -------
    found, told
        What was learned, and what the folder says of it.

    Raises
    ------
    OutputExistsError
        When the folder exists and is not to be overwritten, or is something else.
    """
    check_free(Path(out), MARKER, overwrite=overwrite)
    settings = settings or PretrainingSettings.model_validate({})
    found = pretrain_text(data, model, settings, progress)
    told = {
        "kind": "text model",
        "format": FORMAT,
        "version": __version__,
        **found.told(),
        "data": data.fingerprint,
        "settings": settings.model_dump(),
    }
    with writing_directory(out, MARKER, overwrite=overwrite) as folder:
        copy_layout(found.base, folder)
        inner = folder / found.base.pooling.folder
        module: Any = found.module
        with quietly():
            module.cpu().save_pretrained(inner)
            found.base.tokenizer.save_pretrained(inner)
        write_json(folder / MARKER, told)
    return found, told


def copy_layout(base: HuggingFaceTextModel, folder: Path) -> None:
    """Copy what says how vectors are pooled, and the layers behind the transformer."""
    inner = base.pooling.folder
    for place in {"", inner}:
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name in _LAYOUT:
            if (base.folder / place / name).is_file():
                shutil.copy(base.folder / place / name, folder / place / name)
    if (base.folder / "modules.json").is_file():
        for module in read_json(base.folder / "modules.json", list):
            place = str(module.get("path", ""))
            if place not in ("", inner) and (base.folder / place).is_dir():
                shutil.copytree(base.folder / place, folder / place)
