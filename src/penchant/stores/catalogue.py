"""The part of the contract that is about items: attributes with a revision, and their vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from penchant.stores.records import ItemVector, StoredItem


class Catalogue(ABC):
    """Items and their vectors under each bundle."""

    def put_item(self, item_id: str, attributes: Mapping[str, Any]) -> StoredItem:
        """Keep an item's attributes in place of those before; a hidden item is shown again."""
        [item] = self.put_items([(item_id, attributes)])
        return item

    @abstractmethod
    def put_items(self, items: Iterable[tuple[str, Mapping[str, Any]]]) -> list[StoredItem]:
        """Keep the attributes of many items; the revision of each that changed grows."""

    @abstractmethod
    def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> StoredItem | None:
        """Change some of an item's attributes; `None` takes one away.

        Returns
        -------
        item
            `None` where no such item was put.
        """

    @abstractmethod
    def hide_item(self, item_id: str) -> StoredItem:
        """Take an item out of all lists; one that was never put is kept without attributes."""

    @abstractmethod
    def get_item(self, item_id: str) -> StoredItem | None:
        """Return an item, `None` where none was put."""

    @abstractmethod
    def items(
        self,
        query: str = "",
        *,
        after: int = 0,
        since_revision: int = 0,
        limit: int | None = None,
    ) -> Sequence[StoredItem]:
        """Return items in the order in which they were first put, hidden ones included.

        Parameters
        ----------
        query
            Only items whose id begins so, or whose title does, in whatever case.
        after
            Only items behind this `StoredItem.number`.
        since_revision
            Only items that changed after this revision.
        limit
            So many at most.
        """

    @abstractmethod
    def put_item_vectors(self, bundle_id: str, vectors: Sequence[ItemVector]) -> set[str]:
        """Keep vectors, beside those of the same items made from earlier revisions.

        Returns
        -------
        new
            Items that had no vector before: events with them were passed over until now, see
            `mark_item_known`.
        """

    @abstractmethod
    def item_vectors(self, bundle_id: str) -> Iterator[ItemVector]:
        """Go through the newest vector of each item."""

    @abstractmethod
    def item_vector(
        self, bundle_id: str, item_id: str, at_revision: int | None = None
    ) -> ItemVector | None:
        """Return the newest vector of an item up to a revision, so that a fold can be repeated."""

    @abstractmethod
    def vectors_replaced(self, bundle_id: str) -> int:
        """Return the store's revision when an item last got another vector, 0 if none did.

        Notes
        -----
        A snapshot that is older was folded with vectors that are not the newest.
        """
