"""Store addresses, written as in SQLAlchemy: which store to open, and how to show an address."""

from __future__ import annotations

import re
from pathlib import Path

from penchant.errors import InputError, MissingExtraError, MissingFileError
from penchant.stores.base import Store
from penchant.stores.memory import InProcessStore
from penchant.stores.sqlite import SqliteStore

_LATER = ("postgresql", "redis")


def open_store(url: str, durability: str = "disk", *, must_exist: bool = False) -> Store:
    """Open the store of an address.

    Parameters
    ----------
    url
        `memory://`, `sqlite:///rel.db` or `sqlite:////abs.db`.
    durability
        `disk`: what was acknowledged survives a power cut. `process`: it survives the end of the
        process alone. What lives in the process survives neither, whatever is asked for.
    must_exist
        A file is not made where there is none.

    Raises
    ------
    InputError
        When the address names no kind of store that is known.
    MissingFileError
        When it must exist and does not.
    MissingExtraError
        When this version does not hold that kind.
    EnvironmentFault, CorruptStoreError
        When it cannot be opened.

    Examples
    --------
    >>> open_store("memory://").stats().num_events
    0
    """
    scheme, separator, place = url.partition("://")
    kind = scheme.partition("+")[0]
    if separator and kind == "memory" and not place:
        return InProcessStore()
    if separator and kind == "sqlite":
        path = _path_of(url, place)
        if must_exist and not Path(path).exists():
            raise MissingFileError(
                f"There is no store at {url}.", "Name the one that the service writes to."
            )
        return SqliteStore(path, durability)
    if separator and kind in _LATER:
        raise MissingExtraError(
            f"This version of Penchant holds no {kind} store, asked for by {blot(url)}.",
            "Use sqlite:///penchant.db, a file of your own.",
        )
    raise InputError(
        f'A store address must look like sqlite:///penchant.db but "{blot(url)}" was given.',
        f"Known: memory://, sqlite:///; to come: {', '.join(_LATER)}.",
    )


def is_store_url(text: str) -> bool:
    """Say whether a text is meant as the address of a store, and not as a path.

    Examples
    --------
    >>> is_store_url("sqlite:///a.db"), is_store_url("C:/logs/events.csv")
    (True, False)
    """
    return re.match(r"(memory|sqlite|postgresql|redis)(\+\w+)?://", text) is not None


def _path_of(url: str, place: str) -> str:
    """Return the path in an address: behind the third slash, as SQLAlchemy has it."""
    path = place.removeprefix("/")
    if not place.startswith("/") or not path or path == ":memory:":
        raise InputError(
            f'The address of a file must look like sqlite:///rel.db or sqlite:////abs.db but is "'
            f'{blot(url)}".',
            "Give a path behind the three slashes; for no file at all use memory://.",
        )
    return path


def blot(text: str) -> str:
    """Return a text with the passwords of all addresses in it blotted out.

    Examples
    --------
    >>> blot("cannot reach postgresql://ann:s3cret@db/rel")
    'cannot reach postgresql://ann:***@db/rel'
    """
    return re.sub(r"(\w://[^\s:/@]*):[^\s@]+@", r"\1:***@", text)
