"""Heads: how an interest vector scores items."""

from penchant.heads.labels import LabelRule
from penchant.heads.scoring import BinaryHead, DotProductHead, Head, heads

__all__ = ["BinaryHead", "DotProductHead", "Head", "LabelRule", "heads"]
