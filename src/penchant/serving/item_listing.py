"""Items as people look them up: those that were put, and those that a bundle was trained with.

What was put counts; of an item that was never put, the bundle's table of items tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from penchant.bundle import Bundle
from penchant.errors import InputError
from penchant.stores import Store, StoredItem

MOST_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item and what is said of it.

    Parameters
    ----------
    revision
        Grows with every change; 0 for one that was never put.
    hidden
        It is in no list.
    """

    item_id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Items, and where to read on; `None` at the end."""

    items: tuple[ListedItem, ...]
    cursor: str | None = None


def find_item(store: Store, bundle: Bundle, item_id: str) -> ListedItem | None:
    """Return an item of the store or of the bundle, `None` where neither has it."""
    kept = store.get_item(item_id)
    if kept is not None:
        return _listed(kept)
    index = bundle.vocabulary.index(item_id)
    return None if index is None else _trained(bundle, index)


def list_items(
    store: Store, bundle: Bundle, query: str = "", limit: int = 50, cursor: str | None = None
) -> Page:
    """Return items whose id or title begins so: those that were put, then those of the bundle.

    Raises
    ------
    InputError
        When the cursor is none that was given out.
    """
    part, after = _place(cursor)
    found: list[tuple[str, ListedItem]] = []
    if part == "put":
        kept = store.items(query, after=after, limit=limit + 1)
        found = [(f"put:{item.number}", _listed(item)) for item in kept]
        after = -1
    for index in _begins_so(bundle, query, after) if len(found) <= limit else ():
        listed = _trained(bundle, index)
        if store.get_item(listed.item_id) is None:
            found.append((f"trained:{index}", listed))
        if len(found) > limit:
            break
    page = tuple(item for _, item in found[:limit])
    return Page(page, found[limit - 1][0] if len(found) > limit else None)


def _listed(item: StoredItem) -> ListedItem:
    return ListedItem(item.item_id, item.attributes, item.revision, item.hidden)


def _trained(bundle: Bundle, index: int) -> ListedItem:
    """Return an item as the bundle's table has it, in JSON values."""
    row = json.loads(json.dumps(bundle.item_table.row(index, named=True), default=str))
    item_id = row.pop("item_id")
    return ListedItem(item_id, {name: value for name, value in row.items() if value is not None})


def _place(cursor: str | None) -> tuple[str, int]:
    """Return where to read on: which part, and behind which number."""
    if cursor is None:
        return "put", 0
    part, _, number = cursor.partition(":")
    is_number = number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS
    if part not in ("put", "trained") or not is_number:
        raise InputError(
            f'cursor must be one that a page gave but is "{cursor[:40]}".',
            "Leave it out for the first page.",
        )
    return part, int(number)


def _begins_so(bundle: Bundle, query: str, after: int) -> Iterator[int]:
    """Go through the places of the bundle's items that begin so."""
    table = bundle.item_table
    if not query:
        yield from range(after + 1, table.height)
        return
    is_found = pl.col("item_id").str.starts_with(query)
    if "title" in table.columns:
        title = pl.col("title").cast(pl.String, strict=False).str.to_lowercase()
        is_found |= title.str.starts_with(query.lower()).fill_null(False)
    found = table.select(is_found.alias("found"))["found"].arg_true()
    yield from (index for index in found.to_list() if index > after)
