"""How a model's state and the seen items become the bytes of a stored memory, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from penchant.encoders import map_state
from penchant.errors import CorruptBundleError
from penchant.items import Profiles
from penchant.serving.ranking import Ranker
from penchant.stores import LoggedEvent, Memory


def encode_state(state: Any) -> bytes:
    """Return all leaves of a state, end to end."""
    leaves: list[bytes] = []
    map_state(state, lambda leaf: leaves.append(leaf.detach().cpu().numpy().tobytes()))
    return b"".join(leaves)


def decode_state(blob: bytes, like: Any) -> Any:
    """Return the state whose bytes these are, in the form of `like`.

    Raises
    ------
    CorruptBundleError
        When the bytes are not as many as the form needs.

    Relations
    ---------
    `decode_state(encode_state(state), like)` equals `state`, bit for bit.
    """
    place = 0

    def leaf_of(leaf: Tensor) -> Tensor:
        nonlocal place
        size = leaf.numel() * leaf.element_size()
        form = torch.empty(0, dtype=leaf.dtype).numpy().dtype
        part = np.frombuffer(blob[place : place + size], form).copy()
        place += size
        return torch.from_numpy(part).reshape(leaf.shape).to(leaf.device)

    needed = len(encode_state(like))
    if len(blob) != needed:
        raise CorruptBundleError(
            f"A memory of this model must have {needed} bytes but has {len(blob)}.",
            "It was kept under another model: drop the memories of this bundle from the store.",
        )
    return map_state(like, leaf_of)


def encode_seen(seen: np.ndarray) -> bytes:
    """Return sorted item indices in two bytes each, in four where the last one needs them.

    A byte before them says which; a catalogue may grow past what two bytes hold.
    """
    if not len(seen):
        return b""
    form = np.dtype(_form(int(seen[-1]) + 1))
    return bytes([form.itemsize]) + seen.astype(form).tobytes()


def decode_seen(blob: bytes) -> np.ndarray:
    """Return the item indices, sorted, int64.

    Examples
    --------
    >>> decode_seen(encode_seen(np.array([3, 70_000]))).tolist()
    [3, 70000]
    """
    return np.frombuffer(blob[1:], f"<u{blob[0]}" if blob else "<u2").astype(np.int64)


def seen_bytes(num_items: int) -> int:
    """Return the bytes that one seen item takes."""
    return np.dtype(_form(num_items)).itemsize


def with_items(seen: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return sorted distinct items with further sorted distinct items among them.

    Notes
    -----
    One copy of what is seen and a search per new item: no sorting of the old ones.

    Examples
    --------
    >>> with_items(np.array([2, 5, 9]), np.array([5, 7])).tolist()
    [2, 5, 7, 9]
    """
    place = np.searchsorted(seen, items)
    is_new = np.append(seen, -1)[place] != items
    return np.insert(seen, place[is_new], items[is_new])


def _form(num_items: int) -> str:
    return "<u2" if num_items <= 2**16 else "<u4"


def advance(
    ranker: Ranker,
    memory: Memory,
    events: Sequence[LoggedEvent],
    profiles: Profiles | None = None,
) -> Memory:
    """Return a memory with further events folded in, given in the order (time, sequence).

    A memory without any begins with what the attributes of its user say.

    Notes
    -----
    One event of a known item is one `model.step`; one of an unknown item, or of a type that is no
    history, is counted and moves nothing.
    """
    begin = ranker.begin(1, profiles)
    state = decode_state(memory.state, begin) if memory.state else begin
    log = ranker.arrays([events])
    seen = with_items(decode_seen(memory.seen), ranker.seen(log)[0])
    times = [memory.last_time_ms] if memory.last_time_ms is not None else []
    return replace(
        memory,
        state=encode_state(ranker.fold(log, state)),
        seen=encode_seen(seen),
        num_events=memory.num_events + len(events),
        last_time_ms=max([*times, *(event.time_ms for event in events)], default=None),
        applied_through=max(
            [memory.applied_through, *(event.sequence for event in events)],
        ),
    )
