"""A pretrained decoder as sequence encoder: item vectors stand where it is used to words.

A user's memory is a window of raw events that steps on when it is full (`stepping`), so that any
causal decoder will do, whatever its positions are, and what it has made of a window's first events
is not made again for the next one (`prefixes`).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from penchant.adapters import adapted, leave_out_frozen
from penchant.dropout import dropout
from penchant.encoders.band import dense_rows
from penchant.encoders.base import encoders
from penchant.encoders.decoder import load_decoder
from penchant.encoders.plain import is_plain
from penchant.encoders.prefixes import Layers, Prefixes, digest
from penchant.encoders.starting import last_norm
from penchant.encoders.stepping import Windows, first_seen, stepping_windows
from penchant.encoders.window import EventWindow, WindowEncoder
from penchant.errors import ConfigError
from penchant.packed import PackedVectors
from penchant.registry import nearest

Adapting = Literal["frozen", "lora", "full", "scratch"]

SINGLE_USERS: Final = 32
"""Up to so many users a step is made user by user, from what is kept of their windows."""


class SteppingWindow(EventWindow):
    """A window whose older half is forgotten when the next event would not fit."""

    __slots__ = ()

    def forgotten(self, lengths: Tensor) -> Tensor:
        """Return (B,) how many of the events shown, (B,) of each user, no later one will see."""
        return first_seen(lengths, self.item_index.shape[1] + 1)


@encoders.register("language_model")
class LanguageModelEncoder(WindowEncoder):
    """Layers of a decoder, pretrained on text, over vectors of events.

    Parameters
    ----------
    width
        Width D of events and hidden vectors.
    model
        The decoder: a short name (`smollm2`), or a folder that transformers saved.
    num_layers
        Its first layers that are taken; all when 0.
    adaptation
        What is trained besides the projections: nothing of the decoder (`frozen`), low-rank
        additions (`lora`), all of it (`full`), or all of it from fresh weights (`scratch`).
    lora_rank
        Rank of the additions.
    window
        Events W that an event sees at most, itself included; at least half as many once there are.
    dropout_rate
        Dropout on what goes into the decoder and on what comes out.
    checkpointing
        Whether layers are computed again for gradients in place of being held.

    Raises
    ------
    ConfigError
        When a setting is unknown or out of range, or the model is no decoder.
    MissingFileError
        When there is no such model.
    MissingExtraError
        When transformers or peft is not installed.

    Notes
    -----
    Vectors are projected to the decoder's width E at the size of its word vectors, its last hidden
    vectors back to D. Memory per user: the last W - 1 events at most, 18 bytes each. Whole
    histories cost two passes over their events; a step in this process one event, but for two in W
    that cost half a window, and otherwise a window. A bundle keeps what is trained and the
    fingerprint of what is frozen.

    References
    ----------
    J. Chen et al., "HLLM: enhancing sequential recommendations via hierarchical large language
    models for item and user modeling", 2024, the user model.

    Relations
    ---------
    Steps from kept keys and values equal those from whole windows.
    """

    def __init__(
        self,
        width: int,
        model: str = "smollm2",
        num_layers: int = 0,
        adaptation: Adapting = "lora",
        lora_rank: int = 8,
        window: int = 50,
        dropout_rate: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if adaptation not in get_args(Adapting):
            raise ConfigError(
                f'encoder.adaptation has no value "{adaptation}".',
                nearest(adaptation, list(get_args(Adapting))),
            )
        decoder = load_decoder(model, num_layers, pretrained=adaptation != "scratch")
        _check_window(window, decoder.layers.config, model)
        self.window, self.dropout_rate = window, dropout_rate
        adapted(decoder.layers, "full" if adaptation == "scratch" else adaptation, lora_rank)
        leave_out_frozen(decoder, model)
        if checkpointing:
            decoder.compute_again()
        self.decoder = decoder
        self.enter = nn.Linear(width, decoder.width)
        self.leave = nn.Linear(decoder.width, width)
        self.norm = last_norm(width)
        # Item vectors have a length of about 1, so that each number becomes as large as in a word.
        nn.init.normal_(self.enter.weight, std=decoder.word_size)
        nn.init.zeros_(self.enter.bias)
        self.prefixes = Prefixes()

    @property
    def reach(self) -> int:
        """Newest events, the present one included, on which a hidden vector depends at most."""
        return self.window

    def initial_state(self, num_users: int) -> SteppingWindow:
        """Return empty windows."""
        return SteppingWindow.empty(num_users, self.window - 1, self.enter.weight.device)

    def encode(self, events: PackedVectors, asked: Tensor | None = None) -> Tensor:
        """Return (N, D) the hidden vectors that are asked for.

        The first event of each user starts a window.
        """
        hidden = torch.zeros_like(events.x)
        if events.num_events == 0 or (asked is not None and not asked.any()):
            return hidden
        windows = stepping_windows(events.offsets, self.window, asked)
        is_step = asked is not None and len(windows.rows) == len(windows.offsets) - 1
        keeps = is_step and not self.training and not torch.is_grad_enabled()
        if keeps and len(windows.rows) <= SINGLE_USERS:
            made = self._from_kept(events.x, windows)
        else:
            made = self._from_windows(events.x, windows)
        made = self.norm(self.leave(dropout(made, self.dropout_rate, self.training)))
        return hidden.index_copy(0, windows.rows, made)

    def _entered(self, x: Tensor) -> Tensor:
        """Return (S, E) vectors (S, D) as the decoder reads them."""
        return dropout(self.enter(x), self.dropout_rate, self.training)

    def _from_windows(self, x: Tensor, windows: Windows) -> Tensor:
        """Return (R, E) what the decoder makes of the rows that are wanted, window by window."""
        rows = dense_rows(windows.offsets)
        entered = rows.enter(self._entered(x)[windows.source])
        made = []
        with sdpa_kernel(SDPBackend.MATH) if is_plain() else nullcontext():
            for group, part in zip(rows.groups, entered.split(rows.sizes), strict=True):
                # Padding stands behind, where causal attention does not see it.
                read = self.decoder(part.unflatten(0, (group.num_users, group.length)))
                made.append(read.flatten(0, 1))
        return rows.leave(torch.cat(made))[windows.place]

    def _from_kept(self, x: Tensor, windows: Windows) -> Tensor:
        """Return (R, E) the same where each window's last row alone is wanted.

        What was made of the rows before is taken from the cache where it is there.
        """
        made = []
        for source in windows.source.split(windows.offsets.diff().tolist()):
            vectors = x[source]
            before = self.prefixes.get(self._key(vectors[:-1])) if len(vectors) > 1 else None
            new = vectors[-1:] if before else vectors
            read, after = self.decoder.extended(self._entered(new).unsqueeze(0), before or [])
            made.append(read[0, -1])
            self._keep(vectors, after)
        return torch.stack(made)

    def _keep(self, vectors: Tensor, layers: Layers) -> None:
        """Keep what was made of vectors (T, D), in place of what was made of all but the last."""
        self.prefixes.drop(self._key(vectors[:-1]))
        if layers and len(vectors) < self.window:  # nothing follows in a full window
            self.prefixes.put(self._key(vectors), layers)

    def _key(self, vectors: Tensor) -> tuple[bytes, torch.dtype, torch.device, int]:
        """Return what tells vectors under the present weights from all others."""
        changes = sum(weight._version for weight in self.parameters())
        return digest(vectors), vectors.dtype, vectors.device, changes


def _check_window(window: int, config: object, model: str) -> None:
    """See that a window is one, and that the decoder has places for it."""
    if window < 2:
        raise ConfigError(
            f"encoder.window must be 2 or more but is {window}.", "An event must see another."
        )
    most = getattr(config, "max_position_embeddings", None)
    if isinstance(most, int) and window > most:
        raise ConfigError(
            f"encoder.window must be at most {most}, the places that {model} has, but is {window}.",
            f"Set encoder.window={most} or less.",
        )
