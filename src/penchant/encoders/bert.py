"""A masked-item model: attention to both sides of events that are hidden, for comparison.

A user's next event is read as a hidden one behind the last. What is made of it serves no other
event, so that whole histories cost as many passes as they have events; causal encoders cost one.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from penchant.encoders.band import dense_rows
from penchant.encoders.base import encoders
from penchant.encoders.self_attention import Places, SoftmaxAttention, ages, turns_of
from penchant.encoders.starting import last_norm
from penchant.encoders.transformer import PlainBlock
from penchant.encoders.window import MaskedItemEncoder
from penchant.errors import ConfigError
from penchant.packed import PackedEvents, PackedVectors, offsets_of, owner_of

ROWS_AT_ONCE: Final = 65_536
"""Rows of windows that are held at once when many hidden vectors are asked for."""


@encoders.register("bert")
class BertEncoder(MaskedItemEncoder):
    """Layers of attention to both sides, trained to fill in hidden events.

    Parameters
    ----------
    width
        Width D of events and hidden vectors.
    num_layers
        Layers L.
    num_heads
        Heads of each layer.
    window
        Events W that are read together with the hidden one.
    mask_rate
        Share of the events that are hidden in training; the one behind each window always is.
    feed_forward
        Width of the feed-forward networks, in multiples of D.
    dropout_rate
        Dropout on what each half of a layer adds.

    Raises
    ------
    ConfigError
        When the sizes do not fit each other, or the share is out of range.

    Notes
    -----
    Memory per user: the last W - 1 events, 18 bytes each. Each hidden vector that is asked for
    costs O(W · (D² + W · D)) a layer; a training batch costs O(N · (D² + W · D)).

    References
    ----------
    F. Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations
    from transformer", 2019; positions are rotary in place of absolute.
    """

    def __init__(
        self,
        width: int,
        num_layers: int = 2,
        num_heads: int = 2,
        window: int = 200,
        mask_rate: float = 0.2,
        feed_forward: int = 4,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= mask_rate < 1 or window < 1:
            raise ConfigError(
                "encoder.mask_rate must lie in 0..1 and encoder.window be 1 or more, but they are "
                f"{mask_rate} and {window}.",
                "Mend them in the [encoder] section.",
            )
        self.window, self.mask_rate = window, mask_rate
        self.scale = width**0.5
        self.head_width = width // num_heads
        self.unknown = nn.Parameter(torch.randn(width) * width**-0.5)

        def layer() -> PlainBlock:
            attention = SoftmaxAttention(width, num_heads, window + 1, "rotary", is_causal=False)
            return PlainBlock(attention, feed_forward, num_layers, dropout_rate)

        self.layers = nn.ModuleList(layer() for _ in range(num_layers))
        self.norm = last_norm(width)

    @property
    def reach(self) -> int:
        """Events on which a hidden vector depends."""
        return self.window

    def draw(self, events: PackedEvents) -> Tensor:
        """Return (N,) bool, a random share of the events that are not first."""
        device = events.item_index.device
        is_hidden = torch.rand(events.num_events, device=device) < self.mask_rate
        is_hidden[events.offsets[:-1][events.lengths > 0]] = False
        return is_hidden

    def filled(self, offsets: Tensor, is_hidden: Tensor) -> Tensor:
        """Return (N,) bool, for which t event t + 1 is hidden, or none is shown behind t.

        Histories longer than the window are read in pieces.
        """
        is_last = torch.zeros_like(is_hidden)
        is_last[piece_offsets(offsets, self.window)[1:] - 1] = True
        return is_last | is_hidden.roll(-1)

    def fill(self, events: PackedVectors, is_hidden: Tensor) -> Tensor:
        """Return (N, D) H_t where `filled` says so and zeros elsewhere."""
        if events.num_events == 0:
            return events.x
        row = torch.arange(events.num_events, device=is_hidden.device)
        pieces = piece_offsets(events.offsets, self.window)
        shown = torch.where(is_hidden, events.num_events, row)
        piece = owner_of(pieces, events.num_events)
        starts = torch.arange(len(pieces), device=row.device)
        source = torch.full((len(row) + len(pieces) - 1,), events.num_events, device=row.device)
        source[row + piece] = shown  # an unknown event stands behind each piece
        made = self._read(events.x, source, pieces + starts)
        is_filled = self.filled(events.offsets, is_hidden)
        return torch.where(is_filled.unsqueeze(1), made[row + piece + 1], 0.0)

    def encode(self, events: PackedVectors, asked: Tensor | None = None) -> Tensor:
        """Return (N, D) the hidden vectors that are asked for, each from its own window."""
        every = torch.arange(events.num_events, device=events.x.device)
        rows = every if asked is None else every[asked]
        hidden = torch.zeros_like(events.x)
        if len(rows) == 0:
            return hidden
        parts = [
            self._from_windows(events, chunk)
            for chunk in rows.split(max(ROWS_AT_ONCE // (self.window + 1), 1))
        ]
        return hidden.index_copy(0, rows, torch.cat(parts))

    def _from_windows(self, events: PackedVectors, rows: Tensor) -> Tensor:
        """Return (R, D) what is made of an unknown event behind each of the given rows."""
        age = rows - events.offsets[events.user[rows]]
        lengths = torch.minimum(age + 1, torch.tensor(self.window, device=rows.device)) + 1
        offsets = offsets_of(lengths)
        window = owner_of(offsets, int(offsets[-1]))
        place = torch.arange(len(window), device=rows.device) - offsets[1:][window] + 1  # <= 0
        source = torch.where(place < 0, rows[window] + 1 + place, events.num_events)
        return self._read(events.x, source, offsets)[offsets[1:] - 1]

    def _read(self, x: Tensor, source: Tensor, offsets: Tensor) -> Tensor:
        """Return (S, D) what the layers make of rows (S,) of x (N, D); row N is unknown."""
        rows = dense_rows(offsets, spare=0)
        x = torch.cat([x, self.unknown.unsqueeze(0)]) * self.scale
        x = x.index_select(0, rows.enter(source))
        turns = turns_of(ages(rows, x.device), self.head_width, x.dtype)
        places = Places(rows, turns, None)
        for layer in self.layers:
            x = layer(x, places)
        return rows.leave(self.norm(x))


def piece_offsets(offsets: Tensor, most: int) -> Tensor:
    """Return the offsets of histories cut into pieces of at most `most` rows.

    Examples
    --------
    >>> piece_offsets(torch.tensor([0, 5, 5, 7]), 2).tolist()
    [0, 2, 4, 5, 7]
    """
    lengths = offsets.diff()
    num_pieces = (lengths + most - 1) // most
    user = owner_of(offsets_of(num_pieces), int(num_pieces.sum()))
    number = torch.arange(len(user), device=user.device) - offsets_of(num_pieces)[user]
    return torch.cat([offsets[user] + number * most, offsets[-1:]])
