"""Recurrent encoders over packed histories: simple recurrent network, LSTM and GRU.

torch runs the recurrences; this file only lays packed rows out time step by time step, so that no
step is spent on padding, and keeps the carried state a value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from penchant.dropout import dropout
from penchant.encoders.base import RecurrentState, SequenceEncoder, encoders
from penchant.encoders.packed_gru import packed_gru
from penchant.encoders.plain import is_plain
from penchant.packed import PackedVectors

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

Carried = Tensor | tuple[Tensor, Tensor]
"""What torch carries from step to step, (L, B', D): hidden vectors, with cells for the LSTM."""


Run = Callable[[nn.RNNBase, Tensor, Carried], tuple[Tensor, Carried]]
"""One network over rows, from what is carried into it to what it carries on."""


class TimeMajor(NamedTuple):
    """How packed rows are laid out step by step, longest history first.

    `users` (B',) those with events, longest first; `place` (N,) where each row goes; `sizes` (T,)
    users at each step.
    """

    users: Tensor
    place: Tensor
    sizes: Tensor


def time_major(offsets: Tensor, user: Tensor) -> TimeMajor:
    """Return the layout of the rows by time step.

    Examples
    --------
    >>> layout = time_major(torch.tensor([0, 1, 1, 4]), torch.tensor([0, 2, 2, 2]))
    >>> layout.users.tolist(), layout.place.tolist(), layout.sizes.tolist()
    ([2, 0], [1, 0, 2, 3], [2, 1, 1])
    """
    lengths = offsets.diff()
    users = torch.argsort(lengths, descending=True, stable=True)[: int((lengths > 0).sum())]
    rank = torch.empty_like(lengths)
    rank[users] = torch.arange(users.shape[0], device=users.device)
    age = (
        torch.arange(user.shape[0], device=user.device) - offsets[user]
    )  # (N,) row within its user
    sizes = torch.bincount(age)  # (T,)
    starts = sizes.cumsum(0) - sizes
    return TimeMajor(users, starts[age] + rank[user], sizes)


class RecurrentEncoder(SequenceEncoder):
    """A stack of recurrent layers whose state is their hidden vectors.

    Parameters
    ----------
    width
        Width D of events and hidden vectors.
    num_layers
        Layers L of the stack.
    dropout_rate
        Dropout between the layers (there is none behind the last).
    residual
        Add what each layer makes to what it reads, normed before and behind the last: deep stacks
        train that way and hardly otherwise.

    Notes
    -----
    Memory per user: L · D numbers, twice that for the LSTM. Work per event: O(L · D²), in both
    forms.
    """

    network: ClassVar[Callable[..., nn.RNNBase]]
    has_cell: ClassVar[bool] = False

    def __init__(
        self,
        width: int,
        num_layers: int = 1,
        dropout_rate: float = 0.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        self.num_layers = num_layers
        self.dropout_rate = dropout_rate
        if residual:
            self.stack = nn.ModuleList(self.network(width, width) for _ in range(num_layers))
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(num_layers + 1))
        else:
            between = dropout_rate if num_layers > 1 else 0.0
            self.layers = self.network(width, width, num_layers, dropout=between)
        self.residual = residual

    def initial_state(self, num_users: int) -> RecurrentState:
        """Return zeros: hidden (B, L, D) and, for the LSTM, a cell of the same shape."""
        hidden = next(self.parameters()).new_zeros(num_users, self.num_layers, self.width)
        return RecurrentState(hidden, hidden if self.has_cell else hidden[:, :, :0])

    def forward(
        self, events: PackedVectors, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Read all events; users without events keep their state."""
        state = self.initial_state(events.num_users) if state is None else state
        if events.x.shape[0] == 0:
            return events.x, state
        layout = time_major(events.offsets, events.user)
        ordered = torch.empty_like(layout.place)
        ordered[layout.place] = torch.arange(layout.place.shape[0], device=ordered.device)
        carried = self._carried(state, layout.users)

        def run(network: nn.RNNBase, x: Tensor, begin: Carried) -> tuple[Tensor, Carried]:
            return self._run(network, x, layout, begin)

        hidden, last = self._through(events.x[ordered], carried, run)
        return hidden[layout.place], self._kept(state, layout.users, last)

    def _through(self, x: Tensor, carried: Carried, run: Run) -> tuple[Tensor, Carried]:
        """Return what all layers make of rows in order, and what they carry, layers first."""
        if not self.residual:
            return run(self.layers, x, carried)
        lasts = []
        for index, network in enumerate(self.stack):
            assert isinstance(network, nn.RNNBase)
            added, last = run(network, self.norms[index](x), _layer(carried, index))
            x = x + dropout(added, self.dropout_rate, self.training)
            lasts.append(last)
        return self.norms[-1](x), _joined(lasts)

    def _run(
        self, network: nn.RNNBase, x: Tensor, layout: TimeMajor, carried: Carried
    ) -> tuple[Tensor, Carried]:
        """Return (N, D) hidden vectors of time-major rows and the last ones, layers first."""
        output, last = network(PackedSequence(x, layout.sizes.cpu()), carried)
        return output.data, last

    def step(self, events: PackedVectors, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Read one event per user."""
        users = torch.arange(events.num_users, device=events.x.device)
        output, last = self._through(
            events.x.unsqueeze(0),  # (1, B, D)
            self._carried(state, users),
            lambda network, x, begin: network(x, begin),
        )
        return output[0], self._kept(state, users, last)

    def _carried(self, state: RecurrentState, users: Tensor) -> Carried:
        """Return the users' state as torch wants it: layers first."""
        hidden = state.hidden[users].transpose(0, 1).contiguous()  # (L, B', D)
        if not self.has_cell:
            return hidden
        return hidden, state.cell[users].transpose(0, 1).contiguous()

    def _kept(self, state: RecurrentState, users: Tensor, last: Carried) -> RecurrentState:
        """Return a new state in which the given users have moved on."""
        hidden, cell = last if isinstance(last, tuple) else (last, None)
        moved = state.hidden.index_copy(0, users, hidden.transpose(0, 1))
        if cell is None:
            return RecurrentState(moved, state.cell)
        return RecurrentState(moved, state.cell.index_copy(0, users, cell.transpose(0, 1)))


def _layer(carried: Carried, index: int) -> Carried:
    """Return what one layer of a stack carries."""
    if isinstance(carried, tuple):
        return carried[0][index : index + 1], carried[1][index : index + 1]
    return carried[index : index + 1]


def _joined(lasts: list[Carried]) -> Carried:
    """Return what single layers carry as what a stack of them carries."""
    if isinstance(lasts[0], tuple):
        return torch.cat([last[0] for last in lasts]), torch.cat([last[1] for last in lasts])
    return torch.cat([last for last in lasts if isinstance(last, Tensor)])


@encoders.register("rnn")
class SimpleRecurrentEncoder(RecurrentEncoder):
    """Elman's recurrent network with tanh.

    References
    ----------
    J. Elman, "Finding structure in time", 1990.
    """

    network = nn.RNN


@encoders.register("lstm")
class LSTMEncoder(RecurrentEncoder):
    """Long short-term memory.

    References
    ----------
    S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997.
    """

    network = nn.LSTM
    has_cell = True


@encoders.register("gru")
class GRUEncoder(RecurrentEncoder):
    """Gated recurrent unit, the encoder of GRU4Rec.

    References
    ----------
    K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, equations 5-8;
    B. Hidasi et al., "Session-based recommendations with recurrent neural networks", 2016.
    """

    network = nn.GRU

    def _run(
        self, network: nn.RNNBase, x: Tensor, layout: TimeMajor, carried: Carried
    ) -> tuple[Tensor, Carried]:
        """Use the layer with its own backward where it pays: in training, on a CPU."""
        if is_plain() or x.is_cuda or not torch.is_grad_enabled():
            return super()._run(network, x, layout, carried)
        assert isinstance(carried, Tensor), "a GRU carries no cell"
        starts = layout.sizes.cumsum(0) - layout.sizes
        lengths = (layout.sizes.unsqueeze(1) > torch.arange(len(layout.users))).sum(0)  # (B',)
        last_row = starts[lengths - 1] + torch.arange(len(layout.users))
        sizes, last = layout.sizes.tolist(), []
        for layer in range(network.num_layers):
            if layer:
                x = dropout(x, network.dropout, self.training)
            weights = tuple(getattr(network, f"{name}_l{layer}") for name in WEIGHTS)
            x = packed_gru(x, carried[layer], weights, sizes)
            last.append(x[last_row])
        return x, torch.stack(last)
