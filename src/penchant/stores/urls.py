"""Store addresses, written as in SQLAlchemy: which store to open, and how to show an address."""

from __future__ import annotations

import re

from penchant.errors import InputError, MissingExtraError
from penchant.stores.base import Store
from penchant.stores.memory import InProcessStore

_LATER = ("sqlite", "postgresql", "redis")


def open_store(url: str) -> Store:
    """Open the store of an address.

    Raises
    ------
    InputError
        When the address names no kind of store that is known.
    MissingExtraError
        When this version does not hold that kind.

    Examples
    --------
    >>> open_store("memory://").stats().num_events
    0
    """
    scheme, separator, place = url.partition("://")
    kind = scheme.partition("+")[0]
    if separator and kind == "memory" and not place:
        return InProcessStore()
    if separator and kind in _LATER:
        raise MissingExtraError(
            f"This version of Penchant holds no {kind} store, asked for by {blot(url)}.",
            "Use memory://, which lives as long as the process.",
        )
    raise InputError(
        f'A store address must look like memory:// but "{blot(url)}" was given.',
        f"Known: memory; to come: {', '.join(_LATER)}.",
    )


def blot(text: str) -> str:
    """Return a text with the passwords of all addresses in it blotted out.

    Examples
    --------
    >>> blot("cannot reach postgresql://ann:s3cret@db/rel")
    'cannot reach postgresql://ann:***@db/rel'
    """
    return re.sub(r"(\w://[^\s:/@]*):[^\s@]+@", r"\1:***@", text)
