"""A gated linear recurrence over packed rows: S_t = a_t S_(t-1) + k_t v_t^T, o_t = q_t S_t.

Blocks of rows first, by matrix products inside each; then a short scan over whole blocks, which is
one matrix product again. No loop over events, no padding between users. Decays are differences of
cumulative logs, never quotients.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor

BLOCK_ROWS: Final = 32
BLOCKS_AT_ONCE: Final = 256
"""Blocks whose carried memories come from one matrix product; more are taken one after another."""

CARRIED_ROWS: Final = 2_048
"""Rows that read their users' carried memories at once: each copies a whole memory."""


class GatedRows(NamedTuple):
    """What each row does to its user's memory: heads H, key width K, value width V.

    `query` and `key` (N, H, K), `value` (N, H, V), `log_decay` (N, H) <= 0: the logarithm of what
    is kept of the memory before the row.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    log_decay: Tensor


class _Blocks(NamedTuple):
    """Packed rows as blocks.

    `query` and `key` (G, H, C, K), `value` (G, H, C, V), `clock` (G, C, H) double, `segment` (G, C)
    the user of each row.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    clock: Tensor
    segment: Tensor


def gated_scan(
    rows: GatedRows, offsets: Tensor, user: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Read all rows of all users.

    Parameters
    ----------
    rows
        All N rows.
    offsets
        (B + 1,).
    user
        (N,) which user each row belongs to.
    state
        (B, H, K, V) memories before the first row; zeros when left out.

    Returns
    -------
    output, state
        (N, H, V) what each row reads, its own key and value included, and the memories after the
        last row of each user.

    Notes
    -----
    Time O(N · H · (block · (K + V) + K · V)); memory O(N · H · (block + K · V / block)).

    References
    ----------
    S. Yang et al., "Gated linear attention transformers with hardware-efficient training", 2024,
    section 4; T. Dao, A. Gu, "Transformers are SSMs", 2024, section 6 (one decay per head).

    Relations
    ---------
    Equals `gated_step` row after row.
    """
    log_decay = rows.log_decay.double()
    clock = log_decay.cumsum(0)  # (N, H) double: differences are taken far from zero
    blocks = _blocked(rows, clock, user)
    carried = _carried_into_blocks(blocks)  # (G, H, K, V)
    output = _read_inside(blocks) + _read_carried(blocks, carried)
    output = output.transpose(1, 2).flatten(0, 1)[: len(user)]  # (N, H, V)
    last = _last_memories(blocks, carried, offsets)
    if state is None:
        return output, last
    before_first = (clock - log_decay)[offsets[:-1].clamp(max=len(clock) - 1)]
    kept = torch.exp(clock - before_first[user]).to(output.dtype)  # (N, H)
    has_rows = (offsets.diff() > 0).unsqueeze(1)
    until_last = torch.where(has_rows, kept[(offsets[1:] - 1).clamp(min=0)], 1.0)  # (B, H)
    earlier = _read_memories(rows.query * kept.unsqueeze(2), state, user)
    return output + earlier, last + state * until_last[:, :, None, None]


def _read_memories(query: Tensor, state: Tensor, user: Tensor) -> Tensor:
    """Return (N, H, V) what rows read of their users' memories (B, H, K, V)."""
    return torch.cat(
        [
            torch.einsum("nhk,nhkv->nhv", some, state[owner])
            for some, owner in zip(query.split(CARRIED_ROWS), user.split(CARRIED_ROWS), strict=True)
        ]
    )


def gated_step(rows: GatedRows, state: Tensor) -> tuple[Tensor, Tensor]:
    """Read one row per user (N = B): constant work, equal to `gated_scan` on that row."""
    kept = rows.log_decay.exp()[:, :, None, None]
    moved = state * kept + rows.key.unsqueeze(3) * rows.value.unsqueeze(2)  # (B, H, K, V)
    return (rows.query.unsqueeze(2) @ moved).squeeze(2), moved


def _blocked(rows: GatedRows, clock: Tensor, user: Tensor) -> _Blocks:
    """Cut rows into blocks; the last one is filled up with rows that add nothing."""
    missing = -len(user) % BLOCK_ROWS
    if missing:
        clock = torch.cat([clock, clock[-1:].expand(missing, -1)])
        user = torch.cat([user, user[-1:].expand(missing)])

    def by_heads(leaf: Tensor) -> Tensor:
        if missing:
            leaf = torch.cat([leaf, leaf.new_zeros(missing, *leaf.shape[1:])])
        return leaf.unflatten(0, (-1, BLOCK_ROWS)).transpose(1, 2)  # (G, H, C, …)

    return _Blocks(
        by_heads(rows.query),
        by_heads(rows.key),
        by_heads(rows.value),
        clock.unflatten(0, (-1, BLOCK_ROWS)),
        user.unflatten(0, (-1, BLOCK_ROWS)),
    )


def _read_inside(blocks: _Blocks) -> Tensor:
    """Return (G, H, C, V) what rows read of the rows of their own block."""
    local = (blocks.clock - blocks.clock[:, :1]).to(blocks.query.dtype).transpose(1, 2)  # (G, H, C)
    causal = torch.ones(BLOCK_ROWS, BLOCK_ROWS, dtype=torch.bool, device=local.device).tril()
    visible = causal & (blocks.segment.unsqueeze(2) == blocks.segment.unsqueeze(1))  # (G, C, C)
    kept = (local.unsqueeze(3) - local.unsqueeze(2)).clamp(max=0).exp()  # (G, H, C, C)
    share = (blocks.query @ blocks.key.transpose(2, 3)) * kept * visible.unsqueeze(1)
    return share @ blocks.value


def _carried_into_blocks(blocks: _Blocks) -> Tensor:
    """Return (G, H, K, V) the memory, at the end of the block before, of the user it ends with."""
    end_clock, end_segment = blocks.clock[:, -1], blocks.segment[:, -1]  # (G, H), (G,)
    is_last_user = blocks.segment == end_segment.unsqueeze(1)  # (G, C)
    to_end = (end_clock.unsqueeze(1) - blocks.clock).to(blocks.key.dtype).exp()  # (G, C, H)
    to_end = (to_end * is_last_user.unsqueeze(2)).transpose(1, 2)  # (G, H, C)
    added = (blocks.key * to_end.unsqueeze(3)).transpose(2, 3) @ blocks.value  # (G, H, K, V)
    zero = torch.zeros_like(added[:1])
    parts, before = [zero], None
    for first in range(0, len(added) - 1, BLOCKS_AT_ONCE):
        group = slice(first, min(first + BLOCKS_AT_ONCE, len(added) - 1))
        clock, segment = end_clock[group], end_segment[group]
        same = (segment.unsqueeze(1) == segment).tril()
        kept = (clock.unsqueeze(1) - clock).clamp(max=0).to(added.dtype).exp() * same.unsqueeze(2)
        memory = torch.einsum("gjh,jhkv->ghkv", kept, added[group])
        if before is not None:
            kept_before = (clock - end_clock[first - 1]).to(added.dtype).exp() * (
                segment == end_segment[first - 1]
            ).unsqueeze(1)  # (g, H)
            memory = memory + kept_before[:, :, None, None] * before
        parts.append(memory)
        before = memory[-1]
    return torch.cat(parts)


def _since_block(blocks: _Blocks) -> Tensor:
    """Return (G, C, H) what is kept, at each row, of the memory carried into its block."""
    before = torch.cat([blocks.clock[:1, 0], blocks.clock[:-1, -1]])  # (G, H)
    last_user = torch.cat([blocks.segment.new_full((1,), -1), blocks.segment[:-1, -1]])  # (G,)
    goes_on = blocks.segment == last_user.unsqueeze(1)  # (G, C)
    kept = (blocks.clock - before.unsqueeze(1)).clamp(max=0).to(blocks.query.dtype).exp()
    return kept * goes_on.unsqueeze(2)


def _read_carried(blocks: _Blocks, carried: Tensor) -> Tensor:
    """Return (G, H, C, V) what rows read of the blocks before."""
    return (blocks.query * _since_block(blocks).transpose(1, 2).unsqueeze(3)) @ carried


def _last_memories(blocks: _Blocks, carried: Tensor, offsets: Tensor) -> Tensor:
    """Return (B, H, K, V) the memories after the users' last rows; zeros without blocks."""
    is_here = offsets.diff() > 0
    last = (offsets[1:] - 1).clamp(min=0)
    block, place = last // BLOCK_ROWS, last % BLOCK_ROWS
    clock, segment = blocks.clock[block], blocks.segment[block]  # (B, C, H), (B, C)
    users = torch.arange(len(last), device=last.device)
    counts = (torch.arange(BLOCK_ROWS, device=last.device) <= place.unsqueeze(1)) & (
        segment == users.unsqueeze(1)
    )  # (B, C)
    since = (clock[users, place].unsqueeze(1) - clock).clamp(max=0).to(blocks.key.dtype).exp()
    weight = (since * counts.unsqueeze(2)).transpose(1, 2).unsqueeze(3)  # (B, H, C, 1)
    inside = (blocks.key[block] * weight).transpose(2, 3) @ blocks.value[block]
    kept = _since_block(blocks)[block, place] * is_here.unsqueeze(1)  # (B, H)
    return inside + carried[block] * kept[:, :, None, None]
