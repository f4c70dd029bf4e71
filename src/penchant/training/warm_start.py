"""Where a training starts that does not start from nothing: the weights of a model that is there.

What must be alike in both is said by their settings; which weights go where by `carrying_over`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penchant.bundle import Bundle
from penchant.config import Config
from penchant.errors import ConfigError, InputError
from penchant.events import PreparedData
from penchant.items import TextTable
from penchant.model import InterestModel
from penchant.training.carrying_over import carry_over
from penchant.training.transferring import text_of

MODEL: Final = ("width", "behaviour", "profile", "encoder", "interest", "readout", "head")
"""Sections of the configuration that say what weights there are and what they mean."""

FREE: Final = ("dropout_rate", "drop_share", "checkpointing")
"""How the names of their settings end that say nothing of the kind."""

OF_TEXT: Final = ("items.text_head", "text.projection", "text.num_directions")
"""Settings that say what weights make of texts, where both models read them."""


@dataclass(frozen=True)
class WarmStart:
    """A model whose weights a training starts from.

    Parameters
    ----------
    bundle
        The model.
    path
        Where it lies.
    """

    bundle: Bundle
    path: Path

    @classmethod
    def load(cls, directory: str | Path) -> WarmStart:
        """Read the bundle of a run, or a bundle.

        Raises
        ------
        MissingFileError
            When there is neither.
        """
        return cls(Bundle.load(directory), Path(directory).resolve())

    @classmethod
    def again(cls, manifest: Mapping[str, Any]) -> WarmStart | None:
        """Read what a run says it starts from; None where it starts from nothing.

        Raises
        ------
        InputError
            When another model lies there now.
        """
        origin = manifest.get("warm_start")
        if origin is None:
            return None
        found = cls.load(origin["path"])
        if found.bundle.id != origin["bundle"]:
            raise InputError(
                f"The training must start from bundle {origin['bundle']}, but {found.path} holds "
                f"{found.bundle.id} now.",
                "Put it back, or train anew.",
            )
        return found

    @property
    def text(self) -> TextTable | None:
        """How the texts of its items were turned."""
        return text_of(self.bundle)

    @property
    def origin(self) -> dict[str, Any]:
        """What the run keeps of it."""
        return {"warm_start": {"path": str(self.path), "bundle": self.bundle.id}}

    def check(self, config: Config) -> None:
        """See that a configuration describes a model that can take the weights.

        Raises
        ------
        ConfigError
            When some setting differs, by name and value.
        """
        before, after = _flat(self.bundle.config), _flat(config)
        reads = all("text" in flat.get("items.sources", ()) for flat in (before, after))
        wanted = [
            key
            for key in self.bundle.config.differences(config)
            if (key.partition(".")[0] in MODEL and not key.endswith(FREE))
            or (reads and key in OF_TEXT)
        ]
        if wanted:
            told = ", ".join(
                f"{key} ({after.get(key, 'not set')} here, {before.get(key, 'not set')} there)"
                for key in wanted
            )
            raise ConfigError(
                f"A training can start from the weights of {self.path} only with the same model, "
                f"but these settings differ: {told}.",
                "Leave out --config to take those of the source, or train without --warm-start.",
            )

    def give(self, model: InterestModel, data: PreparedData) -> str:
        """Give the weights to a fresh model; return a line on how many items both know."""
        num_known = carry_over(model, self.bundle, data)
        return (
            f"starts from bundle {self.bundle.id} in {self.path}: {num_known:,} of "
            f"{data.num_items:,} items are known by their ids"
        )


def _flat(config: Config) -> dict[str, Any]:
    """Return the settings by their dotted keys."""
    sections = config.to_dict()
    flat: dict[str, Any] = {"width": sections.pop("width")}
    for name, settings in sections.items():
        flat |= {f"{name}.{key}": value for key, value in settings.items()}
    return flat
