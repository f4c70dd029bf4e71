"""Texts of items as vectors: models by name, prompts from columns, and a cache between runs."""

from penchant.texts.base import Progress, TextModel, Vectors
from penchant.texts.cache import VectorCache
from penchant.texts.encoding import EncodedTexts, encode_texts
from penchant.texts.known import (
    KNOWN,
    KnownModel,
    best_at_hand,
    fetch_text_model,
    open_text_model,
)
from penchant.texts.places import cache_folder
from penchant.texts.prompts import default_template, prompts

__all__ = [
    "KNOWN",
    "EncodedTexts",
    "KnownModel",
    "Progress",
    "TextModel",
    "VectorCache",
    "Vectors",
    "best_at_hand",
    "cache_folder",
    "default_template",
    "encode_texts",
    "fetch_text_model",
    "open_text_model",
    "prompts",
]
