"""Sequence encoders: how interest moves with each event."""

from penchant.encoders.base import (
    MemoryKind,
    RecurrentState,
    SequenceEncoder,
    encoders,
    map_state,
    state_bytes,
    state_leaves,
)
from penchant.encoders.linear import LinearEncoder, LinearState
from penchant.encoders.recurrent import (
    GRUEncoder,
    LSTMEncoder,
    RecurrentEncoder,
    SimpleRecurrentEncoder,
)

__all__ = [
    "GRUEncoder",
    "LSTMEncoder",
    "LinearEncoder",
    "LinearState",
    "MemoryKind",
    "RecurrentEncoder",
    "RecurrentState",
    "SequenceEncoder",
    "SimpleRecurrentEncoder",
    "encoders",
    "map_state",
    "state_bytes",
    "state_leaves",
]
