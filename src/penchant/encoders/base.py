"""What every sequence encoder is: two forms of one function over a state that is a value.

`forward` reads whole histories, `step` one event per user; both take a state and give one, and
neither changes what it was given. The laws in `penchant.testing` hold the two forms together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from penchant.packed import PackedVectors
from penchant.registry import Registry

MemoryKind = Literal["state", "window"]


class SequenceEncoder(nn.Module, ABC):
    """A causal function from event vectors to hidden vectors, with a state.

    Notes
    -----
    A state is a NamedTuple of tensors, users on the first axis. `memory_kind` says what a store
    keeps for a user: the state itself, or a window of raw events that is encoded again when read.
    `is_causal` says whether hidden vectors are made of all events on the way; where they are not,
    the interest attention scores the events' own vectors.
    """

    kind: str
    memory_kind: MemoryKind = "state"
    is_causal: bool = True

    @abstractmethod
    def initial_state(self, num_users: int) -> Any:
        """Return the state before any event, on the encoder's device and in its dtype."""

    @abstractmethod
    def forward(self, events: PackedVectors, state: Any = None) -> tuple[Tensor, Any]:
        """Read all events of all users.

        Returns
        -------
        hidden, state
            (N, D) hidden vector after each event, and the state after the last event of each user.
        """

    @abstractmethod
    def step(self, events: PackedVectors, state: Any) -> tuple[Tensor, Any]:
        """Read one event per user (N = B): constant work, equal to `forward` on that event.

        Returns
        -------
        hidden, state
            (B, D) hidden vectors and the state after the events.
        """


encoders: Registry[SequenceEncoder] = Registry("encoders")


def state_bytes(state: Any) -> int:
    """Return the bytes of one user's state: all leaves of the (nested) NamedTuple, users first."""
    return sum(leaf[:1].numel() * leaf.element_size() for leaf in state_leaves(state))


def state_leaves(state: Any) -> list[Tensor]:
    """Return the tensors of a (nested) state, in order."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in state_leaves(part)]


def map_state(state: Any, change: Any) -> Any:
    """Return a state of the same form with `change` applied to every leaf."""
    if isinstance(state, Tensor):
        return change(state)
    return type(state)(*(map_state(leaf, change) for leaf in state))


class RecurrentState(NamedTuple):
    """The carried vectors of a recurrent network.

    `hidden` (B, L, D); `cell` (B, L, D) for the LSTM and (B, L, 0) otherwise.
    """

    hidden: Tensor
    cell: Tensor
