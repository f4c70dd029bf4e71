"""The ranker that answers, with the items that came after its training, whoever put them.

Items have the same places in every process: those of the bundle, then the others in the order in
which they were first put. Vectors that one process made are read by the others.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from penchant.serving.later_items import ItemReader
from penchant.serving.ranking import Ranker
from penchant.stores import ItemVector, Store, StoredItem


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
            self._standing = ranker, max([known, *(item.revision for item in changed)])
            return ranker

    def put(self, item_id: str, attributes: Mapping[str, Any]) -> StoredItem:
        """Put an item, and know it."""
        before = self._standing
        try:
            with self._store.transaction():
                item = self._store.put_item(item_id, attributes)
                self.noticed()
        except BaseException:
            self._standing = before  # no place is given to an item that was not kept
            raise
        return item

    def _with_items(self, ranker: Ranker, later: Sequence[StoredItem]) -> Ranker:
        """Return a ranker that knows items; those without a vector of their revision are read."""
        bundle_id = self._reader.bundle.id
        kept = {
            item.item_id: found.vector
            for item in later
            if (found := self._store.item_vector(bundle_id, item.item_id)) is not None
            and found.revision == item.revision
        }
        grown = _with_kept(ranker, later, kept)
        unread = [item for item in later if item.item_id not in kept]
        if not unread:
            return grown
        vectors, is_known = self._reader.read([_given(item) for item in unread])
        grown = grown.with_items([item.item_id for item in unread], vectors, is_known)
        made = [
            ItemVector(item.item_id, item.revision, _bytes(grown, item.item_id))
            for item, known in zip(unread, is_known.tolist(), strict=True)
            if known
        ]
        for item_id in self._store.put_item_vectors(bundle_id, made) if made else ():
            self._store.mark_item_known(item_id)
        return grown


def _given(item: StoredItem) -> Mapping[str, Any]:
    return {**item.attributes, "item_id": item.item_id}


def _with_kept(ranker: Ranker, later: Sequence[StoredItem], kept: Mapping[str, bytes]) -> Ranker:
    """Give all items their places in order, and those that have one their vector."""
    width = ranker.table.shape[1]
    vectors = torch.zeros(len(later), width, dtype=ranker.table.dtype)
    for row, item in enumerate(later):
        if item.item_id in kept:
            vectors[row] = _vector(kept[item.item_id], ranker)
    is_known = torch.tensor([item.item_id in kept for item in later])
    return ranker.with_items([item.item_id for item in later], vectors, is_known)


def _vector(blob: bytes, ranker: Ranker) -> Tensor:
    return torch.frombuffer(bytearray(blob), dtype=ranker.table.dtype)


def _bytes(ranker: Ranker, item_id: str) -> bytes:
    return ranker.table[ranker.index(item_id)].cpu().numpy().tobytes()
