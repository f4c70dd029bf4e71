"""Documents of policies: read from TOML and JSON, written as JSON, compared in words.

Every fault is one message that names the place, what must hold there and what was found.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from penchant.errors import ConfigError, InputError, MissingFileError
from penchant.policies.columns import ItemColumns
from penchant.policies.matching import check_filter
from penchant.policies.settings import Policies
from penchant.registry import nearest

_TYPES: Final = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "tuple_type": "a list",
    "too_short": "a list that is not empty",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
}


def load_policies(path: str | Path) -> Policies:
    """Read policies from a TOML file.

    Raises
    ------
    MissingFileError
        When there is no such file.
    ConfigError
        When it is no TOML, or a setting is unknown, of the wrong type or out of range.
    """
    file = Path(path)
    if not file.is_file():
        raise MissingFileError(f"There is no file of policies {file}.", "See docs/policies.md.")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file} must be UTF-8 text, but byte {error.start} is not.", "Save it as UTF-8."
        ) from error
    return policies_from_toml(text, str(file))


def policies_from_toml(text: str, source: str = "the policies") -> Policies:
    """Read policies from the text of a TOML file.

    Raises
    ------
    ConfigError
        As `load_policies`.

    Examples
    --------
    >>> policies_from_toml('[[caps]]\\nfield = "brand"\\nmost = 2').caps
    (Cap(field='brand', most=2, first=0),)
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} must be TOML: {error}.", "See docs/policies.md.") from error
    return policies_from_dict(tree, source)


def policies_from_json(text: str | bytes, source: str = "the policies") -> Policies:
    """Read policies from JSON.

    Raises
    ------
    ConfigError
        When it is no JSON; else as `load_policies`.
    """
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{source} must be JSON: {error}.", "See docs/policies.md.") from error
    return policies_from_dict(tree, source)


def policies_from_dict(given: Any, source: str = "the policies") -> Policies:
    """Check plain nested values and return them as policies, defaults filled in.

    Raises
    ------
    ConfigError
        As `load_policies`.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{source} must be a table of policies but is {_told(given)}.", 'Say {"caps": []}.'
        )
    try:
        return Policies.model_validate(given)
    except ValidationError as error:
        faults = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise _fault(faults[0], source) from error


def policies_to_dict(policies: Policies) -> dict[str, Any]:
    """Return policies as plain nested values for JSON.

    Relations
    ---------
    `policies_from_dict(policies_to_dict(one))` equals `one`.
    """
    return policies.model_dump(mode="json")


def policies_to_json(policies: Policies) -> str:
    """Return policies as JSON that `policies_from_json` reads."""
    return json.dumps(policies_to_dict(policies), ensure_ascii=False)


def check_fields(policies: Policies, columns: ItemColumns) -> None:
    """Refuse policies that look at an attribute which no item has.

    Raises
    ------
    InputError
        Then; the message names the nearest that there is.

    Notes
    -----
    For the moment at which policies are changed. Once they stand, an attribute that no item has any
    more is one without values.
    """
    if policies.filter is not None:
        check_filter(policies.filter, columns)
    for at, cap in enumerate(policies.caps):
        columns.check(cap.field, f"caps[{at}].field")
    if policies.diversity.calibration_weight:
        columns.check(policies.diversity.calibration_field, "diversity.calibration_field")
    if policies.exploration.slots and policies.exploration.max_age_days:
        columns.check(policies.exploration.created_field, "exploration.created_field")


def diff(before: Policies, after: Policies) -> list[str]:
    """Return what a change comes to, one sentence each, in the order of the policies.

    Examples
    --------
    >>> old = policies_from_dict({"lists": {"deny": ["i2", "i1"]}})
    >>> diff(old, policies_from_dict({"lists": {"deny": ["i1", "i7"]}, "seen": {"exclude": False}}))
    ['Set seen.exclude from true to false.',
     'Removed "i2" from lists.deny.', 'Added "i7" to lists.deny.']
    """
    return list(_changes("", policies_to_dict(before), policies_to_dict(after)))


def _changes(place: str, before: Any, after: Any) -> Iterator[str]:
    if _told(before) == _told(after):  # where 1 is not true
        return
    if place != "filter" and isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            if key in before and key in after:
                yield from _changes(f"{place}.{key}".lstrip("."), before[key], after[key])
            else:
                verb, value = ("Set", after) if key in after else ("Removed", before)
                yield f"{verb} {place}.{key}: {_told(value[key])}."
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_changes(place, before, after)
    else:
        yield f"Set {place} from {_told(before)} to {_told(after)}."


def _list_changes(place: str, before: list[Any], after: list[Any]) -> Iterator[str]:
    """Tell what left a list and what came; members that have a name are the same by it."""
    named = {one["name"]: one for one in after if isinstance(one, Mapping) and "name" in one}
    changed = [one for one in before if one not in after]
    come = [one for one in after if one not in before]
    if not changed and not come:
        yield f"Changed the order of {place}, or what is there twice."
    for one in changed:
        name = one.get("name") if isinstance(one, Mapping) else None
        if name in named:
            yield from _changes(f'{place} "{name}"', one, named[name])
            come.remove(named[name])
        else:
            yield f"Removed {_told(one)} from {place}."
    for one in come:
        yield f"Added {_told(one)} to {place}."


def _fault(error: Any, source: str) -> ConfigError:
    """Return the first fault that was found, as one clear message."""
    place = _written(error["loc"])
    if error["type"] == "extra_forbidden":
        *above, key = error["loc"]
        known = list(_model_at(above).model_fields)
        inside = f"{_written(above)} has" if above else "There is"
        return ConfigError(
            f'{inside} no setting "{key}" (from {source}).', nearest(str(key), known)
        )
    if error["type"] == "missing":
        return ConfigError(f"{place} must be given (from {source}).", "See docs/policies.md.")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return ConfigError(f"{cause.message.removesuffix('.')} (from {source}).", cause.hint)
    allowed = str(cause) if cause else _TYPES.get(error["type"], str(error["msg"]))
    is_whole = isinstance(error["input"], BaseModel | Mapping)
    found = "" if is_whole else f" but is {_told(error['input'])}"
    return ConfigError(
        f"{place or 'The policies'} must be {allowed.removeprefix('Input should be ')}"
        f"{found} (from {source}).",
        "See docs/policies.md.",
    )


def _model_at(steps: Sequence[str | int]) -> type[BaseModel]:
    """Return the part of the schema that stands at a place."""
    model: type[BaseModel] = Policies
    for step in steps:
        if isinstance(step, str):
            inside = model.model_fields[step].annotation
            members = [one for one in (inside, *get_args(inside)) if isinstance(one, type)]
            model = next(one for one in members if issubclass(one, BaseModel))
    return model


def _written(steps: Sequence[str | int]) -> str:
    """Return a place as it is written: `caps[0].field`."""
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).lstrip(".")


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
