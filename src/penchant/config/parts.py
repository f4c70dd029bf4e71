"""The parts of a model as sections of a configuration: which there are, and what each may set.

A part's constructor is the schema of its settings: what it takes and which types and defaults.
The rooms of the parts are imported when first asked for, so that listing recipes does not wait
for torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Final, get_origin, get_type_hints

from pydantic import BaseModel, Field, create_model

from penchant.config.settings import ObjectiveSettings, Settings
from penchant.registry import Registry

KINDS: Final = {
    "items": "identity",
    "behaviour": "",
    "profile": "none",
    "encoder": "gru",
    "interest": "multi_head",
    "readout": "",
    "likeness": "none",
    "head": "dot",
    "loss": "auto",
}
"""The sections of parts with their default kinds; no kind where a part has one form only."""

CHOSEN_BY_SIZE: Final = "auto"
"""The kind of loss that stands for another one, once the size of the catalogue is known."""

SIZES: Final = frozenset(
    {
        "width",
        "num_items",
        "item_counts",
        "num_event_types",
        "features",
        "content",
        "user_features",
    }
)
"""What a constructor is given when a model is built; everything else it takes is a setting."""


@dataclass(frozen=True)
class Part:
    """A part of the model: its kind and the settings of its constructor.

    Parameters
    ----------
    kind
        Name in the room's table; empty where the part has one form only.
    settings
        All settings of that kind, defaults filled in.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def __repr__(self) -> str:
        return f"Part({self.kind!r}, {dict(self.settings)!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return the section as it stands in a file."""
        return {**({"kind": self.kind} if self.kind else {}), **self.settings}


@cache
def _rooms() -> dict[str, Registry[Any] | type]:
    """Return the table of each section, or the one class that it can be."""
    from penchant.encoders import encoders
    from penchant.heads import heads
    from penchant.interest import Readout, attentions, likenesses
    from penchant.items import BehaviourInput, item_encoders, profile_inputs
    from penchant.losses import losses

    return {
        "items": item_encoders,
        "behaviour": BehaviourInput,
        "profile": profile_inputs,
        "encoder": encoders,
        "interest": attentions,
        "readout": Readout,
        "likeness": likenesses,
        "head": heads,
        "loss": losses,
    }


def kinds(section: str) -> list[str]:
    """Return the kinds that a section may name; none where it has one form only."""
    room = _rooms()[section]
    chosen = [CHOSEN_BY_SIZE] if section == "loss" else []
    return sorted([*chosen, *room]) if isinstance(room, Registry) else []


def member(section: str, kind: str) -> type[Any]:
    """Return the class of a kind."""
    from penchant.losses import LossBySize

    if section == "loss" and kind == CHOSEN_BY_SIZE:
        return LossBySize
    room = _rooms()[section]
    return room.get(kind) if isinstance(room, Registry) else room


@cache
def schema(section: str, kind: str) -> type[BaseModel]:
    """Return the settings of a kind with types and defaults, read from its constructor."""
    constructor = member(section, kind)
    hints = get_type_hints(constructor.__init__)
    entries: dict[str, Any] = {
        name: (_read_as(hints[name]), ... if entry.default is entry.empty else entry.default)
        for name, entry in inspect.signature(constructor).parameters.items()
        if name not in SIZES and entry.kind is entry.POSITIONAL_OR_KEYWORD
    }
    base = ObjectiveSettings if section == "loss" else Settings
    return create_model(constructor.__name__, __base__=base, **entries)


def _read_as(hint: Any) -> Any:
    """Return a type that a file can give: it writes a tuple as a list."""
    return Annotated[hint, Field(strict=False)] if get_origin(hint) is tuple else hint


def build(section: str, part: Part, sizes: Mapping[str, Any]) -> Any:
    """Build a part from those of its settings and of the sizes that its constructor asks for."""
    constructor = member(section, part.kind)
    asked = inspect.signature(constructor).parameters
    given = {**part.settings, **sizes}
    return constructor(**{name: value for name, value in given.items() if name in asked})
