"""The weights of one model for a model of other data: what both know goes by its name.

Rows of items, of types of events, of values of attributes and of what a graph names are looked up;
everything else that has the same name and form is taken as it is. What was read of the items
themselves (their texts, their attributes) stays with the model that read it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
import torch
from torch import Tensor

from penchant.bundle import Bundle
from penchant.events import FeatureEncoder, GraphNames, PreparedData
from penchant.events.attributes import BagAttribute, CategoricalAttribute, NumericAttribute
from penchant.model import InterestModel

OF_ITEMS: Final = ("items.vectors.weight", "items.gate.own.weight")
"""Parameters with a row for each item; a new item keeps its fresh one."""

BIAS: Final = "head.bias"
LIKENESS: Final = "likeness.numbers"
TYPES: Final = "behaviour.types.weight"
GRAPH: Final = "items.sources.graph."
BAG: Final = "attributes.bag.weight"
"""How the name of a parameter ends that all readers of attributes have."""

State = Mapping[str, Tensor]
A = TypeVar("A", BagAttribute, CategoricalAttribute, NumericAttribute)


def carry_over(
    model: InterestModel, source: Bundle, data: PreparedData, *, by_id: bool = True
) -> int:
    """Give a fresh model of prepared data the weights of another, in place.

    Parameters
    ----------
    model
        Built for the data.
    source
        The other model, with its vocabulary.
    data
        Names the items, the types of events and the attributes.
    by_id
        Whether an id means the same item in both catalogues; otherwise all items are new.

    Returns
    -------
    num_known
        Items that both know.

    Notes
    -----
    A new item has the mean bias of the others. A type of event that the source does not know is
    read as its first, an unknown value of an attribute as a missing one.
    """
    kept = source.model.state_dict()
    fresh = {name: weight.cpu() for name, weight in model.state_dict().items()}
    both = [name for name in fresh if name in kept]
    items = source.vocabulary.indices(data.items.series)
    items = items if by_id else np.full(len(items), -1)
    carried = {name: kept[name] for name in both if kept[name].shape == fresh[name].shape}
    for name in both:
        if name in OF_ITEMS and kept[name].shape[1:] == fresh[name].shape[1:]:
            carried[name] = _taken(kept[name], items, fresh[name])
        elif name == BIAS:
            bias = kept[name]
            carried[name] = _taken(bias, items[: len(fresh[name])], bias.mean())
        elif name == TYPES:
            types = _places(source.event_types, data.event_types, len(fresh[name]))
            carried[name] = _taken(kept[name], types, kept[name][0])
        elif name.endswith(BAG):
            encoders = (source.encoder, data.encoder)
            if not name.startswith("items."):
                encoders = (source.user_encoder, data.user_encoder)
            carried |= _of_attributes(name.removesuffix("bag.weight"), fresh, kept, *encoders)
    if source.graph is not None and data.graph is not None and f"{GRAPH}damping" in both:
        carried |= _of_graph(fresh, kept, source.graph, data.graph.names, items)
    read = {name for name, _ in model.items.named_buffers(prefix="items")}
    read |= {LIKENESS} if by_id else set()  # chosen anew when the training is over
    carried = {name: weight for name, weight in carried.items() if name not in read}
    model.load_state_dict({**fresh, **carried})
    return int((items >= 0).sum())


def _of_attributes(
    prefix: str, fresh: State, kept: State, old: FeatureEncoder, new: FeatureEncoder
) -> State:
    """Return what the values of attributes say, by the names of attributes and values."""
    carried = {}
    categories = {
        each.name: (each.values, kept[f"{prefix}categories.{place}.weight"])
        for place, each in enumerate(_of_kind(old, CategoricalAttribute))
    }
    for place, each in enumerate(_of_kind(new, CategoricalAttribute)):
        name = f"{prefix}categories.{place}.weight"
        carried[name] = fresh[name]
        if each.name in categories:
            values, rows = categories[each.name]
            found = _places((None, *values), (None, *each.values), len(fresh[name]))
            carried[name] = _taken(rows, found, rows[0])
    name = f"{prefix}bag.weight"
    found = _places(_members(old), _members(new), len(fresh[name]))
    carried[name] = _taken(kept[name], found, torch.zeros_like(fresh[name]))
    name = f"{prefix}numbers.weight"  # (D, G)
    before, after = ([n.name for n in _of_kind(one, NumericAttribute)] for one in (old, new))
    found = _places(before, after, fresh[name].shape[1])
    carried[name] = _taken(kept[name].T, found, torch.zeros_like(fresh[name].T)).T
    return carried


def _of_graph(
    fresh: State, kept: State, old: GraphNames, new: GraphNames, items: np.ndarray
) -> State:
    """Return what was learned of entities and relations, by their names.

    `items` (I,) are the places of the new items among the old ones, -1 where there is none.
    """
    others = old.entities.indices(new.entities.series)
    entity = np.concatenate([items, np.where(others < 0, -1, len(old.items) + others)])
    before = kept[f"{GRAPH}graph.place_of"].cpu().numpy()  # (old entities,)
    after = fresh[f"{GRAPH}graph.place_of"].numpy()  # (new entities,)
    places = np.full(int(after.max()) + 1, -1)
    found = np.where(entity < 0, -1, before[entity.clip(min=0)])
    places[after[after >= 0]] = found[after >= 0]
    relation = old.relations.indices(new.relations.series)
    backwards = np.where(relation < 0, -1, len(old.relations) + relation)
    relations = np.concatenate([relation, backwards])
    rows = {"entities.weight": places, "relations.weight": relations, "damping": relations}
    return {
        f"{GRAPH}{name}": _taken(kept[f"{GRAPH}{name}"], place, fresh[f"{GRAPH}{name}"])
        for name, place in rows.items()
        if kept[f"{GRAPH}{name}"].shape[1:] == fresh[f"{GRAPH}{name}"].shape[1:]
    }


def _members(encoder: FeatureEncoder) -> list[tuple[str, str]]:
    """Return attribute and value of what bags may hold, in their order."""
    bags = _of_kind(encoder, BagAttribute)
    return [(each.name, value) for each in bags for value in each.values]


def _of_kind(encoder: FeatureEncoder, kind: type[A]) -> list[A]:
    return [each for each in encoder.attributes if isinstance(each, kind)]


def _places(old: Sequence[Hashable], new: Sequence[Hashable], num_rows: int) -> np.ndarray:
    """Return (num_rows,) the place of new names among old ones, -1 where there is none.

    Rows behind the new names have none.

    Examples
    --------
    >>> _places(["view", "buy"], ["buy", "like"], 3).tolist()
    [1, -1, -1]
    """
    where = {name: place for place, name in enumerate(old)}
    found = [where.get(name, -1) for name in new]
    return np.array([*found, *[-1] * (num_rows - len(found))], dtype=np.int64)


def _taken(kept: Tensor, rows: np.ndarray, otherwise: Tensor) -> Tensor:
    """Return rows (n,) of a tensor, others where there is no such row."""
    place = torch.as_tensor(rows)
    is_there = (place >= 0) & (place < len(kept))
    found = kept[place.clamp(0, len(kept) - 1)]
    return torch.where(is_there.view(-1, *[1] * (kept.dim() - 1)), found, otherwise)
