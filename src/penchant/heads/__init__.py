"""Heads: how an interest vector scores items."""

from penchant.heads.labels import LabelRule
from penchant.heads.mixture import MixtureHead
from penchant.heads.scoring import BinaryHead, DotProductHead, Head, heads, unit
from penchant.heads.several import SeveralInterestsHead

__all__ = [
    "BinaryHead",
    "DotProductHead",
    "Head",
    "LabelRule",
    "MixtureHead",
    "SeveralInterestsHead",
    "heads",
    "unit",
]
