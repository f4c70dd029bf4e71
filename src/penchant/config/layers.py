"""Layers of settings: each value with the place it came from, the later layer wins.

Files, the environment and the command line are read into one form here; sections and keys are
known to exist, their values are not looked at yet.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from penchant.config.parts import KINDS, kinds, schema
from penchant.errors import ConfigError
from penchant.registry import nearest

PREFIX: Final = "PENCHANT_"
SECTIONS: Final = (*KINDS, "events", "text", "training", "evaluation")
OBJECTIVES: Final = "objectives"
"""The section whose members, each a section of its own, are named by whoever writes them."""

Entries = dict[str, tuple[Any, str]]
"""Settings of a section: value and source by key."""

Layer = dict[str, Entries]
"""Sections by name, `objectives.NAME` among them; the width stands in the one without a name."""

_EXAMPLES = {
    "behaviour": "use_value",
    "readout": "query_time",
    "events": "target_types",
    "objectives": "NAME.types",
    "text": "model",
    "training": "seed",
    "evaluation": "exclude_seen",
}


def layer_of_text(text: str, source: str) -> Layer:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        When it is no TOML, or names a section that there is not.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source} must be TOML: {error}.", "Compare with `penchant config show default`."
        ) from error
    return _layer(tree, lambda _: source)


def layers_of_environment(environ: Mapping[str, str]) -> list[Layer]:
    """Read variables such as `PENCHANT_TRAINING__LEARNING_RATE`, one layer each.

    Those without `__` belong to other parts of Penchant, but for `PENCHANT_WIDTH`.
    """
    layers = []
    for name, text in sorted(environ.items()):
        key = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and ("__" in key or key == "width"):
            layers.append(_layer(_nested(key.split("__"), _value(text)), _named("variable", name)))
    return layers


def layers_of_overrides(overrides: Iterable[str] | Mapping[str, Any]) -> list[Layer]:
    """Read `key=value` lines of the command line, or a mapping of dotted or nested keys.

    Raises
    ------
    ConfigError
        When a line has no equals sign, or names a section that there is not.
    """
    if isinstance(overrides, Mapping):
        return [
            _layer(_nested(key.split("."), value), lambda dotted: f"argument {dotted}")
            for key, value in overrides.items()
        ]
    layers = []
    for line in overrides:
        key, equals, text = line.partition("=")
        if not equals:
            raise ConfigError(
                f'--set needs key=value but got "{line}".', "Say --set training.seed=1."
            )
        tree = _nested(key.strip().split("."), _value(text.strip()))
        layers.append(_layer(tree, _named("--set", line)))
    return layers


def merge(layers: Iterable[Layer]) -> Layer:
    """Lay each layer over those before it.

    A layer that names another kind keeps, of what was set before, only what that kind has too.
    """
    merged: Layer = {section: {} for section in ("", *SECTIONS)}
    for layer in layers:
        for section, entries in layer.items():
            below = merged.setdefault(section, {})
            before = below.get("kind", (KINDS.get(section), ""))[0]
            kind = entries.get("kind", (before, ""))[0]
            if section in KINDS and kind != before and kind in kinds(section):
                known = schema(section, kind).model_fields
                below = {key: entry for key, entry in below.items() if key in known}
            merged[section] = {**below, **{key: _over(below, key, e) for key, e in entries.items()}}
    return merged


def _over(below: Entries, key: str, entry: tuple[Any, str]) -> tuple[Any, str]:
    """Return an entry over the one below it; of two tables, one with the keys of both."""
    before = below.get(key, (None, ""))[0]
    if isinstance(entry[0], Mapping) and isinstance(before, Mapping):
        return {**before, **entry[0]}, entry[1]
    return entry


def checked(section: str, wanted: type[BaseModel], entries: Entries, of_kind: str = "") -> Any:
    """Return the section's settings as `wanted` has them, defaults filled in.

    Raises
    ------
    ConfigError
        When a key is unknown, or a value is of another type or out of range; the message names
        the key, what is allowed, what was found and where it came from.
    """
    known = list(wanted.model_fields)
    for key, (_, source) in entries.items():
        if key not in known:
            raise ConfigError(
                f'{section}{of_kind} has no setting "{key}" (from {source}).', nearest(key, known)
            )
    try:
        return wanted.model_validate({key: value for key, (value, _) in entries.items()})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        default = wanted.model_fields[key].default
        if key not in entries:
            raise ConfigError(
                f"{section}{of_kind} must say {key}.", f"Set {section}.{key}."
            ) from None
        value, source = entries[key]
        raise ConfigError(
            f"{f'{section}.{key}'.lstrip('.')} must be {_allowed(first)} but is {to_toml(value)} "
            f"(from {source}).",
            "" if default is PydanticUndefined else f"The default is {to_toml(default)}.",
        ) from error


def to_toml(value: Any) -> str:
    """Return a value as TOML writes it.

    Examples
    --------
    >>> print(to_toml([True, 1e-5, 'a "b"']))
    [true, 1e-05, "a \\"b\\""]
    >>> print(to_toml({"buy": 5.0}))
    {"buy" = 5.0}
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(to_toml(entry) for entry in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {to_toml(entry)}" for key, entry in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _layer(tree: Mapping[str, Any], source_of: Callable[[str], str]) -> Layer:
    layer: Layer = {}
    for section, content in tree.items():
        if section == "width":
            layer[""] = {"width": (content, source_of(section))}
        elif section == OBJECTIVES:
            for name, (settings, _) in _entries(section, content, source_of).items():
                member = f"{OBJECTIVES}.{name}"
                layer[member] = _entries(member, settings, source_of)
        elif section in SECTIONS:
            layer[section] = _entries(section, content, source_of)
        else:
            raise ConfigError(
                f'There is no section or setting "{section}" (from {source_of(section)}).',
                nearest(section, ["width", *SECTIONS, OBJECTIVES]),
            )
    return layer


def _entries(section: str, content: Any, source_of: Callable[[str], str]) -> Entries:
    """Return the settings of a section with their sources."""
    if not isinstance(content, Mapping):
        member = section.startswith(f"{OBJECTIVES}.")
        example = "types" if member else _EXAMPLES.get(section, "kind")
        raise ConfigError(
            f"{section} must be a section of settings but is {to_toml(content)} "
            f"(from {source_of(section)}).",
            f"Set one of its keys, such as {section}.{example}.",
        )
    return {key: (value, source_of(f"{section}.{key}")) for key, value in content.items()}


_TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "finite_number": "a finite number",
    "missing": "given",
}


def _allowed(error: Any) -> str:
    if error["type"] == "string_pattern_mismatch":
        return f"a text of the form {error['ctx']['pattern']}"
    return _TYPES.get(error["type"], str(error["msg"]).removeprefix("Input should be "))


def _named(*words: str) -> Callable[[str], str]:
    return lambda _: " ".join(words)


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    tree = value
    for key in reversed(keys):
        tree = {key: tree}
    return tree


def _value(text: str) -> Any:
    """Read a value as TOML would, and as a bare text where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
