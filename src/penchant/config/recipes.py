"""The configurations that are shipped in the wheel."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Recipe:
    """A shipped configuration.

    Parameters
    ----------
    name
        What `Config.load` takes.
    command
        The command that runs it, the first line of its file.
    figure
        What it reached, the second line.
    text
        The whole file.
    """

    name: str
    command: str
    figure: str
    text: str


def recipes() -> tuple[Recipe, ...]:
    """Return the shipped recipes in the order of their names.

    Examples
    --------
    >>> [recipe.name for recipe in recipes()][:3]
    ['beauty', 'beauty-titles', 'default']
    """
    found = []
    for entry in (resources.files("penchant") / "configs").iterdir():
        if entry.name.endswith(".toml"):
            text = entry.read_text(encoding="utf-8")
            command, figure = (line.lstrip("# ") for line in text.splitlines()[:2])
            found.append(Recipe(entry.name.removesuffix(".toml"), command, figure, text))
    return tuple(sorted(found, key=lambda recipe: recipe.name))
