"""A language model that goes on learning on histories written as text.

Additions of low rank are trained, then added to the matrices they stand beside; what is left is a
plain folder that any text model is read from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from penchant.adapters import trained_parameters, trained_share, with_lora, without_lora
from penchant.config.settings import Settings
from penchant.errors import ConfigError, InputError
from penchant.events import PreparedData
from penchant.seeds import seed_everything, stream
from penchant.texts import TextModel, open_text_model
from penchant.texts.huggingface import HuggingFaceTextModel, is_decoder
from penchant.texts.loading import load_language_model
from penchant.texts.tokens import TokenRows
from penchant.training.devices import choose_device, use_threads
from penchant.training.history_texts import history_rows
from penchant.training.interrupts import InterruptFlag
from penchant.training.word_tasks import HiddenWords, NextWord, WordTask

HEAD_RATE: Final = 1e-3
"""Learning rate of a head that starts by chance, until it is measured."""

CURVE_STEPS: Final = 10
"""Steps that a point of the curve is the mean of."""

Progress = Callable[[str, int, int | None], None]


class PretrainingSettings(Settings):
    """How a language model goes on learning.

    Notes
    -----
    `num_steps` steps, each over `batch_rows` rows of at most `max_tokens` tokens, of additions of
    rank `lora_rank`. `mask_share` of the tokens are hidden from an encoder. A head over words that
    the model's files do not have learns alone for `head_steps` steps before anything is measured.
    Histories of `held_out_users` are kept back for that. `template` makes a text of an item's
    columns, by their usual names where it is empty.
    """

    num_steps: int = Field(300, ge=0)
    batch_rows: int = Field(8, ge=1)
    max_tokens: int = Field(128, ge=8)
    lora_rank: int = Field(8, ge=1)
    learning_rate: float = Field(3e-4, gt=0)
    warmup_steps: int = Field(20, ge=0)
    mask_share: float = Field(0.15, gt=0, le=0.5)
    head_steps: int = Field(200, ge=0)
    held_out_users: int = Field(100, ge=1)
    template: str = ""
    seed: int = Field(0, ge=0)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    num_threads: int = Field(0, ge=0)


@dataclass
class PretrainedText:
    """A language model, and how well it tells what stands in histories.

    Parameters
    ----------
    base
        What it was before.
    module
        With its head over words; additions are part of it once it is done.
    task
        What it was asked for.
    num_trained, trained_share
        Numbers that were trained, and of all how many.
    before, after
        Perplexity over the words of held-out users; None where it was not measured.
    num_words, num_users
        What it was measured on.
    num_steps
        Steps that were made.
    is_done
        Whether they are all; else it was asked to stop.
    curve
        Step and mean -log p of the steps up to it.
    fresh_head
        Whether the head over words started by chance.
    """

    base: HuggingFaceTextModel
    module: nn.Module
    task: str
    num_trained: int
    trained_share: float
    num_users: int
    fresh_head: bool
    before: float | None = None
    after: float | None = None
    num_words: int = 0
    num_steps: int = 0
    is_done: bool = False
    curve: list[tuple[int, float]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """Return what there is to tell, fit for JSON."""
        return {
            "base": {"model": self.base.name, "fingerprint": self.base.fingerprint},
            "objective": self.task,
            "num_steps": self.num_steps,
            "state": "done" if self.is_done else "interrupted",
            "num_trained_parameters": self.num_trained,
            "trained_share": self.trained_share,
            "fresh_head": self.fresh_head,
            "perplexity": {"before": self.before, "after": self.after},
            "num_held_out_users": self.num_users,
            "num_held_out_words": self.num_words,
            "curve": self.curve,
        }


def pretrain_text(
    data: PreparedData,
    model: TextModel | str,
    settings: PretrainingSettings | None = None,
    progress: Progress | None = None,
) -> PretrainedText:
    """Train a language model on the histories of the training part, written as text.

    Parameters
    ----------
    data
        Its items have titles.
    model
        A decoder, which learns to tell the next word, or an encoder, which learns to tell hidden
        ones.
    settings
        How.
    progress
        Hears of batches that are learned from and measured on.

    Raises
    ------
    ConfigError
        When the model is not of the Hugging Face kind, or has no token that hides others.
    InputError
        When there are fewer than two users whose history says anything.
    MissingExtraError
        When transformers or peft is not installed.

    Notes
    -----
    Asked to stop, it leaves what it has learned so far. Seeds the global random generators.

    References
    ----------
    S. Gururangan et al., "Don't stop pretraining: adapt language models to domains and tasks",
    2020, section 3.
    """
    base = of_hugging_face(model)
    settings = settings or PretrainingSettings.model_validate({})
    device = choose_device(settings.device)
    use_threads(settings.num_threads)
    seed_everything(settings.seed)
    is_causal = is_decoder(base.settings)
    task = NextWord() if is_causal else hidden_words(base, settings.mask_share)
    histories = history_rows(
        data, base, settings.template, settings.max_tokens, is_causal=is_causal
    )
    train, held = histories.parted(settings.held_out_users, settings.seed)
    if not len(held):
        raise InputError(
            "Histories of two users at least must say something, one to learn from and one to "
            f"measure on, but {len(np.unique(histories.user))} does.",
            "Prepare the data with --items FILE that has titles of its items.",
        )
    module, fresh = load_language_model(base.transformer_folder, is_causal=is_causal)
    module = with_lora(module.to(device), settings.lora_rank)
    head: list[Tensor] = [module.get_parameter(name).requires_grad_() for name in fresh]
    tell = progress or (lambda *_: None)
    work = _Work(module, task, histories.rows, base.pad_id, settings, tell)
    found = PretrainedText(
        base,
        module,
        task.name,
        trained_parameters(module),
        trained_share(module),
        len(np.unique(histories.user[held])),
        bool(head),
    )
    with InterruptFlag() as flag:
        if head:
            for _ in work.steps(train, head, settings.head_steps, HEAD_RATE, "head over words"):
                if flag.is_set:
                    break
        if not flag.is_set:
            found.before, found.num_words = work.perplexity(held, "measuring before")
        trained: list[Tensor] = [each for each in module.parameters() if each.requires_grad]
        steps = 0 if flag.is_set else settings.num_steps
        for loss in work.steps(train, trained, steps, settings.learning_rate, "learning"):
            found.num_steps += 1
            found.curve = _longer(found.curve, found.num_steps, loss)
            if flag.is_set:
                break
        found.is_done = found.num_steps == settings.num_steps and not flag.is_set
        if found.is_done:
            found.after, found.num_words = work.perplexity(held, "measuring after")
    without_lora(module).eval()
    return found


def of_hugging_face(model: TextModel | str) -> HuggingFaceTextModel:
    """Return the model if it can go on learning.

    Raises
    ------
    ConfigError
        When it cannot.
    """
    opened = open_text_model(model) if isinstance(model, str) else model
    if not isinstance(opened, HuggingFaceTextModel):
        raise ConfigError(
            "A language model that goes on learning must be of the Hugging Face kind, but "
            f'"{opened.name}" is none.',
            "Name minilm, smollm2 or the folder of a model.",
        )
    return opened


def hidden_words(base: HuggingFaceTextModel, share: float) -> HiddenWords:
    """Return the task of an encoder.

    Raises
    ------
    ConfigError
        When its tokenizer has no token that hides others.
    """
    tokenizer = base.tokenizer
    if tokenizer.mask_token_id is None:
        raise ConfigError(
            f"An encoder that goes on learning needs a token that hides others, but {base.name} "
            "has none.",
            "Name another encoder, or a decoder.",
        )
    special = tuple(int(token) for token in tokenizer.all_special_ids)
    return HiddenWords(tokenizer.mask_token_id, special, len(tokenizer), share)


@dataclass(frozen=True)
class _Work:
    """A module, and the rows that it learns from and is measured on."""

    module: nn.Module
    task: WordTask
    rows: TokenRows
    pad_id: int
    settings: PretrainingSettings
    progress: Progress

    def steps(
        self, rows: np.ndarray, weights: list[Tensor], num_steps: int, rate: float, name: str
    ) -> Iterator[float]:
        """Make steps over some rows and yield the mean -log p of each."""
        optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01)
        batches = self._batches(rows, name)
        self.module.train()
        for step in range(num_steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * _share_of_rate(step, self.settings.warmup_steps, num_steps)
            total, count = self.task.loss(self.module, *self._padded(next(batches)))
            if count:
                optimizer.zero_grad()
                (total / count).backward()
                nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
            self.progress(name, step + 1, num_steps)
            yield float(total.detach()) / max(count, 1)

    def perplexity(self, rows: np.ndarray, name: str) -> tuple[float, int]:
        """Return the perplexity over all words of some rows, and how many words they are."""
        total, count = 0.0, 0
        with self._reading():
            size = self.settings.batch_rows
            batches = [rows[begin : begin + size] for begin in range(0, len(rows), size)]
            for num_done, batch in enumerate(batches, start=1):
                part, num = self.task.whole(self.module, *self._padded(batch))
                total, count = total + float(part), count + num
                self.progress(name, num_done, len(batches))
        return math.exp(min(total / max(count, 1), 700)), count

    def _batches(self, rows: np.ndarray, name: str) -> Iterator[np.ndarray]:
        """Yield rows in random order, again and again."""
        draw = stream(self.settings.seed, f"rows of {name}")
        left = np.zeros(0, dtype=np.int64)
        while True:
            while len(left) < self.settings.batch_rows:
                left = np.concatenate([left, draw.permutation(rows)])
            yield left[: self.settings.batch_rows]
            left = left[self.settings.batch_rows :]

    def _padded(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        ids, mask = self.rows.padded(torch.from_numpy(rows), self.pad_id)
        device = next(self.module.parameters()).device
        return ids.to(device), mask.to(device)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        was_training = self.module.training
        self.module.eval()
        with torch.inference_mode():
            yield
        self.module.train(was_training)


def _share_of_rate(step: int, warmup_steps: int, num_steps: int) -> float:
    """Return the share of the learning rate at a step: up, then down along a cosine.

    Examples
    --------
    >>> [round(_share_of_rate(step, 2, 6), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
    return (1 + math.cos(math.pi * done)) / 2


def _longer(curve: list[tuple[int, float]], step: int, loss: float) -> list[tuple[int, float]]:
    """Return the curve with the loss of one more step in its last point, or in a new one."""
    if not curve or curve[-1][0] % CURVE_STEPS == 0:
        return [*curve, (step, loss)]
    last, mean = curve[-1]
    before = (last - 1) % CURVE_STEPS + 1
    return [*curve[:-1], (step, (mean * before + loss) / (before + 1))]
