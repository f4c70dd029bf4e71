"""The alphabet of axes used in shape comments, and the sizes they stand for.

A comment such as `# (B, Q, D)` beside a line gives the shape of what the line makes. Nothing is
computed here.
"""

from __future__ import annotations

from typing import Final

AXES: Final[dict[str, str]] = {
    "B": "users in a batch",
    "C": "events in a block of the streaming attention",
    "D": "width of the model",
    "E": "width of a feature before it is projected",
    "F": "features of an item",
    "I": "items in the catalogue",
    "K": "interests of one user, or length of a list",
    "L": "layers",
    "M": "targets: positions at which something is predicted",
    "N": "events of all users of a batch, end to end",
    "Q": "queries (heads) of the attention over the history",
    "T": "time steps of the longest history",
    "U": "users in a data set",
    "V": "width of one head's values, D / Q",
    "X": "columns of context that an event carries",
}
