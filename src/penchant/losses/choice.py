"""Which loss of the next item a catalogue of a given size gets where none is named."""

from __future__ import annotations

from typing import Any

from penchant.losses.sampled import Drawing


class LossBySize:
    """The full softmax where it is affordable, a sampled one above.

    Parameters
    ----------
    label_smoothing
        Of either.
    negatives, num_negatives
        Of the sampled softmax.
    full_up_to
        Items up to which the full softmax is taken.

    Notes
    -----
    The time of the full softmax grows with the catalogue, its accuracy is what a sampled one aims
    at. `benchmarks/loss_memory.py` prints what either costs. Negatives are `mixed`: those from the
    batch come nearer to the full softmax in as many steps, those drawn uniformly leave no item out.

    Examples
    --------
    >>> LossBySize(num_negatives=99).choose(3_416)
    ('full_softmax', {'label_smoothing': 0.0})
    >>> kind, settings = LossBySize(num_negatives=99).choose(1_000_000)
    >>> kind, settings["num_negatives"], settings["negatives"]
    ('sampled_softmax', 99, 'mixed')
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        negatives: Drawing = "mixed",
        num_negatives: int = 512,
        full_up_to: int = 50_000,
    ) -> None:
        self.label_smoothing = label_smoothing
        self.negatives = negatives
        self.num_negatives = num_negatives
        self.full_up_to = full_up_to

    def choose(self, num_items: int) -> tuple[str, dict[str, Any]]:
        """Return the kind of loss for so many items, and its settings."""
        smoothing = {"label_smoothing": self.label_smoothing}
        if num_items <= self.full_up_to:
            return "full_softmax", smoothing
        sample = {"negatives": self.negatives, "num_negatives": self.num_negatives}
        return "sampled_softmax", {**smoothing, **sample}
