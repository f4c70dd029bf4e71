"""Vectors of the items' texts, for baselines that compare them where an evaluation asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from penchant.config import Config
from penchant.errors import EnvironmentFault, MissingExtraError
from penchant.events import PreparedData
from penchant.training.content import reads_text, text_vectors

TEXT_BASELINES: Final = frozenset({"mean_text"})


def baseline_vectors(
    data: PreparedData, config: Config, kinds: Sequence[str] | None
) -> np.ndarray | None:
    """Return (I, E) vectors of the items' texts, or None where no baseline is to compare them.

    By the language model as it comes, whatever training made of it.

    Parameters
    ----------
    data
        Whose items.
    config
        Names the language model and how an item is written.
    kinds
        The baselines asked for. None: texts are compared if the model reads them too and the
        language model is at hand.

    Raises
    ------
    ConfigError
        When texts are asked for and the items have none.
    EnvironmentFault, MissingExtraError
        When they are asked for and the language model is not there.
    """
    if kinds is not None:
        asked = TEXT_BASELINES & set(kinds)
        return text_vectors(data.item_table, config.text).vectors if asked else None
    if not reads_text(config):
        return None
    try:
        return text_vectors(data.item_table, config.text).vectors
    except (EnvironmentFault, MissingExtraError):  # the bundle has vectors of its own
        return None
