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
from penchant.encoders.bert import BertEncoder
from penchant.encoders.language_model import LanguageModelEncoder
from penchant.encoders.linear import LinearEncoder, LinearState
from penchant.encoders.recurrent import (
    GRUEncoder,
    LSTMEncoder,
    RecurrentEncoder,
    SimpleRecurrentEncoder,
)
from penchant.encoders.self_attention import PairBias
from penchant.encoders.transformer import TransformerEncoder
from penchant.encoders.window import EventWindow, Looked, MaskedItemEncoder, WindowEncoder

__all__ = [
    "BertEncoder",
    "EventWindow",
    "GRUEncoder",
    "LSTMEncoder",
    "LanguageModelEncoder",
    "LinearEncoder",
    "LinearState",
    "Looked",
    "MaskedItemEncoder",
    "MemoryKind",
    "PairBias",
    "RecurrentEncoder",
    "RecurrentState",
    "SequenceEncoder",
    "SimpleRecurrentEncoder",
    "TransformerEncoder",
    "WindowEncoder",
    "encoders",
    "map_state",
    "state_bytes",
    "state_leaves",
]
