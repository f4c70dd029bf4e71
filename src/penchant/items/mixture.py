"""Items as a mixture of who took them and what is known of them.

An item that nobody took yet has no identity: it falls back on what its text, its attributes and its
neighbours in a graph say, which the model has learned to read on items that it knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penchant.errors import ConfigError
from penchant.items.base import ItemEncoder, item_encoders
from penchant.items.content import ContentSource
from penchant.items.features import FeatureTable, FeatureVectors
from penchant.items.graph import GraphSource, GraphTable
from penchant.items.text import TextHead, TextSource, TextTable, TextVectors
from penchant.items.tuned_text import TunedText, text_source
from penchant.registry import nearest

IDENTITY: Final = "identity"
SOURCES: Final = (IDENTITY, "text", "features", "graph")
"""What a mixture may be made of."""


@dataclass(frozen=True)
class ItemContent:
    """What there is to know about the I items of a catalogue.

    Parameters
    ----------
    counts
        (I,) training events of each item.
    text
        Vectors of their texts.
    features
        Their attributes.
    graph
        Their neighbours in a knowledge graph.
    """

    counts: Tensor
    text: TextTable | None = None
    features: FeatureTable | None = None
    graph: GraphTable | None = None

    @cached_property
    def num_trained(self) -> int:
        """Items up to the last one with training events; all where none has any."""
        taken = self.counts.nonzero()
        return int(taken[-1]) + 1 if len(taken) else len(self.counts)

    @classmethod
    def empty(cls, num_items: int) -> ItemContent:
        """Return items of which nothing is known and that nobody took."""
        return cls(torch.zeros(num_items, dtype=torch.int64))


class FeatureSource(ContentSource):
    """Vectors of items from their attributes.

    Parameters
    ----------
    features
        The attributes of I items.
    width
        Width D.
    """

    def __init__(self, features: FeatureTable, width: int) -> None:
        super().__init__()
        self.attributes = FeatureVectors(features, width)
        self.register_buffer("known", features.is_known())

    def forward(self, item_index: Tensor | None) -> Tensor:
        """Return (N, D) vectors of the items (N,), of all when None."""
        known = self.known if item_index is None else self.known[item_index]
        return self.attributes(item_index) * known.unsqueeze(1)

    def later(self, given: FeatureTable) -> tuple[Tensor, Tensor]:
        """Return vectors of later items from their attributes."""
        known = given.is_known()
        return self.attributes.of(given.rows(None)) * known.unsqueeze(1), known


class Gate(nn.Module):
    """How much each of S sources counts for each of I items.

    Parameters
    ----------
    num_items, num_sources
        Sizes I and S.

    Notes
    -----
    softmax over the sources that know the item, of a bias and a slope by log(1 + training events)
    for each source and of a number of the item's own for each, times how many sources know it. All
    of these start at zero: the mixture starts as a sum.
    """

    def __init__(self, num_items: int, num_sources: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_sources))
        self.slope = nn.Parameter(torch.zeros(num_sources))
        self.own = nn.Embedding(num_items, num_sources)
        nn.init.zeros_(self.own.weight)

    def forward(self, item_index: Tensor | None, counts: Tensor, known: Tensor) -> Tensor:
        """Return (N, S) weights of the sources that know (N, S) the items, 0 for the others."""
        own = self.own.weight if item_index is None else self.own(item_index)
        return self.weights(own, counts, known)

    def weights(self, own: Tensor, counts: Tensor, known: Tensor) -> Tensor:
        """Return (N, S) weights given the numbers (N, S) that are the items' own."""
        logits = own + self.bias + counts.log1p().unsqueeze(1) * self.slope
        shares = logits.masked_fill(~known, -torch.inf).softmax(1).nan_to_num()
        return shares * known.sum(1, keepdim=True)


@item_encoders.register("mixture")
class MixtureItems(ItemEncoder):
    """Identity, text, attributes and graph of items, weighed by a gate for each item.

    Parameters
    ----------
    width
        Width D.
    content
        What there is to know about the items.
    sources
        Some of `identity`, `text`, `features` and `graph`: one alone, or mixed.
    identity_dropout
        Chance that the identity of an item is left out of a pass in training, where there is
        another source to fall back on.
    text_head
        How text vectors are brought to width D: `linear` or `mlp`, learned; `none` takes the first
        D directions.
    start_from_text
        Whether identities start as the first D directions of the texts, and not by chance.
    gate
        Whether sources are weighed; otherwise they are added up.

    Raises
    ------
    ConfigError
        When no source is named, an unknown one, or one of which nothing is given.

    Notes
    -----
    An item without training events has no identity, and one without text no text: what is missing
    counts nothing. Items without training events that stand behind all others are not compared in
    training, so that it does not learn that they are never wanted.
    """

    counts: Tensor

    def __init__(
        self,
        width: int,
        content: ItemContent,
        sources: tuple[str, ...] = (IDENTITY, "text"),
        identity_dropout: float = 0.2,
        text_head: TextHead = "linear",
        start_from_text: bool = False,
        gate: bool = False,
    ) -> None:
        super().__init__()
        _check(sources, content, identity_dropout, start_from_text)
        self.num_items, self.width = len(content.counts), width
        self.num_compared = content.num_trained
        self.identity_dropout = identity_dropout
        self.register_buffer("counts", content.counts.float())
        self.vectors: nn.Embedding | None = None
        if IDENTITY in sources:
            self.vectors = nn.Embedding(self.num_items, width)
            nn.init.normal_(self.vectors.weight, std=width**-0.5)
        self.sources = nn.ModuleDict()
        if "text" in sources and content.text is not None:
            self.sources["text"] = text_source(content.text, width, text_head)
        if "features" in sources and content.features is not None:
            self.sources["features"] = FeatureSource(content.features, width)
        if "graph" in sources and content.graph is not None:
            self.sources["graph"] = GraphSource(content.graph, width)
        if start_from_text and self.vectors is not None and content.text is not None:
            start = TextSource(content.text, width, "none")(None)  # (I, D)
            weight = self.vectors.weight.data
            self.vectors.weight.data = torch.where(start.any(1, keepdim=True), start, weight)
        self.gate = Gate(self.num_items, len(sources)) if gate and len(sources) > 1 else None

    @property
    def num_trained(self) -> int:
        """Items up to the last one with training events."""
        return self.num_compared

    @property
    def texts(self) -> TextVectors | None:
        """The source of texts, where there is one."""
        found = dict(self.sources.items()).get("text")
        return found if isinstance(found, TextVectors) else None

    @property
    def num_directions(self) -> int:
        """Directions P of the texts."""
        return 0 if self.texts is None else self.texts.turn.shape[1]

    def directions(self, item_index: Tensor | None) -> Tensor:
        """Return (N, P) what texts of items mean, at unit length; of all items when None."""
        assert self.texts is not None, "only items with texts have directions"
        return self.texts.directions(self.texts.rows(item_index))

    def is_trained(self, item_index: Tensor | None) -> Tensor:
        """Return (N,) whether there were training events of items, of all when None."""
        return (self.counts if item_index is None else self.counts[item_index]) > 0

    @property
    def tuned(self) -> TunedText | None:
        """The texts, where a language model is trained on them."""
        return self.texts if isinstance(self.texts, TunedText) else None

    @property
    def is_costly(self) -> bool:
        """Whether a language model is trained that makes the vectors."""
        return self.tuned is not None

    @contextmanager
    def reading_once(self, plain: bool = False) -> Iterator[None]:
        """Let a language model read each text once."""
        with ExitStack() as stack:
            if self.tuned is not None:
                stack.enter_context(self.tuned.reading_once(plain))
            yield

    def fix_texts(self) -> dict[str, Tensor]:
        """Leave the vectors of a language model that was trained in its place.

        Returns
        -------
        weights
            Those of its weights that were trained; none where none were.
        """
        tuned = self.tuned
        if tuned is None:
            return {}
        self.sources["text"] = tuned.fixed()
        state = tuned.reader.state_dict()
        return {name: weight.detach().cpu().clone().contiguous() for name, weight in state.items()}

    def forward(self, item_index: Tensor) -> Tensor:
        """Return (N, D) vectors of the items (N,)."""
        return self._mixed(item_index)

    def table(self) -> Tensor:
        """Return (I, D) vectors of all items."""
        return self._mixed(None)

    def later(self, content: Mapping[str, Any], num_items: int) -> tuple[Tensor, Tensor]:
        """Read items that came after the training.

        Parameters
        ----------
        content
            What each source reads: (n, E) vectors of texts under `text`, a `FeatureTable` under
            `features`, `NeighbourArrays` under `graph`.
        num_items
            How many items n there are.

        Returns
        -------
        vectors, is_known
            (n, D), and (n,) bool: of the others there is nothing to say, and they are zeros.

        Relations
        ---------
        Equals the row of an item without training events that has the same content.
        """
        like = next(self.parameters())
        nothing = torch.zeros(num_items, dtype=torch.bool, device=like.device)
        found: list[tuple[Tensor, Tensor]] = []
        for name, source in self.sources.items():
            assert isinstance(source, ContentSource)
            found.append(source.later(content[name]))
        if self.vectors is not None:
            found.insert(0, (like.new_zeros(num_items, self.width), nothing))
        is_known = torch.stack([known for _, known in found], 1)  # (n, S)
        weights = is_known.to(like.dtype)
        if self.gate is not None:
            none = like.new_zeros(num_items)
            weights = self.gate.weights(none.unsqueeze(1), none, is_known)
        return _summed(weights, [vectors for vectors, _ in found]), is_known.any(1)

    def _mixed(self, item_index: Tensor | None) -> Tensor:
        rows = slice(None) if item_index is None else item_index
        counts = self.counts[rows]
        vectors, known = [], []
        if self.vectors is not None:
            vectors.append(self._identities(self.vectors, item_index))
            known.append(self._has_identity(counts))
        for source in self.sources.values():
            assert isinstance(source, ContentSource)
            vectors.append(source(item_index))
            known.append(source.known[rows])
        is_known = torch.stack(known, 1)  # (N, S)
        if self.gate is None:
            weights = is_known.to(vectors[0].dtype)
        else:
            weights = self.gate(item_index, counts, is_known)
        return _summed(weights, vectors)

    def _has_identity(self, counts: Tensor) -> Tensor:
        """Return (N,) whether the identities of items with so many events (N,) count."""
        if self.training and self.identity_dropout and self.sources:
            is_kept = torch.rand(len(counts), device=counts.device) >= self.identity_dropout
            return (counts > 0) & is_kept
        return counts > 0

    def _identities(self, vectors: nn.Embedding, item_index: Tensor | None) -> Tensor:
        if item_index is None:
            return vectors.weight
        if self.refresh is not None:
            self.refresh(vectors.weight, item_index)
        return F.embedding(item_index, vectors.weight, sparse=self.refresh is not None)


def _summed(weights: Tensor, vectors: Sequence[Tensor]) -> Tensor:
    """Return (N, D) the sum of S vectors (N, D) of each item, times their weights (N, S)."""
    mixed = weights[:, :1] * vectors[0]
    for place, added in enumerate(vectors[1:], start=1):
        mixed = mixed + weights[:, place : place + 1] * added
    return mixed


def _check(
    sources: Sequence[str], content: ItemContent, identity_dropout: float, start_from_text: bool
) -> None:
    for name in sources:
        if name not in SOURCES:
            raise ConfigError(f'items.sources names "{name}".', nearest(name, list(SOURCES)))
    if not sources or len(set(sources)) < len(sources):
        raise ConfigError(
            f"items.sources must name each source once and one at least but is {list(sources)}.",
            'Say items.sources=["identity", "text"].',
        )
    if not 0 <= identity_dropout < 1:
        raise ConfigError(
            f"items.identity_dropout must be from 0 to below 1 but is {identity_dropout}.",
            "Set it to 0.1.",
        )
    wanted = [*sources, *(["text"] if start_from_text else [])]
    needed = {
        "text": ("a title or text", "--items"),
        "features": ("attributes", "--items"),
        "graph": ("triples of a graph", "--graph"),
    }
    for name, (what, option) in needed.items():
        if name in wanted and getattr(content, name) is None:
            raise ConfigError(
                f'The source "{name}" of items.sources needs items with {what}, but this data '
                "has none.",
                f"Prepare the data with {option}, or leave {name} out.",
            )
