"""What matters in the history.

Streaming attention, and the readout that fuses it with the encoder's view.
"""

from penchant.interest.attention import (
    AdditiveAttention,
    Decay,
    DotProductAttention,
    InterestAttention,
    MultiHeadAttention,
    attentions,
)
from penchant.interest.likeness import Likeness, NoLikeness, TextLikeness, likenesses
from penchant.interest.readout import Readout
from penchant.interest.streaming import RunningSum, advance, empty_sum, merge, scan
from penchant.interest.value import ValueReadout

__all__ = [
    "AdditiveAttention",
    "Decay",
    "DotProductAttention",
    "InterestAttention",
    "Likeness",
    "MultiHeadAttention",
    "NoLikeness",
    "Readout",
    "RunningSum",
    "TextLikeness",
    "ValueReadout",
    "advance",
    "attentions",
    "empty_sum",
    "likenesses",
    "merge",
    "scan",
]
