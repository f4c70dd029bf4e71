"""Which loss of the next item a catalogue of a given size gets where none is named."""

from __future__ import annotations

from typing import Any


class LossBySize:
    """The full softmax where it is affordable, a sampled one above.

    Parameters
    ----------
    label_smoothing
        Of either.
    num_negatives
        Of the sampled softmax.
    full_up_to
        Items up to which the full softmax is taken.

    Notes
    -----
    The time of the full softmax grows with the catalogue, its accuracy is what a sampled one aims
    at. `benchmarks/loss_memory.py` prints what either costs.

    Examples
    --------
    >>> LossBySize(num_negatives=99).choose(3_416)
    ('full_softmax', {'label_smoothing': 0.0})
    >>> LossBySize(num_negatives=99).choose(1_000_000)
    ('sampled_softmax', {'label_smoothing': 0.0, 'num_negatives': 99})
    """

    def __init__(
        self, label_smoothing: float = 0.0, num_negatives: int = 512, full_up_to: int = 50_000
    ) -> None:
        self.label_smoothing = label_smoothing
        self.num_negatives = num_negatives
        self.full_up_to = full_up_to

    def choose(self, num_items: int) -> tuple[str, dict[str, Any]]:
        """Return the kind of loss for so many items, and its settings."""
        smoothing = {"label_smoothing": self.label_smoothing}
        if num_items <= self.full_up_to:
            return "full_softmax", smoothing
        return "sampled_softmax", {**smoothing, "num_negatives": self.num_negatives}
