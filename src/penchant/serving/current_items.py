"""The ranker that answers, with the items that came after its training, whoever put them.

Items have the same places in every process: those of the bundle, then the others in the order in
which they were first put. Vectors that one process made are read by the others. Texts are read
before the store is held, since a language model takes its time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from penchant.errors import InputError
from penchant.serving.histories import no_such_item
from penchant.serving.item_listing import find_item
from penchant.serving.later_items import ItemReader
from penchant.serving.ranking import Ranker
from penchant.serving.results import PutItemResult
from penchant.stores import ItemVector, Store, StoredItem
from penchant.stores.records import merged

Given = tuple[str, Mapping[str, Any]]
"""The id of an item, and its attributes."""


class CurrentItems:
    """Keeps a ranker in step with the items of a store.

    Parameters
    ----------
    ranker
        That of a bundle, without later items.
    store
        Where items are put.
    """

    def __init__(self, ranker: Ranker, store: Store) -> None:
        self._store = store
        self._reader = ItemReader(ranker.bundle)
        self._lock = threading.Lock()
        self._standing = ranker, 0
        self._silent: dict[str, Mapping[str, Any]] = {}  # items whose attributes give no vector
        self._read_what_stands()
        self.noticed()

    @property
    def ranker(self) -> Ranker:
        """The ranker as of the last look."""
        return self._standing[0]

    def noticed(self) -> Ranker:
        """Return the ranker with all items of the store; one small read where nothing changed."""
        if self._store.changes().get("items", 0) <= self._standing[1]:
            return self.ranker
        with self._store.transaction(), self._lock:  # in this order everywhere
            ranker, known = self._standing
            changed = self._store.items(since_revision=known)
            later = [item for item in changed if item.item_id not in ranker.bundle.vocabulary]
            ranker = self._with_items(ranker, later) if later else ranker
            hidden = {item.item_id for item in changed if item.hidden}
            hidden |= ranker.hidden - {item.item_id for item in changed}
            ranker = ranker if hidden == ranker.hidden else ranker.hiding(hidden)
            self._standing = ranker, max([known, *(item.revision for item in changed)])
            return ranker

    def put_many(self, items: Sequence[Given]) -> None:
        """Put items in place of those before, and know them."""
        self._write(items, lambda: self._store.put_items(items))

    def patch(self, item_id: str, changes: Mapping[str, Any]) -> None:
        """Change some attributes of an item of the store or of the bundle."""
        before = self._attributes(item_id)

        def write() -> list[StoredItem]:
            patched = self._store.patch_item(item_id, changes)
            if patched is None:  # so far the bundle alone knew of it
                patched = self._store.put_item(item_id, merged(before, changes))
            return [patched]

        self._write([(item_id, merged(before, changes))], write)

    def hide(self, item_id: str) -> None:
        """Take an item of the store or of the bundle out of all lists."""
        before = self._attributes(item_id)

        def write() -> list[StoredItem]:
            if self._store.get_item(item_id) is None:
                self._store.put_item(item_id, before)
            return [self._store.hide_item(item_id)]

        self._write([], write)

    def _attributes(self, item_id: str) -> Mapping[str, Any]:
        found = find_item(self._store, self.ranker.bundle, item_id)
        if found is None:
            raise no_such_item(item_id, self.ranker.items)
        return found.attributes

    def _write(self, items: Sequence[Given], write: Callable[[], list[StoredItem]]) -> None:
        """Read what is said of items, write them together with their vectors, and know them."""
        read = self._read_ahead(dict(items))
        before = self._standing
        try:
            with self._store.transaction():
                kept = {item.item_id: item for item in write()}
                self._keep(kept.values(), read)
                self.noticed()
        except BaseException:
            self._standing = before  # no place is given to an item that was not kept
            raise

    def _read_what_stands(self) -> None:
        """Read the items of the store that have no vector of this bundle yet."""
        standing = {item.item_id: item for item in self._store.items()}
        read = self._read_ahead({name: item.attributes for name, item in standing.items()})
        if read:
            with self._store.transaction():
                self._keep(self._store.items(), read)

    def _read_ahead(self, given: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, bytes]]:
        """Return vectors of items that are to be read, with the attributes that gave them."""
        bundle = self._reader.bundle
        unread = {
            item_id: attributes
            for item_id, attributes in given.items()
            if item_id not in bundle.vocabulary and not self._is_read(item_id, attributes)
        }
        if not unread:
            return {}
        vectors, is_known = self._reader.read(
            [{**attributes, "item_id": item_id} for item_id, attributes in unread.items()]
        )
        read = zip(unread.items(), vectors, is_known.tolist(), strict=True)
        found = {}
        for (item_id, attributes), vector, known in read:
            if known:
                found[item_id] = attributes, _bytes(vector, self.ranker)
            else:
                self._silent[item_id] = attributes
        return found

    def _is_read(self, item_id: str, attributes: Mapping[str, Any]) -> bool:
        """Say whether the store has a vector of an item that was made of these attributes."""
        kept = self._store.get_item(item_id)
        if kept is None or kept.attributes != attributes:
            return False
        vector = self._store.item_vector(self._reader.bundle.id, item_id)
        return vector is not None and vector.revision == kept.revision

    def _keep(
        self, items: Iterable[StoredItem], read: Mapping[str, tuple[Mapping[str, Any], bytes]]
    ) -> None:
        """Keep the vectors of items whose attributes are those that were read."""
        vectors = [
            ItemVector(item.item_id, item.revision, read[item.item_id][1])
            for item in items
            if item.item_id in read and read[item.item_id][0] == item.attributes
        ]
        new = self._store.put_item_vectors(self._reader.bundle.id, vectors) if vectors else ()
        for item_id in new:
            self._store.mark_item_known(item_id)

    def _with_items(self, ranker: Ranker, later: Sequence[StoredItem]) -> Ranker:
        """Return a ranker that knows items; those without a vector of their revision are read."""
        kept = self._kept_vectors(later)
        unread = {
            item.item_id: item.attributes
            for item in later
            if item.item_id not in kept and self._silent.get(item.item_id) != item.attributes
        }
        if unread:  # another process did not, or has put them between reading and writing
            self._keep(later, self._read_ahead(unread))
            kept = self._kept_vectors(later)
        return _with_kept(ranker, later, kept)

    def _kept_vectors(self, items: Sequence[StoredItem]) -> dict[str, bytes]:
        bundle_id = self._reader.bundle.id
        return {
            item.item_id: found.vector
            for item in items
            if (found := self._store.item_vector(bundle_id, item.item_id)) is not None
            and found.revision == item.revision
        }


def item_given(item: Mapping[str, Any]) -> Given:
    """Return the id and the attributes of an item as a caller writes it.

    Raises
    ------
    InputError
        When it has no id.

    Examples
    --------
    >>> item_given({"item_id": "n1", "title": "white wine"})
    ('n1', {'title': 'white wine'})
    """
    given = {str(name): entry for name, entry in item.items()}
    item_id = given.pop("item_id", None)
    if item_id is None or not str(item_id):
        raise InputError(
            "An item must have an item_id, and this one has none.",
            'Say live.put_item({"item_id": "item 5", "title": ...}).',
        )
    return str(item_id), given


def put_item_result(ranker: Ranker, item_id: str) -> PutItemResult:
    """Say whether a bundle can recommend an item that was put, and why not."""
    if item_id in ranker.bundle.vocabulary:
        return PutItemResult(item_id, True, "The attributes are kept.")
    if ranker.is_known[ranker.index(item_id)]:
        return PutItemResult(item_id, True, "It has a vector, and can be recommended.")
    message = (
        f'"{item_id}" has no vector in {ranker.bundle.id}: it is kept, and can be '
        "recommended once a model that was trained with it is used."
    )
    return PutItemResult(item_id, False, message)


def _with_kept(ranker: Ranker, later: Sequence[StoredItem], kept: Mapping[str, bytes]) -> Ranker:
    """Give all items their places in order, and those that have one their vector."""
    width = ranker.table.shape[1]
    vectors = torch.zeros(len(later), width, dtype=ranker.table.dtype)
    for row, item in enumerate(later):
        if item.item_id in kept:
            vectors[row] = torch.frombuffer(bytearray(kept[item.item_id]), dtype=vectors.dtype)
    is_known = torch.tensor([item.item_id in kept for item in later])
    return ranker.with_items([item.item_id for item in later], vectors, is_known)


def _bytes(vector: Tensor, ranker: Ranker) -> bytes:
    return vector.to(ranker.table.dtype).cpu().numpy().tobytes()
