"""Before a language model is trained on texts of items: what cannot be, and what it will cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

import torch
from torch import Tensor, nn

from penchant.adapters import trained_parameters
from penchant.config import WHOLE_UP_TO, Config, reads_table
from penchant.errors import ConfigError
from penchant.items import MixtureItems, TunedText
from penchant.losses import SampledLoss, Targets
from penchant.losses.negatives import draw_uniform
from penchant.model import InterestModel
from penchant.sequences.loader import TrainingBatch, TrainingLoader
from penchant.training.objective import Objective

NUM_STEPS_LOOKED_AT: Final = 4
"""Steps over whose items the texts of a step are averaged."""

NUM_BATCHES_MEASURED: Final = 3
"""Batches of texts that are read, the first of them to warm up."""

LEFT_BETWEEN: Final = 1.75
"""Memory that a process takes for each byte held on a processor, for what is freed between them.

Measured with MiniLM and glibc: 345 MB for 195 MB held. It is the allocator's: with
`MALLOC_MMAP_THRESHOLD_=65536` a process takes no more than is held.
"""


def check_adaptation(config: Config, num_items: int) -> None:
    """See that a language model that is to be trained has texts to read, and few a step.

    Raises
    ------
    ConfigError
        When items are not read by their texts, or all of many would be at every step.
    """
    adaptation = config.text.adaptation
    if adaptation == "frozen":
        return
    if "text" not in config.items.settings.get("sources", ()):
        raise ConfigError(
            f'text.adaptation "{adaptation}" needs items that are read by their texts at every '
            "step, but text is not among items.sources.",
            'Set items.kind=mixture and items.sources=["identity", "text"], or '
            "text.adaptation=frozen.",
        )
    if num_items <= WHOLE_UP_TO:
        return
    if reads_table(config):
        raise ConfigError(
            f'text.adaptation "{adaptation}" needs a loss that compares few items at a step, but '
            f'loss.kind "{config.loss.kind}" would have all {num_items:,} texts read anew at every '
            f"step (at most {WHOLE_UP_TO:,} can be).",
            "Set loss.kind=sampled_softmax, or text.adaptation=frozen.",
        )
    if config.events.negative_types:
        raise ConfigError(
            "events.negative_types are held against all items, so that text.adaptation "
            f'"{adaptation}" would have all {num_items:,} texts read anew at every step (at most '
            f"{WHOLE_UP_TO:,} can be).",
            "Leave out events.negative_types, or set text.adaptation=frozen.",
        )


@dataclass(frozen=True)
class TextCost:
    """What training a language model on texts comes to.

    Parameters
    ----------
    num_trained, num_parameters
        Numbers of the language model that are trained, and all of them.
    num_trained_in_all, num_parameters_in_all
        The same of the whole model.
    num_steps, texts_per_step
        Of an epoch; texts are counted once in a step.
    epoch_s
        Seconds of an epoch that the language model takes: reading at every step, back, and reading
        the catalogue once for validation.
    memory_mb
        What it holds at a time: weights, gradients, averages of the optimizer, and what a step
        holds for gradients.
    """

    num_trained: int
    num_parameters: int
    num_trained_in_all: int
    num_parameters_in_all: int
    num_steps: int
    texts_per_step: float
    epoch_s: float
    memory_mb: float

    def told(self, name: str, adaptation: str) -> str:
        """Return a line.

        Examples
        --------
        >>> cost = TextCost(2_000, 50_000, 9_000, 60_000, 40, 123.4, 90.0, 250.6)
        >>> print(cost.told("minilm", "lora"))
        text.adaptation lora trains 2,000 of the 50,000 parameters of minilm (4.00 %), with all \
else 9,000 of 60,000 (15.00 %); it will take about 1.5 minutes an epoch (40 steps of 123 texts) \
and 251 MB
        """
        return (
            f"text.adaptation {adaptation} trains {self.num_trained:,} of the "
            f"{self.num_parameters:,} parameters of {name} "
            f"({self.num_trained / self.num_parameters:.2%}), with all else "
            f"{self.num_trained_in_all:,} of {self.num_parameters_in_all:,} "
            f"({self.num_trained_in_all / self.num_parameters_in_all:.2%}); it will take about "
            f"{self.epoch_s / 60:.1f} minutes an epoch ({self.num_steps:,} steps of "
            f"{self.texts_per_step:,.0f} texts) and {self.memory_mb:,.0f} MB"
        ).replace("%)", " %)")


def text_cost(
    model: InterestModel, objective: Objective, loader: TrainingLoader
) -> TextCost | None:
    """Measure what training the language model will cost; None where none is trained.

    Notes
    -----
    Reads a few batches of texts forward and backward. Weights, gradients and random states stay
    as they are.
    """
    text = model.items.tuned if isinstance(model.items, MixtureItems) else None
    if text is None:
        return None
    batches = loader.epoch(0)
    with torch.random.fork_rng(devices=[]):
        first = islice(batches, NUM_STEPS_LOOKED_AT)
        steps = [_items_of(batch.to(text.known.device), model, objective) for batch in first]
    num_steps = len(steps) + sum(1 for _ in batches)
    measured = _measured(text, steps[0])
    padded = [_padded(text, items) for items in steps]
    every = torch.arange(len(text.known), device=text.known.device)
    times = 2 if text.checkpointing else 1
    per_token_s = times * measured.forward_s + measured.backward_s
    a_step = per_token_s * sum(map(sum, padded)) / len(steps)
    most = max if text.checkpointing else sum
    held = max(most(tokens) for tokens in padded) * measured.held_bytes
    held *= LEFT_BETWEEN if text.known.device.type == "cpu" else 1
    num_trained = trained_parameters(text.reader)
    weights = sum(weight.numel() * weight.element_size() for weight in text.reader.parameters())
    return TextCost(
        num_trained,
        _num_parameters(text.reader),
        trained_parameters(model) + trained_parameters(objective),
        _num_parameters(model) + _num_parameters(objective),
        num_steps,
        sum(len(items) for items in steps) / len(steps),
        num_steps * a_step + sum(_padded(text, every)) * measured.forward_s,
        # a gradient and two averages beside each trained weight
        (weights + 3 * 4 * num_trained + held) / 2**20,
    )


@dataclass(frozen=True)
class _Measured:
    """Of one token, padding counted: seconds forward and backward, bytes held in between."""

    forward_s: float
    backward_s: float
    held_bytes: float


def _measured(text: TunedText, items: Tensor) -> _Measured:
    """Read some texts forward and backward."""
    reader, tokens = text.reader, text.tokens
    lengths = tokens.lengths[items]
    trained = [weight for weight in reader.parameters() if weight.requires_grad]
    forward_s = backward_s = held = num_tokens = 0.0
    places = reader.model.batches(lengths)
    chosen = [*places[:1], *places[1:NUM_BATCHES_MEASURED]] if len(places) > 1 else places * 2
    for number, place in enumerate(chosen):
        rows = items[place.to(items.device)]
        started = time.monotonic()
        with _counting(reader) as count:
            made = reader.batch(tokens, rows)
        between = _now(items.device)
        torch.autograd.grad(made.sum(), trained, allow_unused=True)
        done = _now(items.device)
        if number == 0:  # the first call of anything takes longer
            continue
        forward_s += between - started
        backward_s += done - between
        held += sum(count.values())
        num_tokens += len(place) * int(lengths[int(place[0])])
    return _Measured(*(each / max(num_tokens, 1) for each in (forward_s, backward_s, held)))


@contextmanager
def _counting(module: nn.Module) -> Iterator[dict[int, int]]:
    """Count the bytes that are held for gradients by where they lie, weights left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in module.parameters()}
    found: dict[int, int] = {}

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        yield found


def _items_of(batch: TrainingBatch, model: InterestModel, objective: Objective) -> Tensor:
    """Return the distinct items that a step over a batch looks at."""
    num_items = model.items.num_trained
    device = batch.target_item.device
    if objective.loss.reads_table:
        return torch.arange(num_items, device=device)
    items = [batch.events.item_index, batch.target_item]
    if isinstance(objective.loss, SampledLoss):
        ones = torch.ones(batch.num_targets, device=device)
        items.append(objective.loss.draw(Targets(batch.target_item, ones, ones), num_items).item)
    if objective.interest_weight:
        num_drawn = objective.interest_loss.num_negatives
        items.append(draw_uniform(num_drawn, num_items, device).item)
    return torch.cat(items).unique()


def _padded(text: TunedText, items: Tensor) -> list[int]:
    """Return the tokens of each batch in which texts are read, padding counted."""
    lengths = text.tokens.lengths[items]
    places = text.reader.model.batches(lengths)
    return [len(place) * int(lengths[int(place[0])]) for place in places] or [0]


def _num_parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _now(device: torch.device) -> float:
    """Return the time when all that was asked of a device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
