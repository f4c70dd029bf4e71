"""The settings of a model and its training, read in layers and checked with the constructors."""

from penchant.config.build import (
    WHOLE_UP_TO,
    build_labels,
    build_loss,
    build_model,
    build_roles,
    mixes_texts,
    reads_table,
    told_roles,
    with_chosen_loss,
)
from penchant.config.parts import Part
from penchant.config.recipes import Recipe, recipes
from penchant.config.settings import EvaluationSettings, TextSettings, TrainingSettings
from penchant.config.tree import Config

__all__ = [
    "WHOLE_UP_TO",
    "Config",
    "EvaluationSettings",
    "Part",
    "Recipe",
    "TextSettings",
    "TrainingSettings",
    "build_labels",
    "build_loss",
    "build_model",
    "build_roles",
    "mixes_texts",
    "reads_table",
    "recipes",
    "told_roles",
    "with_chosen_loss",
]
