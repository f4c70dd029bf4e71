"""How large a request may be."""

from __future__ import annotations

from typing import Final

LONGEST_ID: Final = 512
"""Characters of an id, a type or a session."""
MOST_EVENTS: Final = 10_000
"""Events, or items, of one call."""
MOST_BODY_BYTES: Final = 10_000_000
MOST_ITEMS_OF_A_LIST: Final = 1000
