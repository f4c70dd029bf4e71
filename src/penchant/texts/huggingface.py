"""Any encoder or decoder of the Hugging Face kind, read from a folder on this disk.

Weights come from safetensors, code from the installed transformers alone, nothing from the
network. The model is loaded when it first reads a text: vectors that are known cost no loading.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.errors import CorruptBundleError, EnvironmentFault
from penchant.texts.base import MAX_TOKENS, Progress, TextModel, Vectors
from penchant.texts.cleaning import clean
from penchant.texts.layout import Pooling, read_json, read_pooling
from penchant.texts.loading import load_module, load_tokenizer, require_transformers
from penchant.texts.pooling import dense_layer, pool
from penchant.texts.tokens import TokenRows
from penchant.texts.weights import fingerprint_of, weight_files

NUM_TEXTS_AT_ONCE: Final = 4096
"""Texts that are tokenised together."""

BATCH_TOKENS: Final = {"cpu": 2048, "cuda": 32768}
"""Tokens of a batch, padding counted."""

_OFFSET_POSITIONS: Final = ("roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl")


class HuggingFaceTextModel(TextModel):
    """A pretrained transformer, with the pooling that its files ask for.

    Parameters
    ----------
    folder
        What `save_pretrained` or sentence-transformers wrote.
    name
        What it is called; the folder when left out.
    device
        `auto` is a CUDA device where there is one, else the processor.
    pooling
        In place of what the files say; where neither says anything, the last token of a decoder
        and the mean of an encoder.
    fingerprint
        In place of the digest of the folder's files, for a folder that was made of another file.

    Raises
    ------
    InputError
        When the folder holds no model, or no safetensors.
    CorruptBundleError
        When a file of the model is cut or damaged.
    MissingExtraError
        When transformers is not installed.
    EnvironmentFault
        When the device is not there.

    Notes
    -----
    Weights are float32. On a CUDA device `encode` computes in bfloat16 where the device has it,
    else in float16; on the processor always in float32, which is the quickest there.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str = "",
        device: str = "auto",
        pooling: Pooling | None = None,
        fingerprint: str = "",
    ) -> None:
        require_transformers()
        self.folder = Path(folder)
        """Where the model's files are."""
        self.name = name or str(folder)
        found = pooling or read_pooling(self.folder)
        inner = self.folder / (found.folder if found else "")
        weight_files(inner)
        self.settings: dict[str, Any] = read_json(inner / "config.json")
        self.pooling = found or Pooling(("lasttoken",) if is_decoder(self.settings) else ("mean",))
        self.fingerprint = fingerprint or fingerprint_of(
            self.folder, self.pooling.folder, repr(self.pooling)
        )
        self.width = self._width()
        self.device = _device(device)
        self._lock = threading.RLock()

    @property
    def transformer_folder(self) -> Path:
        """Where the files of the transformer are, for `AutoModel…from_pretrained`."""
        return self.folder / self.pooling.folder

    @cached_property
    def module(self) -> nn.Module:
        """The transformer of the library, in evaluation mode; loaded when first asked for."""
        with self._lock:
            return load_module(self.transformer_folder, self.settings).to(self.device)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the library."""
        with self._lock:
            return load_tokenizer(self.transformer_folder)

    @cached_property
    def dense(self) -> nn.Sequential:
        """The layers between pooling and normalising, often none."""
        layers = [dense_layer(self.folder / place) for place in self.pooling.dense]
        return nn.Sequential(*layers).to(self.device).eval()

    @cached_property
    def most_tokens(self) -> int:
        """Tokens that the model can read."""
        positions = self.settings.get("max_position_embeddings") or self.settings.get("n_positions")
        if positions and str(self.settings.get("model_type", "")).endswith(_OFFSET_POSITIONS):
            positions -= (self.settings.get("pad_token_id") or 0) + 1
        limits = (self.pooling.max_tokens, positions or 0, self.tokenizer.model_max_length)
        return int(min(limit for limit in limits if limit and limit > 0))

    @cached_property
    def pad_id(self) -> int:
        """What padding is made of; any id will do where the model has none."""
        named = self.settings.get("pad_token_id")
        found = named if isinstance(named, int) and named >= 0 else self.tokenizer.pad_token_id
        return int(found or 0)

    def tokenize(self, texts: Sequence[str], max_tokens: int = MAX_TOKENS) -> TokenRows:
        """Return the token ids of texts, cleaned and cut; none for an empty text."""
        most = min(max_tokens, self.most_tokens)
        parts = []
        for start in range(0, len(texts), NUM_TEXTS_AT_ONCE):
            chunk = [clean(text, most) for text in texts[start : start + NUM_TEXTS_AT_ONCE]]
            filled = [self._prompted(text) for text in chunk if text]
            found = iter(self._ids(filled, most))
            parts.append(TokenRows.from_lists([next(found) if text else [] for text in chunk]))
        return TokenRows.joined(parts)

    def pooled(
        self, tokens: TokenRows, rows: Tensor | None = None, module: nn.Module | None = None
    ) -> Tensor:
        """Return (n, E) vectors of some texts, through which gradients flow.

        Parameters
        ----------
        tokens
            From `tokenize`.
        rows
            (n,) int64, which of them; all where None. They make one batch.
        module
            In place of the model's own, such as one with adapters around it.
        """
        module = self.module if module is None else module
        rows = torch.arange(len(tokens)) if rows is None else rows
        ids, mask = tokens.padded(rows, self.pad_id)  # (n, L)
        device = next(module.parameters()).device
        ids, mask = ids.to(device), mask.to(device)
        hidden = module(input_ids=ids, attention_mask=mask.long()).last_hidden_state  # (n, L, H)
        found = self.dense(pool(hidden, mask, self.pooling.modes))  # (n, E)
        found = torch.where(mask.any(1, keepdim=True), found, 0.0)
        return F.normalize(found, dim=1) if self.pooling.is_normalised else found

    def encode(
        self,
        texts: Sequence[str],
        max_tokens: int = MAX_TOKENS,
        progress: Progress | None = None,
    ) -> Vectors:
        """Return (N, E) vectors; zeros for a text in which nothing stands."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        tokens = self.tokenize(texts, max_tokens)
        num_done = 0
        was_training = self.module.training
        self.module.eval()
        try:
            for rows in self.batches(tokens.lengths.to(self.device)):
                with torch.inference_mode(), self._precision():
                    found = self.pooled(tokens, rows)
                vectors[rows.numpy()] = found.float().cpu().numpy()
                num_done += len(rows)
                if progress:
                    progress(self.name, num_done, len(texts))
        finally:
            self.module.train(was_training)
        return vectors

    def batches(self, lengths: Tensor) -> list[Tensor]:
        """Return which of some texts to read together, given how many tokens (n,) each has.

        Those of a batch are of like length, the longest first; those without tokens are in none.
        """
        budget = BATCH_TOKENS.get(lengths.device.type, BATCH_TOKENS["cpu"])
        lengths = lengths.cpu()
        order = lengths.argsort(descending=True, stable=True)
        order = order[lengths[order] > 0]
        batches, start = [], 0
        while start < len(order):
            size = max(budget // int(lengths[order[start]]), 1)
            batches.append(order[start : start + size])
            start += size
        return batches

    def _precision(self) -> torch.autocast:
        if self.device.type != "cuda":
            return torch.autocast("cpu", enabled=False)
        has_bfloat = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.autocast("cuda", torch.bfloat16 if has_bfloat else torch.float16)

    def _ids(self, texts: list[str], most: int) -> list[list[int]]:
        if not texts:
            return []
        found = self.tokenizer(
            texts, truncation=True, max_length=most, padding=False, return_attention_mask=False
        )
        return found["input_ids"]

    def _prompted(self, text: str) -> str:
        text = self.pooling.prompt + text
        return text.lower() if self.pooling.is_lower_case else text

    def _width(self) -> int:
        """Return the numbers of a vector without loading the model."""
        if self.pooling.dense:
            last = self.folder / self.pooling.dense[-1]
            return int(read_json(last / "config.json")["out_features"])
        text = self.settings.get("text_config") or self.settings
        for key in ("hidden_size", "d_model", "n_embd", "dim"):
            if isinstance(text.get(key), int):
                return int(text[key]) * len(self.pooling.modes)
        raise CorruptBundleError(
            f"{self.folder / 'config.json'} must say hidden_size and does not.",
            "Give the folder that `save_pretrained` wrote.",
        )


def is_decoder(settings: dict[str, Any]) -> bool:
    """Tell by its settings whether a model reads from left to right.

    Examples
    --------
    >>> is_decoder({"model_type": "gpt2"}), is_decoder({"model_type": "bert"})
    (True, False)
    """
    names = settings.get("architectures") or []
    if any("CausalLM" in name or "LMHead" in name for name in names):
        return True
    kind = str(settings.get("model_type", ""))
    if "bert" in kind or any("MaskedLM" in name for name in names):
        return False
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    is_masked = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not is_masked


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EnvironmentFault(
            f"The device {name} was asked for, but this machine has {torch.cuda.device_count()}.",
            "Say auto or cpu.",
        )
    return device
