"""What a language model is asked for on rows of tokens: the next word, or words that are hidden."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WordTask(ABC):
    """Asks for words of rows (n, L), padded behind, of which `mask` (n, L) says what is real."""

    name: str

    @abstractmethod
    def loss(self, module: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, int]:
        """Return the sum of -log p over the words that are asked for in training, and how many."""

    @abstractmethod
    def whole(self, module: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, int]:
        """Return the same over all words that can be asked for, without chance."""


class NextWord(WordTask):
    """Every token from those before it, but for the first."""

    name = "causal"

    def loss(self, module: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, int]:
        """Return the sum of -log p over all tokens but the first of each row, and how many."""
        logits = module(input_ids=ids, attention_mask=mask.long()).logits[:, :-1]
        is_asked = mask[:, 1:]
        asked = ids[:, 1:][is_asked]
        return F.cross_entropy(logits[is_asked].float(), asked, reduction="sum"), len(asked)

    whole = loss


class HiddenWords(WordTask):
    """Some tokens from those around them.

    Parameters
    ----------
    mask_id
        The token that stands where one is hidden.
    special
        Tokens that are never asked for.
    vocabulary_size
        Of the tokenizer.
    share
        Of the tokens, how many are asked for at once.

    Notes
    -----
    In training a tenth of them stay as they are and a tenth become any others. `whole` hides every
    token once, so many of a row at a time; the exponential of its mean is a pseudo-perplexity.

    References
    ----------
    J. Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
    understanding", 2019, section 3.1.
    J. Salazar et al., "Masked language model scoring", 2020, equation 3, where one token is hidden
    at a time.
    """

    name = "masked"

    def __init__(
        self, mask_id: int, special: tuple[int, ...], vocabulary_size: int, share: float
    ) -> None:
        self.mask_id = mask_id
        self.special = torch.tensor(special)
        self.vocabulary_size = vocabulary_size
        self.share = share

    def loss(self, module: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, int]:
        """Return the sum over a random share of the tokens, and how many they are."""
        chosen = self._words(ids, mask) & (torch.rand(ids.shape, device=ids.device) < self.share)
        fate = torch.rand(ids.shape, device=ids.device)
        others = torch.randint(self.vocabulary_size, ids.shape, device=ids.device)
        shown = torch.where(chosen & (fate < 0.8), self.mask_id, ids)
        shown = torch.where(chosen & (fate >= 0.9), others, shown)
        return _asked(module, shown, ids, mask, chosen)

    def whole(self, module: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, int]:
        """Return the sum over all tokens, each hidden once, and how many they are."""
        words = self._words(ids, mask)
        turn = torch.arange(ids.shape[1], device=ids.device) % ceil(1 / self.share)
        total, count = ids.new_zeros((), dtype=torch.float32), 0
        for now in range(ceil(1 / self.share)):
            chosen = words & (turn == now)
            shown = torch.where(chosen, self.mask_id, ids)
            part, num = _asked(module, shown, ids, mask, chosen)
            total, count = total + part, count + num
        return total, count

    def _words(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (n, L) which tokens can be asked for."""
        return mask & ~torch.isin(ids, self.special.to(ids.device))


def _asked(
    module: nn.Module, shown: Tensor, ids: Tensor, mask: Tensor, chosen: Tensor
) -> tuple[Tensor, int]:
    if not chosen.any():
        return ids.new_zeros((), dtype=torch.float32), 0
    logits = module(input_ids=shown, attention_mask=mask.long()).logits[chosen]
    return F.cross_entropy(logits.float(), ids[chosen], reduction="sum"), int(chosen.sum())
