"""The part of the contract that is about running a service: impressions, settings, audit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from penchant.stores.shown import AuditEntry, Document, Impression, ServedList, ShownList


class Operations(ABC):
    """Lists served and shown, documents under compare-and-set, the audit log, counters."""

    @abstractmethod
    def put_served(self, lists: Sequence[ServedList]) -> int:
        """Keep lists that were answered; return how many.

        Notes
        -----
        Lists of a user from before the user was forgotten stay out.
        """

    @abstractmethod
    def put_shown(self, lists: Sequence[ShownList]) -> int:
        """Keep what was shown; return how much of it was not told before."""

    @abstractmethod
    def impression(self, request_id: str) -> Impression:
        """Return all that is known of a request, its events included; empty where nothing is."""

    @abstractmethod
    def impressions(self, since_ms: int = 0) -> Iterator[Impression]:
        """Go through the requests that were served from a time on, each with what came of it."""

    @abstractmethod
    def served_to(self, user_id: str, since_ms: int = 0) -> Sequence[ServedList]:
        """Return the lists served to a user from a time on, the oldest first."""

    @abstractmethod
    def shown_to(self, user_id: str, since_ms: int = 0) -> Sequence[ShownList]:
        """Return what was shown to a user from a time on, the oldest first."""

    @abstractmethod
    def get_document(self, name: str) -> Document:
        """Return a document, an empty one under revision 0 where there is none."""

    @abstractmethod
    def put_document(
        self, name: str, content: Any, *, revision: int, who: str, time_ms: int
    ) -> Document:
        """Keep a document made from a revision, and say so in the audit log.

        Parameters
        ----------
        content
            JSON values.
        revision
            Of the document that was read before; 0 where there was none.
        who, time_ms
            For the audit log.

        Raises
        ------
        StaleDocumentError
            When the kept document has another revision by now.
        """

    @abstractmethod
    def add_audit(
        self, who: str, what: str, time_ms: int, before: Any = None, after: Any = None
    ) -> None:
        """Write an entry of the audit log; users are named by nothing but what `blind` returns."""

    @abstractmethod
    def audit_log(self, limit: int = 100, before: int | None = None) -> Sequence[AuditEntry]:
        """Return entries, the newest first; `before` is the number of the last one of a page."""

    @abstractmethod
    def changes(self) -> dict[str, int]:
        """Return when each kind of thing last changed, as revisions of the store.

        Notes
        -----
        One small read, by which a worker notices what another did. Kinds are `items` and the
        names of documents.
        """

    @abstractmethod
    def blind(self, user_id: str) -> str:
        """Return a keyed digest that stands for a user where the id must not stand."""
