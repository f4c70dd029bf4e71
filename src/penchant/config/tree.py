"""The whole configuration: resolved, checked, frozen, and written so that it reads back equal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from penchant.config.layers import (
    OBJECTIVES,
    Entries,
    Layer,
    checked,
    layer_of_text,
    layers_of_environment,
    layers_of_overrides,
    merge,
    to_toml,
)
from penchant.config.parts import KINDS, Part, kinds, schema
from penchant.config.recipes import recipes
from penchant.config.roles import check_roles
from penchant.config.settings import (
    BINARY_METRICS,
    EvaluationSettings,
    EventSettings,
    NamedObjective,
    TextSettings,
    TrainingSettings,
    WidthSettings,
)
from penchant.errors import ConfigError, MissingFileError
from penchant.registry import nearest


@dataclass(frozen=True)
class Config:
    """All settings of a model and its training.

    Parameters
    ----------
    width
        Width D of the item vectors and of the interest.
    items, behaviour, profile, encoder, interest, readout, likeness, head, loss
        The parts of the model, and its loss.
    events
        Which events are read and which are to be predicted.
    objectives
        What is predicted, by name, where it is more than one thing; the first is the usual one.
    text
        How texts of items become vectors.
    training
        How it is fitted.
    evaluation
        How it is ranked.

    Relations
    ---------
    `Config.from_toml(config.to_toml())` equals `config`.
    """

    width: int
    items: Part
    behaviour: Part
    profile: Part
    encoder: Part
    interest: Part
    readout: Part
    likeness: Part
    head: Part
    loss: Part
    events: EventSettings
    objectives: Mapping[str, NamedObjective]
    text: TextSettings
    training: TrainingSettings
    evaluation: EvaluationSettings

    @classmethod
    def load(
        cls,
        name_or_path: str | Path = "default",
        overrides: Iterable[str] | Mapping[str, Any] = (),
        environ: Mapping[str, str] | None = None,
    ) -> Config:
        """Read a recipe or a file, under the environment and the overrides.

        Parameters
        ----------
        name_or_path
            Name of a shipped recipe, or the path of a TOML file.
        overrides
            Lines such as `training.learning_rate=0.01`, or a mapping of keys (dotted or nested)
            to values.
        environ
            Variables such as `PENCHANT_TRAINING__LEARNING_RATE`; the process's own when left out.

        Raises
        ------
        ConfigError
            When a recipe, a key, a type or a value is not among those that are known.
        MissingFileError
            When a path is given and no file is there.
        """
        source, text = _read(name_or_path)
        return _resolve(
            layer_of_text(text, source),
            *layers_of_environment(os.environ if environ is None else environ),
            *layers_of_overrides(overrides),
        )

    @classmethod
    def from_toml(cls, text: str, source: str = "the configuration") -> Config:
        """Read what `to_toml` wrote; the environment is not looked at.

        Raises
        ------
        ConfigError
            As `load`.
        """
        return _resolve(layer_of_text(text, source))

    def override(self, overrides: Iterable[str] | Mapping[str, Any]) -> Config:
        """Return this configuration with some settings changed.

        A `training.metric` that is the usual one follows head and loss.

        Raises
        ------
        ConfigError
            As `load`.
        """
        whole = layer_of_text(self.to_toml(), "the configuration")
        if self.training.metric == _usual_metric(self.head, self.loss):
            del whole["training"]["metric"]
        return _resolve(whole, *layers_of_overrides(overrides))

    def to_dict(self) -> dict[str, Any]:
        """Return plain nested values, every setting with its value."""
        plain: dict[str, Any] = {"width": self.width}
        for section in fields(self)[1:]:
            plain[section.name] = _plain(getattr(self, section.name))
        return plain

    def to_toml(self) -> str:
        """Return the text of a file that `load` and `from_toml` read to this configuration."""
        sections = self.to_dict()
        lines = [f"width = {sections.pop('width')}"]
        named = sections.pop(OBJECTIVES)
        sections |= {f"{OBJECTIVES}.{name}": settings for name, settings in named.items()}
        for section, settings in sections.items():
            known = {key: value for key, value in settings.items() if value is not None}
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {to_toml(value)}" for key, value in known.items()]
        return "\n".join(lines) + "\n"

    def differences(self, other: Config) -> list[str]:
        """Return the dotted keys whose values differ, in the order of the sections."""
        mine, theirs = _flat(self.to_dict()), _flat(other.to_dict())
        return [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]


def _read(name_or_path: str | Path) -> tuple[str, str]:
    shipped = {recipe.name: recipe.text for recipe in recipes()}
    if str(name_or_path) in shipped:
        return f"recipe {name_or_path}", shipped[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        try:
            return str(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{path} must be UTF-8 text, but byte {error.start} is not.",
                "Save the file as UTF-8.",
            ) from error
    if path.suffix or len(path.parts) > 1:
        raise MissingFileError(
            f"There is no configuration file {path}.", f"Recipes: {', '.join(shipped)}."
        )
    raise ConfigError(
        f'There is no recipe or file "{name_or_path}".', nearest(str(name_or_path), list(shipped))
    )


def _resolve(*layers: Layer) -> Config:
    merged = merge(layers)
    parts = {section: _part(section, merged[section]) for section in KINDS}
    events = checked("events", EventSettings, merged["events"])
    objectives = {
        section.removeprefix(f"{OBJECTIVES}."): checked(section, NamedObjective, entries)
        for section, entries in merged.items()
        if section.startswith(f"{OBJECTIVES}.")
    }
    check_roles(events, objectives, parts["loss"].kind)
    return Config(
        events=events,
        objectives=MappingProxyType(objectives),
        width=checked("", WidthSettings, merged[""]).width,
        text=checked("text", TextSettings, merged["text"]),
        training=checked("training", TrainingSettings, _with_metric(merged["training"], **parts)),
        evaluation=checked("evaluation", EvaluationSettings, merged["evaluation"]),
        **parts,
    )


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {name: _plain(settings) for name, settings in value.items()}
    return value.to_dict() if isinstance(value, Part) else value.model_dump()


def _part(section: str, entries: Entries) -> Part:
    if not KINDS[section]:
        return Part("", checked(section, schema(section, ""), entries).model_dump())
    settings = dict(entries)
    kind, source = settings.pop("kind", (KINDS[section], "default"))
    if kind not in kinds(section):
        raise ConfigError(
            f"{section}.kind must be one of the known kinds but is {to_toml(kind)} "
            f"(from {source}).",
            nearest(str(kind), kinds(section)),
        )
    of_kind = f' of kind "{kind}"'
    return Part(kind, checked(section, schema(section, kind), settings, of_kind).model_dump())


def _usual_metric(head: Part, loss: Part) -> str:
    """Return what a training is stopped by where nothing else is said."""
    return "auc" if head.kind == loss.kind == "binary" else "ndcg@10"


def _with_metric(entries: Entries, head: Part, loss: Part, **_: Part) -> Entries:
    """Return the training's settings with its metric, which the head must be able to give."""
    metric, source = entries.get("metric", (_usual_metric(head, loss), "default"))
    if metric in BINARY_METRICS and head.kind != "binary":
        raise ConfigError(
            f'training.metric "{metric}" (from {source}) needs head.kind "binary" but it is '
            f'"{head.kind}".',
            "Set head.kind=binary and loss.kind=binary, or training.metric=ndcg@10.",
        )
    return {**entries, "metric": (metric, source)}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, Mapping)
        flat.update(_flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value})
    return flat
