"""Tables in which every pluggable part of a room is found by its kind.

A configuration names a part (`kind = "gru"`), never an import path. The constructor of the part is
the schema of its settings. Nothing here imports torch.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from penchant.errors import ConfigError

T = TypeVar("T")


def nearest(name: str, known: list[str]) -> str:
    """Return a hint that names the nearest known word, or lists them all.

    Examples
    --------
    >>> nearest("grue", ["gru", "lstm"])
    'Did you mean gru? Known: gru, lstm.'
    """
    close = difflib.get_close_matches(name, known, n=1)
    listing = f"Known: {', '.join(sorted(known))}."
    return f"Did you mean {close[0]}? {listing}" if close else listing


class Registry(Generic[T]):
    """The members of one room, by kind.

    Parameters
    ----------
    room
        Name of the room, used in messages.

    Examples
    --------
    >>> shapes = Registry[object]("shapes")
    >>> @shapes.register("disc")
    ... class Disc:
    ...     def __init__(self, radius: float = 1.0) -> None:
    ...         self.radius = radius
    >>> shapes.build("disc", {"radius": 2.0}).radius
    2.0
    """

    def __init__(self, room: str) -> None:
        self.room = room
        self._members: dict[str, type[T]] = {}

    def register(self, kind: str) -> Callable[[type[T]], type[T]]:
        """Return a decorator that enters a class under `kind`."""

        def enter(member: type[T]) -> type[T]:
            assert kind not in self._members, f"{self.room} has two members called {kind}"
            self._members[kind] = member
            member.kind = kind  # type: ignore[attr-defined]
            return member

        return enter

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._members))

    def get(self, kind: str) -> type[T]:
        """Return the class of a kind.

        Raises
        ------
        ConfigError
            When no member has that kind; the message names the nearest.
        """
        if kind not in self._members:
            raise ConfigError(
                f'{self.room} has no kind "{kind}".', nearest(kind, list(self._members))
            )
        return self._members[kind]

    def settings(self, kind: str) -> dict[str, Any]:
        """Return the settings of a kind with their defaults (`inspect.Parameter.empty` if none)."""
        parameters = inspect.signature(self.get(kind)).parameters
        return {name: parameter.default for name, parameter in parameters.items()}

    def build(self, kind: str, settings: dict[str, Any], **given: Any) -> T:
        """Build a member from settings; `given` are the sizes that the caller knows (width, …).

        Sizes that the constructor does not ask for are left out; settings that it does not know are
        refused.

        Raises
        ------
        ConfigError
            When a setting is unknown to the member.
        """
        known = self.settings(kind)
        for name in settings:
            if name not in known or name in given:
                raise ConfigError(
                    f'{self.room} "{kind}" has no setting "{name}".',
                    nearest(name, [key for key in known if key not in given]),
                )
        sizes = {name: value for name, value in given.items() if name in known}
        return self.get(kind)(**settings, **sizes)
