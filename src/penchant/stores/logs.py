"""The part of the contract that is about events: one log per user, every event once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from penchant.stores.records import LoggedEvent, Outcome

Appended = tuple[Outcome, LoggedEvent]
"""What became of an event, and the event as it is kept; for a repeated id the one kept before."""


class EventLogs(ABC):
    """Logs of users, read in the order (time, sequence)."""

    def append(self, event: LoggedEvent) -> Appended:
        """Add an event to its user's log, once."""
        [appended] = self.append_many([event])
        return appended

    @abstractmethod
    def append_many(self, events: Sequence[LoggedEvent]) -> list[Appended]:
        """Add events to the logs of their users in the order given, in one transaction.

        Returns
        -------
        appended
            Of each event what became of it. Refused are events up to the time through which their
            user was forgotten (`FORGOTTEN`) or the log was cut (`EXPIRED`), and ids of events that
            were deleted (`DELETED`).

        Notes
        -----
        As many statements for ten thousand events as for one.
        """

    @abstractmethod
    def events(
        self,
        user_id: str,
        *,
        after_sequence: int = 0,
        through_ms: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int | None = None,
    ) -> Sequence[LoggedEvent]:
        """Return a user's events in the order (time, sequence).

        Parameters
        ----------
        after_sequence
            Only events accepted later than this one.
        through_ms
            Only events up to this time.
        after
            Only events behind this place: `LoggedEvent.place` of the last one of a page.
        limit
            So many at most.
        """

    @abstractmethod
    def delete_event(self, user_id: str, event_id: str) -> bool:
        """Delete one event; its id is kept, so that a repeat stays out.

        Returns
        -------
        was_there
            Where it was, memories of the user are folded again before they are read.
        """

    @abstractmethod
    def history_complete(self, user_id: str) -> bool:
        """Say whether the kept log of a user is all that was accepted and not deleted by request.

        Notes
        -----
        A cut by `retain` makes it false.
        """

    @abstractmethod
    def user_ids(self) -> Iterator[str]:
        """Go through all users who have events, in pieces, in the order in which they first came.

        Notes
        -----
        What is written meanwhile may or may not be met.
        """

    @abstractmethod
    def all_events(self, batch_size: int = 10_000) -> Iterator[Sequence[LoggedEvent]]:
        """Go through the whole log in pieces: user by user, each user's events by sequence.

        Notes
        -----
        What is written meanwhile may or may not be met.
        """

    @abstractmethod
    def users_of_item(self, item_id: str) -> Iterator[str]:
        """Go through the users who have an event with an item."""

    @abstractmethod
    def mark_item_known(self, item_id: str) -> int:
        """Mark the users who have an event with an item, and nobody else, to be folded again.

        Returns
        -------
        num_users
            How many were marked.
        """

    @abstractmethod
    def get_offset(self, source: str) -> str | None:
        """Return how far a source has been read, `None` at its beginning."""

    @abstractmethod
    def put_offset(self, source: str, offset: str) -> None:
        """Keep how far a source has been read; inside the transaction that keeps its events."""
