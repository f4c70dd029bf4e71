"""Sums over targets × items for any head, made for some targets at a time.

A head whose scores are products of matrices has a kernel with its own gradient; any other is
scored again in the backward pass, so that nothing of size targets × items is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from penchant.heads import Head
from penchant.losses.partition import Alike, log_partition

BLOCK_CELLS: Final = 2**19
"""Numbers held for the scores of one block (2 MB in float32), which stay in the cache."""


def log_sum(
    head: Head,
    asked: Tensor,
    keys: Tensor,
    bias: Tensor,
    weight: Tensor,
    hit: Tensor | None = None,
    left_out: Tensor | None = None,
    alike: Alike | None = None,
) -> Tensor:
    """Return the weighted sum over targets of log sum exp(score) over items.

    Parameters
    ----------
    head
        Makes scores from `asked` (M, E), `keys` (n, E) and `bias` (n,).
    asked, keys, bias
        What it makes them from.
    weight
        (M,), constants.
    hit, left_out, alike
        As of `log_partition`.

    Relations
    ---------
    Equals `log_partition` for a head that `is_product`.
    """
    if head.is_product:
        return log_partition(asked, keys, bias, weight, hit, left_out, alike)

    def body(asked: Tensor, weight: Tensor, *others: Tensor) -> Tensor:
        scores = head.compare(asked, keys, bias)  # (C, n)
        rest = list(others)
        if hit is not None:
            own = rest.pop(0).unsqueeze(1)
        if left_out is not None:
            columns = torch.arange(len(keys), device=scores.device)
            scores = scores.masked_fill(rest.pop(0).unsqueeze(1) == columns, -torch.inf)
        if alike is not None:
            like = alike._replace(own=rest.pop(0)).among(slice(None))
            scores = scores.masked_fill(like, -torch.inf)
        every = scores if hit is None else torch.cat([own, scores], dim=1)
        return every.logsumexp(1) @ weight

    own_keys = None if alike is None else alike.own
    given = [part for part in (hit, left_out, own_keys) if part is not None]
    return in_blocks(body, (asked, weight, *given), len(keys) * head.cells)


def score_sum(
    head: Head, asked: Tensor, keys: Tensor, bias: Tensor, share: Tensor, weight: Tensor
) -> Tensor:
    """Return sum over m of weight[m] · sum over j of share[j] · score[m, j]."""
    if head.is_product:
        return (weight @ asked) @ (share @ keys) + weight.sum() * (share @ bias)

    def body(asked: Tensor, weight: Tensor) -> Tensor:
        return head.compare(asked, keys, bias) @ share @ weight

    return in_blocks(body, (asked, weight), len(keys) * head.cells)


def softplus_sum(
    head: Head,
    asked: Tensor,
    keys: Tensor,
    bias: Tensor,
    share: Tensor,
    base: Tensor,
    weight: Tensor,
) -> Tensor:
    """Return sum over m of weight[m] · sum over j of share[j] · softplus(score[m, j] - base[m])."""

    def body(asked: Tensor, base: Tensor, weight: Tensor) -> Tensor:
        scores = head.compare(asked, keys, bias)  # (C, n)
        return F.softplus(scores - base.unsqueeze(1)) @ share @ weight

    # The scores, their costs, and the gradient of these.
    return in_blocks(body, (asked, base, weight), 3 * len(keys) * head.cells)


def in_blocks(body: Callable[..., Tensor], rows: Sequence[Tensor], cells: int) -> Tensor:
    """Return the sum of `body` over blocks of rows.

    Parameters
    ----------
    body
        From rows of each tensor to a scalar.
    rows
        Tensors with M rows each.
    cells
        Numbers that `body` holds for one row.

    Notes
    -----
    Every block but a single one is computed again in the backward pass.
    """
    size = max(1, BLOCK_CELLS // cells)
    if len(rows[0]) <= size:
        return body(*rows)
    blocks = zip(*(each.split(size) for each in rows), strict=True)
    made = [checkpoint(body, *block, use_reentrant=False) for block in blocks]
    return torch.stack(made).sum()
