"""Items by what their texts mean to a language model that is trained along with everything else.

What a step needs is made anew, each text once; vectors of the whole catalogue are made when they
are read outside training, and kept until the weights change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from penchant.adapters import Adapt, adapted, freeze, leave_out_frozen
from penchant.errors import ConfigError, EnvironmentFault
from penchant.items.text import TextHead, TextSource, TextTable, TextVectors, turned
from penchant.texts import TextModel, open_text_model
from penchant.texts.huggingface import HuggingFaceTextModel
from penchant.texts.tokens import TokenRows


class TextReader(nn.Module):
    """A language model in training: tokens in, vectors out, gradients back.

    Parameters
    ----------
    model
        Is changed.
    adapt, lora_rank
        What of it is trained.

    Raises
    ------
    ConfigError
        When the model is not of the Hugging Face kind.
    MissingExtraError
        When there is no peft.

    Notes
    -----
    Without dropout within the language model: its vectors in training are those in evaluation. Its
    state holds the trained weights and the fingerprint of the others.
    """

    def __init__(self, model: TextModel, adapt: Adapt, lora_rank: int) -> None:
        super().__init__()
        self.model = of_hugging_face(model)
        layers: Any = self.model.module
        if isinstance(getattr(layers, "pooler", None), nn.Module):
            layers.pooler = None  # not looked at, and in some files not even there
        self.layers: nn.Module = adapted(layers, adapt, lora_rank, "text")
        self.dense = self.model.dense if adapt == "full" else freeze(self.model.dense)
        leave_out_frozen(self, model.name)

    def train(self, mode: bool = True) -> TextReader:  # noqa: ARG002
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, tokens: TokenRows, rows: Tensor, checkpointing: bool = False) -> Tensor:
        """Return (n, E) vectors of some texts (n,), zeros where nothing stands.

        Parameters
        ----------
        tokens, rows
            The texts, and which of them.
        checkpointing
            Whether each batch is read again when its gradients are asked for.
        """
        places = self.model.batches(tokens.lengths[rows])
        like = next(self.layers.parameters())
        vectors = like.new_zeros(len(rows), self.model.width)
        if not places:
            return vectors
        places = [place.to(rows.device) for place in places]
        made = [self.batch(tokens, rows[place], checkpointing) for place in places]
        return vectors.index_copy(0, torch.cat(places), torch.cat(made))

    def batch(self, tokens: TokenRows, rows: Tensor, checkpointing: bool = False) -> Tensor:
        """Return (n, E) vectors of some texts (n,), read together."""
        if not (checkpointing and torch.is_grad_enabled()):
            return self.model.pooled(tokens, rows, self.layers)
        again: Tensor = checkpoint(
            self.model.pooled,
            tokens,
            rows,
            self.layers,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        return again


def of_hugging_face(model: TextModel) -> HuggingFaceTextModel:
    """Return the model if it can be trained.

    Raises
    ------
    ConfigError
        When it cannot.
    """
    if not isinstance(model, HuggingFaceTextModel):
        raise ConfigError(
            f'text.adaptation needs a language model of the Hugging Face kind, but "{model.name}" '
            "is none.",
            "Set text.model=minilm or the folder of a model, or text.adaptation=frozen.",
        )
    return model


def trained_on_top(
    model: TextModel, adapt: Adapt, lora_rank: int, weights: Mapping[str, Tensor]
) -> TextModel:
    """Return a model of texts, changed, with weights that were trained on top of it.

    Raises
    ------
    ConfigError
        When the weights are of another form than `adapt` and `lora_rank` say.
    InputError
        When they were trained on top of others.

    Notes
    -----
    It has a fingerprint of its own, so that no cache takes its vectors for those of its base.
    """
    _put(TextReader(model, adapt, lora_rank), weights)
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    model.fingerprint = f"{model.fingerprint}+{digest.hexdigest()}"
    return model


def _put(reader: TextReader, weights: Mapping[str, Tensor]) -> None:
    """Load trained weights."""
    try:
        reader.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise ConfigError(
            "The trained weights of the language model must be of the form that text.adaptation "
            f"and text.lora_rank say: {' '.join(str(error).split())[:200]}",
            "Take both settings from the training that they come from.",
        ) from error


class _Step:
    """What was made of texts within one step."""

    def __init__(self, num_items: int, device: torch.device, plain: bool) -> None:
        self.place = torch.full((num_items,), -1, device=device)  # (I,), -1 where nothing was made
        self.made: list[Tensor] = []
        self.num_made = 0
        self.plain = plain

    def new_among(self, items: Tensor) -> Tensor:
        """Return those of distinct items (n,) of which nothing was made yet."""
        return items[self.place[items] < 0]

    def add(self, items: Tensor, vectors: Tensor) -> None:
        """Keep what was made of new items (n,)."""
        self.place[items] = torch.arange(len(items), device=items.device) + self.num_made
        self.num_made += len(items)
        self.made.append(vectors)

    def take(self, items: Tensor) -> Tensor:
        """Return (n, P) what was made of items (n,)."""
        return torch.cat(self.made)[self.place[items]]


class TunedText(TextVectors):
    """Vectors of items from what a language model in training makes of their texts.

    Parameters
    ----------
    table
        The texts of I items, with their tokens; its turn stays as it was fitted.
    width, head
        As `TextVectors`.

    Raises
    ------
    ConfigError
        When the model cannot be trained.
    EnvironmentFault
        When what goes by its name is another model now.

    Notes
    -----
    Asked for rows where gradients are wanted, it reads the distinct ones: once in all within
    `reading_once`. All rows come with gradients in training alone; otherwise they are read without,
    and kept until a trained weight changes.

    Relations
    ---------
    Equals `TextSource` of the same table before the first step of `lora`.
    """

    ids: Tensor
    offsets: Tensor

    def __init__(self, table: TextTable, width: int, head: TextHead = "linear") -> None:
        super().__init__(table, width, head)
        reading = table.reading
        assert reading is not None, "the table must say how its texts are read"
        self.checkpointing = reading.checkpointing
        # Made again of the texts when a training is resumed.
        self.register_buffer("ids", reading.tokens.ids, persistent=False)
        self.register_buffer("offsets", reading.tokens.offsets, persistent=False)
        model = open_text_model(table.model, "cpu")
        check_fingerprint(model, table.fingerprint)
        with torch.random.fork_rng(devices=[]):  # other parts start as beside a frozen model
            self.reader = TextReader(model, reading.adapt, reading.lora_rank)
        if reading.weights:
            _put(self.reader, reading.weights)
        self._step: _Step | None = None
        self._kept: tuple[Any, Tensor] | None = None

    @property
    def tokens(self) -> TokenRows:
        """The texts."""
        return TokenRows(self.ids, self.offsets)

    def rows(self, item_index: Tensor | None) -> Tensor:
        """Return (N, P) turned vectors of the texts of the items (N,), of all when None."""
        if item_index is None:
            every = torch.arange(len(self.known), device=self.known.device)
            is_live = self.training and torch.is_grad_enabled()
            return self._once(every) if is_live else self._all()
        if not torch.is_grad_enabled() and self._kept_now() is not None:
            return self._all()[item_index]
        distinct, place = item_index.unique(return_inverse=True)
        return self._once(distinct)[place]

    @contextmanager
    def reading_once(self, plain: bool = False) -> Iterator[None]:
        """Read each item once; what was made is let go at the end, but for the graph."""
        before = self._step
        self._step = _Step(len(self.known), self.known.device, plain)
        try:
            yield
        finally:
            self._step = before

    def fixed(self) -> TextSource:
        """Return the vectors of all items as they are now, without the language model."""
        source = TextSource(TextTable(self._all(), self.mean, self.turn), 1, "none")
        source.head, source.known = self.head, self.known
        return source.train(self.training)

    def _once(self, items: Tensor) -> Tensor:
        """Return (n, P) what is made of distinct items (n,), within a step each once."""
        step = self._step
        if step is None:
            return self._made(items)
        new = step.new_among(items)
        if len(new):
            with sdpa_kernel(SDPBackend.MATH) if step.plain else nullcontext():
                step.add(new, self._made(new, step.plain))
        return step.take(items)

    def _made(self, items: Tensor, plain: bool = False) -> Tensor:
        """Return (n, P) what the language model makes of items (n,) now."""
        found = self.reader(self.tokens, items, self.checkpointing and not plain)
        return turned(found.to(self.mean.dtype), self.mean, self.turn)

    def _all(self) -> Tensor:
        """Return (I, P) what it makes of all items, without gradients."""
        kept = self._kept_now()
        if kept is None:
            # Outside inference mode, since it may be looked at by what is differentiated.
            with torch.inference_mode(False), torch.no_grad():
                kept = self._made(torch.arange(len(self.known), device=self.known.device))
            self._kept = self._state(), kept
        return kept

    def _kept_now(self) -> Tensor | None:
        """Return what was kept of all items, None where a weight has changed since."""
        return self._kept[1] if self._kept and self._kept[0] == self._state() else None

    def _state(self) -> Any:
        """Return what tells the present weights from those of any other time."""
        trained = [weight for weight in self.reader.parameters() if weight.requires_grad]
        return self.mean.device, self.mean.dtype, [(id(each), each._version) for each in trained]


def check_fingerprint(model: TextModel, wanted: str) -> None:
    """See that a model of texts is the one that read the texts before.

    Raises
    ------
    EnvironmentFault
        When it is another.
    """
    if model.fingerprint != wanted:
        raise EnvironmentFault(
            f'The items were read by the language model "{model.name}" with fingerprint '
            f"{wanted[:12]}, but here it has {model.fingerprint[:12]}.",
            "Install the version of the training, or train anew.",
        )


def text_source(table: TextTable, width: int, head: TextHead) -> TextVectors:
    """Return vectors of texts: of a model that is trained, where the table says how."""
    kind = TextSource if table.reading is None else TunedText
    return kind(table, width, head)
