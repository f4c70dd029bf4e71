"""The states of all random generators that a training draws from, as JSON and tensors."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_states() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of torch as tensors, those of Python and NumPy fit for JSON."""
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"cuda:{index}"] = state
    kept: Any = np.random.get_state(legacy=False)  # noqa: NPY002  libraries outside read this one
    numpy_state = {**kept, "state": {**kept["state"], "key": kept["state"]["key"].tolist()}}
    return tensors, {"python": random.getstate(), "numpy": numpy_state}


def restore_random_states(tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    """Set all generators to what `random_states` gave, the plain ones read back from JSON."""
    torch.set_rng_state(tensors["cpu"])
    for name, state in tensors.items():
        if name != "cpu" and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, name)
    version, words, gauss = plain["python"]
    random.setstate((version, tuple(words), gauss))
    words = np.array(plain["numpy"]["state"]["key"], dtype=np.uint32)
    kept = {**plain["numpy"], "state": {**plain["numpy"]["state"], "key": words}}
    np.random.set_state(kept)  # noqa: NPY002
