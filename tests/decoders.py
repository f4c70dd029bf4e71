"""Small pretrained models, made on the spot: nothing is read from outside."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@cache
def small_decoder(kind: str = "llama", num_layers: int = 3, seed: int = 3) -> str:
    """Return the folder of a decoder with fresh weights, removed when the process ends."""
    transformers = pytest.importorskip("transformers")
    import torch

    folder = Path(tempfile.mkdtemp(prefix="penchant-decoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sizes = {
        "vocab_size": 11,
        "hidden_size": 16,
        "num_hidden_layers": num_layers,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    }
    if kind in ("llama", "qwen3"):
        sizes |= {"intermediate_size": 24, "num_key_value_heads": 1, "head_dim": 8}
    own = {"is_decoder": False} if kind == "bert" else {}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.AutoConfig.for_model(kind, **sizes, **own, **tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModel.from_config(config)
        for weight in model.parameters():  # nothing is to hold because it is zero
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    return str(folder)


def small_settings(kind: str) -> dict[str, Any]:
    """Return the settings that an encoder of a kind needs to be small."""
    return {"model": small_decoder(), "adaptation": "full"} if kind == "language_model" else {}
