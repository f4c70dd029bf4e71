"""Dropout whose random bits are drawn eight at a time.

torch draws one number per element, which on a CPU costs more than a layer's matrix products. Here
one draw of 64 bits decides eight elements, so a rate is rounded to a multiple of 1/256.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS: Final = 256


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Return x with a share of its elements at zero and the others scaled up.

    Parameters
    ----------
    x
        Any shape.
    rate
        Share that is dropped, 0 <= rate < 1; on a CPU a multiple of 1/256 is taken.
    training
        Nothing is dropped otherwise.

    Notes
    -----
    The mean is that of x exactly: the scale belongs to the rounded rate. Draws from torch's global
    generator.

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Examples
    --------
    >>> dropout(torch.ones(3), 0.5, training=False).tolist()
    [1.0, 1.0, 1.0]
    >>> sorted(set(dropout(torch.ones(100), 0.25, training=True).tolist()))
    [0.0, 1.3333333730697632]
    """
    dropped = min(round(rate * LEVELS), LEVELS - 1)
    if not training or dropped == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    is_kept = (words.view(torch.uint8)[: x.numel()] >= dropped).view(x.shape)
    return x * is_kept.to(x.dtype).mul_(LEVELS / (LEVELS - dropped))
