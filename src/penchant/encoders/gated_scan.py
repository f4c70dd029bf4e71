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


class _Rows(NamedTuple):
    """Packed rows as blocks: heads H, key width K, value width V.

    `query` and `key` (G, H, C, K), `value` (G, H, C, V), `clock` (G, C, H) double, `segment` (G, C)
    the user of each row.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    clock: Tensor
    segment: Tensor


def gated_scan(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor,
    offsets: Tensor,
    user: Tensor,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Read all rows of all users.

    Parameters
    ----------
    query, key
        (N, H, K).
    value
        (N, H, V).
    log_decay
        (N, H) <= 0, the logarithm of what is kept of the memory before each row.
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
    clock = log_decay.double().cumsum(0)  # (N, H) double: differences are taken far from zero
    rows = _blocked(query, key, value, clock, user)
    carried = _carried_into_blocks(rows)  # (G, H, K, V)
    output = _read_inside(rows) + _read_carried(rows, carried)
    output = output.transpose(1, 2).flatten(0, 1)[: len(query)]  # (N, H, V)
    last = _last_memories(rows, carried, offsets)
    if state is None:
        return output, last
    before_first = (clock - log_decay.double())[offsets[:-1].clamp(max=len(clock) - 1)]
    kept = torch.exp(clock - before_first[user]).to(query.dtype)  # (N, H)
    earlier = [
        torch.einsum("nhk,nhkv->nhv", query[rows] * kept[rows].unsqueeze(2), state[user[rows]])
        for rows in torch.arange(len(query), device=user.device).split(CARRIED_ROWS)
    ]
    is_here = offsets.diff() > 0
    until_last = torch.where(
        is_here.unsqueeze(1), kept[(offsets[1:] - 1).clamp(min=0)], 1.0
    )  # (B, H)
    return output + torch.cat(earlier), last + state * until_last[:, :, None, None]


def gated_step(
    query: Tensor, key: Tensor, value: Tensor, log_decay: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Read one row per user (N = B): constant work, equal to `gated_scan` on that row."""
    moved = state * log_decay.exp()[:, :, None, None] + key.unsqueeze(3) * value.unsqueeze(2)
    return (query.unsqueeze(2) @ moved).squeeze(2), moved


def _blocked(query: Tensor, key: Tensor, value: Tensor, clock: Tensor, user: Tensor) -> _Rows:
    """Cut rows into blocks; the last one is filled up with rows that add nothing."""
    num_rows = len(user)
    missing = -num_rows % BLOCK_ROWS
    if missing:
        nothing = [leaf.new_zeros(missing, *leaf.shape[1:]) for leaf in (query, key, value)]
        query, key, value = (
            torch.cat(pair) for pair in zip((query, key, value), nothing, strict=True)
        )
        clock = torch.cat([clock, clock[-1:].expand(missing, -1)])
        user = torch.cat([user, user[-1:].expand(missing)])
    heads = [
        leaf.unflatten(0, (-1, BLOCK_ROWS)).transpose(1, 2) for leaf in (query, key, value)
    ]  # (G, H, C, …)
    return _Rows(*heads, clock.unflatten(0, (-1, BLOCK_ROWS)), user.unflatten(0, (-1, BLOCK_ROWS)))


def _read_inside(rows: _Rows) -> Tensor:
    """Return (G, H, C, V) what rows read of the rows of their own block."""
    local = (rows.clock - rows.clock[:, :1]).to(rows.query.dtype).transpose(1, 2)  # (G, H, C)
    causal = torch.ones(BLOCK_ROWS, BLOCK_ROWS, dtype=torch.bool, device=local.device).tril()
    visible = causal & (rows.segment.unsqueeze(2) == rows.segment.unsqueeze(1))  # (G, C, C)
    kept = (local.unsqueeze(3) - local.unsqueeze(2)).clamp(max=0).exp()  # (G, H, C, C)
    share = (rows.query @ rows.key.transpose(2, 3)) * kept * visible.unsqueeze(1)
    return share @ rows.value


def _carried_into_blocks(rows: _Rows) -> Tensor:
    """Return (G, H, K, V) the memory, at the end of the block before, of the user it ends with."""
    end_clock, end_segment = rows.clock[:, -1], rows.segment[:, -1]  # (G, H), (G,)
    is_last_user = rows.segment == end_segment.unsqueeze(1)  # (G, C)
    to_end = (end_clock.unsqueeze(1) - rows.clock).to(rows.key.dtype).exp()  # (G, C, H)
    to_end = (to_end * is_last_user.unsqueeze(2)).transpose(1, 2)  # (G, H, C)
    added = (rows.key * to_end.unsqueeze(3)).transpose(2, 3) @ rows.value  # (G, H, K, V)
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


def _since_block(rows: _Rows) -> Tensor:
    """Return (G, C, H) what is kept, at each row, of the memory carried into its block."""
    before = torch.cat([rows.clock[:1, 0], rows.clock[:-1, -1]])  # (G, H)
    last_user = torch.cat([rows.segment.new_full((1,), -1), rows.segment[:-1, -1]])  # (G,)
    goes_on = rows.segment == last_user.unsqueeze(1)  # (G, C)
    kept = (rows.clock - before.unsqueeze(1)).clamp(max=0).to(rows.query.dtype).exp()
    return kept * goes_on.unsqueeze(2)


def _read_carried(rows: _Rows, carried: Tensor) -> Tensor:
    """Return (G, H, C, V) what rows read of the blocks before."""
    return (rows.query * _since_block(rows).transpose(1, 2).unsqueeze(3)) @ carried


def _last_memories(rows: _Rows, carried: Tensor, offsets: Tensor) -> Tensor:
    """Return (B, H, K, V) the memories after the users' last rows; zeros without rows."""
    is_here = offsets.diff() > 0
    last = (offsets[1:] - 1).clamp(min=0)
    block, place = last // BLOCK_ROWS, last % BLOCK_ROWS
    clock, segment = rows.clock[block], rows.segment[block]  # (B, C, H), (B, C)
    users = torch.arange(len(last), device=last.device)
    counts = (torch.arange(BLOCK_ROWS, device=last.device) <= place.unsqueeze(1)) & (
        segment == users.unsqueeze(1)
    )  # (B, C)
    since = (clock[users, place].unsqueeze(1) - clock).clamp(max=0).to(rows.key.dtype).exp()
    weight = (since * counts.unsqueeze(2)).transpose(1, 2).unsqueeze(3)  # (B, H, C, 1)
    inside = (rows.key[block] * weight).transpose(2, 3) @ rows.value[block]
    kept = _since_block(rows)[block, place] * is_here.unsqueeze(1)  # (B, H)
    return inside + carried[block] * kept[:, :, None, None]
